"""A gallery on Milvus from the command, and beside an embedded one: the same pictures give the same answers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from milvus_here import new_place
from tiny_model import write_tiny_model

import bouba
from bouba.cli import main
from bouba.errors import StoreUnavailable
from bouba.migrate import migrate

Command = Callable[..., str]
WORDS = ["red", "white and blue", "a green square", "black"]


@pytest.fixture(params=["milvus-lite", "milvus"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return new_place() if request.param == "milvus" else f"milvus://{tmp_path}/demo.db?collection=photos"


@pytest.fixture
def command(place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """command("search", "red"): what it prints. In this process, to be quick."""

    def command(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["bouba", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == 0, printed
        assert printed.err == ""
        return printed.out

    monkeypatch.setenv("BOUBA_GALLERY", place)
    return command


def test_from_the_first_picture_to_another_model(
    command: Command, place: str, photos: Path, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (photos / "tags.jsonl").write_text('{"path": "red.png", "price": 9.5}\n{"path": "blue.png", "price": 20}\n')
    added = json.loads(command("add", photos / "tags.jsonl", photos, "-m", tiny_model_folder, "--json"))
    assert (added["items"], added["failed"]) == (12, 0)
    again = json.loads(command("add", photos, "--json"))
    assert (again["unchanged"], again["added"]) == (12, 0)
    assert _stems(command("search", "red", "--json"))[0] == "red"
    assert _stems(command("search", "red", "--where", "price > 10", "--json")) == ["blue"]
    command("concept", "save", "sea", "blue", "--like", photos / "blue.png")
    assert _stems(command("search", "--concept", "sea", "--json"))[0] == "blue"
    facts = json.loads(command("info", "--json"))
    assert (facts["items"], facts["attributes"]) == (12, {"price": "number"})
    assert json.loads(command("remove", photos / "white.png", "--json")) == {"removed": 1, "items": 11}
    (photos / "below" / "black.jpg").unlink()
    assert json.loads(command("add", photos, "--prune", "--json"))["removed"] == 1
    other = write_tiny_model(tmp_path / "other", "other", bias=90.0)
    report = json.loads(command("migrate", place, "--model", other, "--json"))
    assert (report["switched"], report["items"], report["missing"]) == (True, 11, 0)
    assert json.loads(command("info", "--json"))["model"]["name"] == "other"
    assert _stems(command("search", "green", "--where", "path like '%green%'", "--json"))[0] == "green"
    assert _stems(command("search", "--concept", "sea", "--json"))[0] == "blue"


def test_it_answers_as_the_embedded_store_does(place: str, photos: Path, tmp_path: Path, shared: Path) -> None:
    """With the built-in model, whose rows hold a bias against hubs beside each vector."""
    pictures = [photos, *sorted((shared / "scenes").rglob("*.jpg"))[:40]]
    answers = []
    for uri in (place, str(tmp_path / "embedded")):
        with bouba.open(uri) as gallery:
            gallery.add(pictures)
            answers.append([_told(gallery, text) for text in ("a dog", "people in the street", *WORDS)])
    assert answers[0] == answers[1]


def test_tenants_of_one_collection_do_not_see_each_other(
    place: str, photos: Path, tiny_model_folder: Path, tmp_path: Path
) -> None:
    joint = "&" if "?" in place else "?"
    ann, bob = (f"{place}{joint}{urlencode({'tenant': name})}" for name in ("Ann & Söhne", "bob"))
    with bouba.open(ann, tiny_model_folder) as first, bouba.open(bob, tiny_model_folder) as second:
        first.add(photos, {"owner": "ann"})
        second.add(photos / "red.png")
        assert (len(first), len(second)) == (12, 1)
        assert (dict(first._store.fields()), dict(second._store.fields())) == ({"owner": "text"}, {})
        assert len(second.search("red", k=5)) == 1
        item = second.search("red")[0].item
        assert first.get([item.id])[0].attributes == {"owner": "ann"}
        assert second.delete([item.id]) == 1
        assert (len(first), len(second)) == (12, 0)
        assert first._store._table().collection == second._store._table().collection
        second.add(photos / "blue.png")
        migrate(bob, write_tiny_model(tmp_path / "other", "other", bias=90.0))
        time.sleep(0.5)  # a migration is seen within a quarter of a second
        assert second.search("blue")[0].item.path.endswith("blue.png")
        assert (first.model.name, second.model.name) == ("tiny", "other")
        assert (len(first), len(second)) == (12, 1)


def test_a_lite_file_serves_one_process(photos: Path, tiny_model_folder: Path, tmp_path: Path) -> None:
    file = f"milvus://{tmp_path}/demo.db"
    with bouba.open(file, tiny_model_folder) as gallery:
        gallery.add(photos)
        search = [sys.executable, "-m", "bouba", "search", "red", "-g", file]
        other = subprocess.run(search, capture_output=True, text=True, timeout=60)
        assert other.returncode == 1
        assert "serves one process at a time" in other.stderr
        assert len(other.stderr.splitlines()) == 1
    freed = subprocess.run(search, capture_output=True, text=True, timeout=60)
    assert (freed.returncode, freed.stderr) == (0, "")
    (tmp_path / "plain.db").write_text("no")
    with pytest.raises(StoreUnavailable, match="a file of another program"):
        bouba.open(f"milvus://{tmp_path}/plain.db", tiny_model_folder)


def _stems(output: str) -> list[str]:
    return [Path(hit["path"]).stem for hit in json.loads(output)["hits"]]


def _told(gallery: bouba.Gallery, text: str) -> list[tuple[Any, ...]]:
    result = gallery.search(text, k=20)
    confidence = None if result.confidence is None else round(result.confidence, 6)
    hits = [(hit.id, round(hit.score, 6), hit.probability and round(hit.probability, 6)) for hit in result]
    return [(confidence, result.found), *hits]
