"""Concepts and feedback by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., str]


def stems(output: str) -> list[str]:
    return [Path(hit["path"]).stem for hit in json.loads(output)["hits"]]


def test_a_concept_from_its_making_to_its_end(command: Command, photos: Path) -> None:
    assert "None yet" in command("concept", "list")
    blue, red = photos / "blue.png", photos / "red.png"
    said = command("concept", "save", "the sea", "--like", blue, "--unlike", red, "white", "waves")
    assert 'bouba search --concept "the sea"' in said
    assert command("concept", "list").strip() == "the sea: “white waves”, 1 like, 1 unlike"
    shown = command("concept", "show", "The Sea")
    assert "like    " in shown
    assert "photos/blue.png" in shown
    record = json.loads(command("concept", "show", "the sea", "--json"))
    assert list(record) == ["name", "text", "like", "unlike", "saved"]
    assert json.loads(command("concept", "list", "--json")) == {"concepts": [record]}
    by_id = command("search", "white waves", "--like", record["like"][0][:8], "--unlike", record["unlike"][0], "--json")
    assert stems(command("search", "--concept", "the sea", "--json")) == stems(by_id)
    command("remove", blue)
    assert "(no longer in the gallery)" in command("concept", "show", "the sea")
    assert json.loads(command("concept", "remove", "THE SEA", "--json")) == {"removed": "THE SEA", "concepts": 0}


def test_hits_are_liked_by_path_and_weights_count(command: Command, photos: Path) -> None:
    assert stems(command("search", "--like", photos / "blue.png", "--json"))[0] == "blue"
    command("concept", "save", "sea", "blue")
    for weight, colour in (("0.1", "red"), ("9", "blue")):
        assert stems(command("search", "red", "-c", "sea", "--concept-weight", weight, "--json"))[0] == colour


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("search", "--concept", "sea"), "No concept is called 'sea'"),
        (("search", "red", "--like", "nothing.png"), "nothing.png: no such item"),
        (("concept", "save", "sea"), "Nothing is looked for"),
        (("concept", "remove", "sea"), "No concept is called 'sea'"),
        (("concept", "save", "x" * 61, "red"), "is no name of a concept"),
    ],
)
def test_what_cannot_be_done_is_said(command: Command, arguments: tuple[str, ...], says: str) -> None:
    assert says in command(*arguments, code=1)
