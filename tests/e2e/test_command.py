"""The command as a user runs it: a process of its own, its words, its JSON and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
from bad_inputs import write_corpus
from PIL import Image
from tiny_model import DIM, write_tiny_model


class Command:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.environment = {**os.environ, "BOUBA_GALLERY": str(place / "gallery"), "COLUMNS": "100"}

    def __call__(self, *arguments: object, code: int = 0, given: str | None = None) -> str:
        run = self.start(*arguments, stdin=subprocess.PIPE if given else subprocess.DEVNULL)
        out, self.stderr = run.communicate(given, timeout=120)
        assert run.returncode == code, self.stderr + out
        assert "Traceback" not in self.stderr + out
        return out

    def start(self, *arguments: object, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bouba", *map(str, arguments)], cwd=self.place, env=self.environment, text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )  # fmt: skip

    def json(self, *arguments: object) -> dict:
        return json.loads(self(*arguments, "--json"))


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def filled(command: Command, photos: Path, tiny_model_folder: Path) -> Command:
    command("add", photos, "--model", tiny_model_folder)
    return command


def test_add_says_what_it_did(command: Command, photos: Path, tiny_model_folder: Path) -> None:
    assert command("add", photos, "-m", tiny_model_folder).startswith("12 added; 12 in the gallery;")
    assert command("add", photos).startswith("12 unchanged; 12 in the gallery;")
    report = command.json("add", photos)
    assert {k: report[k] for k in ("added", "unchanged", "failed", "items")} == {
        "added": 0, "unchanged": 12, "failed": 0, "items": 12,
    }  # fmt: skip


def test_search_prints_rank_score_path(filled: Command) -> None:
    lines = filled("search", "red", "-k", 3).splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert {line.split()[2] for line in lines[:2]} == {"photos/red.png", "photos/below/red.jpg"}


def test_search_json(filled: Command, photos: Path) -> None:
    result = filled.json("search", "red", "-k", 2, "--where", 'media_type = "image/png"')
    assert result["found"] is True
    hit = result["hits"][0]
    assert list(hit) == [
        "rank", "id", "path", "score", "width", "height", "bytes", "media_type", "taken", "phash", "attributes",
    ]  # fmt: skip
    assert (hit["rank"], hit["path"]) == (1, str(photos / "red.png"))


def test_search_by_picture_and_both(filled: Command, photos: Path) -> None:
    assert filled.json("search", "--image", photos / "blue.png", "-k", 1)["hits"][0]["path"].endswith("blue.png")
    both = filled.json("search", "red", "--image", photos / "blue.png", "-k", 1, "--text-weight", 9)
    assert both["hits"][0]["path"].endswith(("red.png", "red.jpg"))


def test_sheet(filled: Command, tmp_path: Path) -> None:
    filled("search", "red", "-k", 5, "--sheet", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as sheet:
        red, columns = (255, 0, 0), 4
        assert sheet.width > columns * 256
        near = [sheet.getpixel((12 + 128 + x * 268, 52 + 128)) for x in range(2)]
    assert all(abs(a - b) < 60 for pixel in near for a, b in zip(pixel, red, strict=True))


def test_attributes_and_filters(command: Command, photos: Path, tiny_model_folder: Path) -> None:
    (photos / "list.csv").write_text("image,price,brand\nred.png,3,A\ngreen.png,60,\n")
    command("add", photos / "list.csv", "-m", tiny_model_folder)
    assert [h["attributes"] for h in command.json("search", "red", "--where", "price < 50")["hits"]] == [
        {"price": 3.0, "brand": "A"}
    ]
    assert command.json("list", "--where", "brand is null")["total"] == 1
    command("search", "red", "--where", "prize < 50", code=1)
    assert "price" in command.stderr


def test_info_list_show(filled: Command, photos: Path) -> None:
    info = filled.json("info")
    assert (info["items"], info["model"]["name"], info["gallery"]) == (12, "tiny", str(filled.place / "gallery"))
    assert "tiny 0.1" in filled("info")
    listed = filled.json("list", "-n", 5)
    assert (listed["total"], len(listed["items"])) == (12, 5)
    assert filled("list", "-n", 5).splitlines()[-1] == "... and 7 more; -n 0 lists all."
    item = filled.json("show", photos / "red.png")
    assert filled.json("show", item["id"][:10]) == item
    assert "media_type  image/png" in filled("show", item["id"])


def test_remove(filled: Command, photos: Path) -> None:
    assert filled.json("remove", photos / "red.png") == {"removed": 1, "items": 11}
    assert (photos / "red.png").exists()
    filled("remove", "--where", 'media_type = "image/png"', code=1)
    assert "Nothing was removed" in filled.stderr
    assert filled.json("info")["items"] == 11
    assert "Removed 5" in filled("remove", "--where", 'media_type = "image/png"', given="y\n")
    assert filled.json("remove", "--where", "width > 0", "--yes") == {"removed": 6, "items": 0}


def test_export(filled: Command, tmp_path: Path) -> None:
    assert filled.json("export", tmp_path / "all.parquet")["items"] == 12
    table = pyarrow.parquet.read_table(tmp_path / "all.parquet")
    assert table.num_rows == 12
    assert len(table["vector"][0]) == DIM
    assert {"id", "path", "width", "taken", "phash"} <= set(table.column_names)
    assert "other.parquet" in filled("export", "other.parquet", "--where", "width > 1000")
    filled("export", tmp_path / "no" / "such.parquet", code=1)


def test_models(command: Command, tiny_model_folder: Path) -> None:
    described = command.json("models", tiny_model_folder)["models"][0]
    assert (described["name"], described["dim"]) == ("tiny", DIM)
    assert "tiny 0.1" in command("models", tiny_model_folder)


def test_bad_files_are_reported_not_fatal(command: Command, photos: Path, tiny_model_folder: Path) -> None:
    (photos / "bad").mkdir()
    corpus = write_corpus(photos / "bad")
    command(
        "add", photos, *(photos / "bad" / name for name in corpus), "-m", tiny_model_folder, "--report", "bad.jsonl"
    )
    rows = [json.loads(line) for line in (command.place / "bad.jsonl").read_text().splitlines()]
    assert {row["source"] for row in rows} == {str(photos / "bad" / name) for name in corpus}
    assert "could not be used" in command.stderr
    assert command.json("info")["items"] == 12


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["search", "red"], 1, "bouba add"),
        (["info", "-g", "ftp://x/y"], 1, "ftp"),
        (["add", "no/such/folder"], 1, "no such"),
        (["add"], 2, "PATH"),
        (["serch"], 2, "serch"),
        (["search", "--colour", "red"], 2, "--colour"),
        (["search", "red", "-k", "0"], 2, "-k"),
        (["models", "no/such"], 1, "model.json"),
        (["remove"], 2, "--where"),
        (["train", "none.toml"], 2, "none.toml"),
        (["audit", "none.jsonl"], 2, "none.jsonl"),
        (["migrate"], 2, "--cancel"),
        (["migrate", "--model", "builtin"], 1, "no gallery"),
        (["models", "pull", "ViT-B-32"], 1, "openclip:"),
    ],
)
def test_errors_have_a_message_and_a_code(command: Command, arguments: list[str], code: int, words: str) -> None:
    command(*arguments, code=code)
    assert words.lower() in command.stderr.lower()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search"], "Nothing was asked"),
        (["search", ""], "at least one word"),
        (["search", "--image", "none.png"], "none.png"),
        (["search", "--image", "https://example.com/a.png"], "--fetch"),
        (["search", "--image", "http://127.0.0.1:9/a.png", "--fetch"], "127.0.0.1"),
        (["search", "red", "--where", "width >"], "width >"),
        (["search", "red", "--sheet", "no/such/out.png"], "out.png"),
        (["show", "ffffffffff"], "no such item"),
        (["remove", "nothing.png"], "no such item"),
    ],
)
def test_errors_on_a_gallery(filled: Command, arguments: list[str], words: str) -> None:
    filled(*arguments, code=1)
    assert words in filled.stderr


def test_another_model_is_refused(filled: Command, tmp_path: Path) -> None:
    other = write_tiny_model(tmp_path / "other", "stranger", bias=90.0)
    filled("search", "red", "--model", other, code=1)
    assert "tiny 0.1" in filled.stderr
    assert "stranger 0.1" in filled.stderr


def test_every_command_has_help_with_its_name() -> None:
    from bouba.cli import commands

    assert set(commands.commands) == {
        "add", "audit", "calibrate", "concept", "copy", "duplicates", "evaluate", "explain", "export", "info", "keys",
        "list", "listen", "mcp", "medical", "migrate", "models", "moderate", "moderation", "plan", "remove", "search",
        "serve", "shop", "show", "train", "tune", "watch",
    }  # fmt: skip
    assert all(c.help for c in commands.commands.values())


def test_reader_that_goes_away(filled: Command) -> None:
    run = filled.start("list", "-n", 0)
    run.stdout.close()
    run.wait(60)
    assert run.stderr.read() == ""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_watch_follows_the_folder(command: Command, photos: Path, tiny_model_folder: Path, paint) -> None:
    run = command.start("watch", photos, "-m", tiny_model_folder)
    try:
        assert "12 added" in run.stdout.readline()
        paint("blue", "new.png", seed=77)
        assert "1 added; 13 in the gallery" in run.stdout.readline()
        (photos / "new.png").rename(photos / "below/newer.png")
        line = run.stdout.readline()
        if "1 removed" in line:  # a busy machine may tell of a rename in two groups
            assert "1 added; 13 in the gallery" in run.stdout.readline()
        else:
            assert "1 moved" in line
        (photos / "below/newer.png").unlink()
        assert "1 removed; 12 in the gallery" in run.stdout.readline()
    finally:
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "Traceback" not in errors
