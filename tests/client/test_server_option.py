"""`bouba search --server URL` prints what it prints here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import bouba
from bouba.cli import main

pytest.importorskip("fastapi")

Command = Callable[..., str]


@pytest.fixture
def search(
    shelf: Path, stocked: bouba.Gallery, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """search("red", "--json"): what it prints; with `code` above 0 the message."""
    monkeypatch.chdir(shelf)
    monkeypatch.setenv("BOUBA_GALLERY", stocked.uri)

    def search(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["bouba", "search", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == code, printed
        return printed.err if code else printed.out

    return search


@pytest.mark.parametrize(
    "asked",
    [
        ("red",),
        ("red", "--all", "--json"),
        ("red", "--not", "blue", "-k", "3"),
        ("red", "--or", "blue", "--json"),
        ("blue", "--where", "price > 5"),
        ("red", "--where", "width > 5000"),
        ("--image", "photos/green.png", "-k", "2"),
        ("white", "--like", "photos/red.png", "--unlike", "photos/blue.png"),
    ],
    ids=" ".join,
)
def test_the_same_output(search: Command, live: str, asked: tuple[str, ...]) -> None:
    assert search(*asked, "--server", live) == search(*asked)


def test_sheet(search: Command, live: str, tmp_path: Path) -> None:
    search("red", "--server", live, "--sheet", tmp_path / "there.png")
    search("red", "--sheet", tmp_path / "here.png")
    assert (tmp_path / "there.png").read_bytes() == (tmp_path / "here.png").read_bytes()


def test_the_same_message(search: Command, live: str) -> None:
    asked = ("red", "--where", "prize < 3")
    assert search(*asked, "--server", live, code=1) == search(*asked, code=1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--server", "http://127.0.0.1:9", "--model", "tiny"), "--model works on a gallery here"),
        (("--key-file", __file__), "--key-file is the key of a server"),
    ],
)
def test_what_does_not_go_together(search: Command, options: tuple[str, ...], told: str) -> None:
    assert told in search("red", *options, code=2)


def test_a_key_from_a_file_or_the_environment(
    search: Command, scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.says(scripted.problem(401, "Unauthorized", "A key is needed."))
    assert "A key is needed." in search("red", "--server", scripted.url, code=1)
    (tmp_path / "key").write_text("bouba_file\n")
    search("red", "--server", scripted.url, "--key-file", tmp_path / "key", code=1)
    monkeypatch.setenv("BOUBA_KEY", "bouba_environment")
    search("red", "--server", scripted.url, "--gallery", "shop", code=1)
    assert [seen.headers.get("Authorization") for seen in scripted.seen] == [
        None, "Bearer bouba_file", "Bearer bouba_environment",
    ]  # fmt: skip
    assert [seen.path for seen in scripted.seen] == ["/search", "/search", "/search?gallery=shop"]


def test_several_galleries(search: Command, stocked: bouba.Gallery, tiny_model, paint) -> None:
    from live_server import live_server

    other = bouba.open("memory://", tiny_model)
    other.add(paint("black", "other.png"))
    with live_server({"first": stocked, "second": other}) as url:
        found = json.loads(search("black", "--server", url, "--gallery", "second", "--json"))
        assert [Path(hit["path"]).name for hit in found["hits"]] == ["other.png"]
        assert "third" in search("black", "--server", url, "--gallery", "third", code=1)
