"""Adding to a server's gallery."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import bouba
from bouba.client import Client, uploads
from bouba.client.uploads import batches, pictures


def test_folders_files_bytes_and_pictures(tmp_path: Path, paint, tiny_model) -> None:
    pytest.importorskip("fastapi")
    from live_server import live_server

    for number in range(3):
        paint("red", f"new/below/{number}.png", seed=number)
    (tmp_path / "photos/new/notes.txt").write_text("not a picture")
    (tmp_path / "photos/new/broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    blue = paint("blue")
    counts: list[tuple[int, int]] = []
    with (
        bouba.open(tmp_path / "gallery", tiny_model) as gallery,
        live_server(gallery) as url,
        Client(url) as client,
    ):
        sources = [tmp_path / "photos/new", blue, blue.read_bytes(), Image.new("RGB", (40, 30), "green"), "none.png"]
        report = client.add(
            sources, {"price": 2.5, "tags": ("a", "b")}, progress=lambda done, total: counts.append((done, total))
        )
        assert (report.added, report.known, report.failed) == (5, 1, 2)
        assert {failure.source for failure in report.failures} == {
            str(tmp_path / "photos/new/broken.jpg"), "none.png",
        }  # fmt: skip
        assert counts[-1] == (8, 8)
        assert set(report.ids) == {item.id for item in gallery.items()}
        assert gallery.count('price = 2.5 and tags has "b"') == 5
        again = client.add(blue)
        assert (again.added, again.known, again.failed) == (0, 1, 0)
        assert client.search("blue", k=1)[0].id == again.ids[0]
        assert client.image(again.ids[0]) == blue.read_bytes()


def test_batches_are_bounded(paint, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [paint("red", seed=number) for number in range(7)]
    monkeypatch.setattr(uploads, "BATCH_FILES", 3)
    assert [len(batch) for batch, _ in batches(files)] == [3, 3, 1]
    monkeypatch.setattr(uploads, "BATCH_BYTES", 1)  # a file that is larger goes alone
    assert [len(batch) for batch, _ in batches(files)] == [1] * 7


def test_what_is_named(paint, tmp_path: Path) -> None:
    paint("red", "a/one.png")
    (tmp_path / "photos/a/more").mkdir()
    assert pictures(tmp_path / "photos") == [str(tmp_path / "photos/a/one.png")]
    assert pictures(b"bytes") == [b"bytes"]


def test_a_server_that_takes_less_at_once(scripted, paint) -> None:
    """The batch is halved until it fits; a picture that is too large by itself is a failure."""
    answer = scripted.answer
    files = [paint("red", seed=number) for number in range(3)]
    took = json.dumps({"added": 1, "known": 0, "failed": [], "ids": ["0" * 32]}).encode()
    refused = scripted.problem(413, "MediaTooLarge", "too much")
    scripted.says(refused, refused, refused, answer(body=took))
    report = Client(scripted.url).add(files)
    assert [seen.body.count(b"filename=") for seen in scripted.seen] == [3, 1, 2, 1, 1]
    assert (report.added, report.failed) == (2, 1)
    assert report.failures[0].source == str(files[0])
    assert report.to_dict()["failures"] == [{"source": str(files[0]), "message": "too much"}]


def test_a_servers_failures_have_the_names_of_here(scripted, paint) -> None:
    files = [paint("red", "a/same.png"), paint("blue", "b/same.png")]
    failed = {"added": 0, "known": 0, "ids": [], "failed": [{"name": "same.png", "error": "x"}] * 2}
    scripted.says(scripted.answer(body=json.dumps(failed).encode()))
    report = Client(scripted.url).add(files)
    assert [failure.source for failure in report.failures] == list(map(str, files))
    assert b"a/same.png" not in scripted.seen[0].body


def test_addresses(scripted) -> None:
    url = "https://example.org/a.jpg"
    assert Client(scripted.url).add(url).failures[0].message.endswith("fetch=True) allows it.")
    assert scripted.seen == []
    took = {"added": 1, "known": 0, "failed": [], "ids": ["0" * 32]}
    scripted.says(scripted.answer(body=json.dumps(took).encode()))
    assert Client(scripted.url).add([url], {"price": 1.0}, fetch=True).added == 1
    assert json.loads(scripted.seen[0].body) == {"urls": [url], "attributes": {"price": 1.0}}
