"""Questions of several parts by the command, over pictures whose halves have different colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Command = Callable[..., str]
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture
def halves(command: Command, tmp_path: Path, tiny_model_folder: Path) -> Command:
    folder = tmp_path / "halves"
    folder.mkdir()
    for left, one in COLOURS.items():
        for right, other in COLOURS.items():
            picture = Image.new("RGB", (64, 64), one)
            picture.paste(other, (32, 0, 64, 64))
            picture.save(folder / f"{left}-{right}.png")
    gallery = tmp_path / "halves.bouba"
    command("add", folder, "-g", gallery, "--model", tiny_model_folder)
    return lambda *arguments, **more: command("search", *arguments, "-g", gallery, **more)


def shown(output: str) -> list[frozenset[str]]:
    return [frozenset(Path(hit["path"]).stem.split("-")) for hit in json.loads(output)["hits"]]


def test_and(halves: Command) -> None:
    assert set(shown(halves("red", "--and", "blue", "-k", "2", "--json"))) == {frozenset({"red", "blue"})}


def test_or(halves: Command) -> None:
    found = shown(halves("red", "--or", "blue", "-k", "2", "--all", "--json"))
    assert set(found) == {frozenset({"red"}), frozenset({"blue"})}


def test_not_holds_for_every_side(halves: Command) -> None:
    found = shown(halves("red", "--or", "blue", "--not", "green", "-k", "3", "--all", "--json"))
    assert not any("green" in colours for colours in found)


def test_a_sentence_that_rules_something_out_is_read_so_and_exact_keeps_it(halves: Command) -> None:
    read = json.loads(halves("red without blue", "-k", "3", "--json"))
    assert any("looking for: red; without: blue" in note for note in read["notes"])
    assert not any("blue" in colours for colours in shown(json.dumps(read)))
    kept = json.loads(halves("red without blue", "--exact", "-k", "3", "--json"))
    assert "notes" not in kept
    assert any("blue" in colours for colours in shown(json.dumps(kept)))


def test_parts_are_shown_with_what_each_says(halves: Command) -> None:
    (hit, *_) = json.loads(halves("red", "--not", "blue", "--json"))["hits"]
    assert [(part["asked"], part["wanted"]) for part in hit["parts"]] == [("red", True), ("blue", False)]


def test_raw_has_no_score_for_several_parts(halves: Command) -> None:
    assert "leave it out" in halves("red", "--and", "blue", "--raw", code=1)
