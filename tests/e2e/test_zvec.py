"""The command on a zvec:// gallery: what any gallery can, and a second process that is refused in plain words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

import bouba

pytest.importorskip("zvec")


def run(*arguments: object, code: int = 0) -> str:
    command = [sys.executable, "-m", "bouba", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if code else done.stdout


def test_add_search_and_remove(tmp_path: Path, photos: Path, tiny_model_folder: Path) -> None:
    place = f"zvec://{tmp_path / 'g'}"
    run("add", photos, "-g", place, "-m", tiny_model_folder)
    hits = json.loads(run("search", "red", "-g", place, "--json"))["hits"]
    assert {Path(hit["path"]).name for hit in hits[:2]} == {"red.png", "red.jpg"}
    assert json.loads(run("info", "-g", place, "--json"))["items"] == 12
    (tmp_path / "photos" / "red.png").unlink()
    run("add", photos, "-g", place, "--prune")
    assert json.loads(run("info", "-g", place, "--json"))["items"] == 11
    assert (tmp_path / "g" / "ledger.sqlite").exists()
    assert (tmp_path / "g" / "words.sqlite").exists()


def test_a_migration(tmp_path: Path, photos: Path, tiny_model_folder: Path) -> None:
    place = f"zvec://{tmp_path / 'g'}"
    run("add", photos, "-g", place, "-m", tiny_model_folder)
    other = write_tiny_model(tmp_path / "other", "other", bias=90.0)
    run("migrate", "-g", place, "-m", other)
    info = json.loads(run("info", "-g", place, "--json"))
    assert (info["items"], info["model"]["name"]) == (12, "other")
    assert json.loads(run("search", "red", "-g", place, "--json"))["hits"][0]["path"].endswith(("red.png", "red.jpg"))


def test_a_second_process_is_refused_in_plain_words(tmp_path: Path, photos: Path, tiny_model_folder: Path) -> None:
    place = f"zvec://{tmp_path / 'g'}"
    with bouba.open(place, tiny_model_folder) as gallery:
        gallery.add(photos)
        for arguments in (("search", "red"), ("info",), ("add", photos)):
            message = run(*arguments, "-g", place, code=1)
            assert "is in use by process" in message
            assert "belongs to one process at a time" in message
        assert len(gallery.search("red", k=3)) == 3
    assert json.loads(run("info", "-g", place, "--json"))["items"] == 12
