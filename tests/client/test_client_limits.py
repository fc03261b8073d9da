"""A client of a server that wants keys, has little room, is busy, or goes away; and one that hears."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

import bouba
from bouba.client import Client
from bouba.encoders import Model, load_model
from bouba.errors import AccessDenied, MediaTooLarge, ServerBusy, ServerUnavailable
from bouba.types import Result

pytest.importorskip("fastapi")

from live_server import live_server


def test_keys(stocked: bouba.Gallery, tmp_path: Path, photos: Path) -> None:
    from bouba.server.guard.keys import KeyFile

    file = KeyFile(tmp_path / "keys.json")
    _, reads = file.new("reader", "read", 6000)
    with live_server(stocked, keys_file=tmp_path / "keys.json", audit_file=tmp_path / "audit.jsonl") as url:
        with pytest.raises(AccessDenied, match="key"), Client(url) as client:
            client.search("red")
        with pytest.raises(AccessDenied), Client(url, "bouba_" + "x" * 32) as client:
            client.search("red")
        with Client(url, reads) as client:
            found = client.search("red", k=1)
            assert found[0].path == Path(stocked.search("red", k=1)[0].path).name
            assert found.thumbnail(found[0].id) == stocked.thumbnail(found[0].id)
            with pytest.raises(AccessDenied):
                client.add(photos)
            with pytest.raises(AccessDenied):
                client.delete([found[0].id])
    assert len(stocked) == 12


def test_what_is_too_large_is_told_and_the_rest_goes_in(tmp_path: Path, photos: Path, tiny_model: Model) -> None:
    large = tmp_path / "large.png"
    Image.effect_noise((1500, 1500), 100).save(large)
    assert large.stat().st_size > 2**20
    with (
        bouba.open("memory://", tiny_model) as gallery,
        live_server(gallery, most_upload_bytes=2**20, most_body_bytes=3 * 2**19) as url,
        Client(url) as client,
    ):
        report = client.add([photos / "red.png", large, photos / "blue.png"])
        assert (report.added, report.failed) == (2, 1)
        assert report.failures[0].source == str(large)
        with pytest.raises(MediaTooLarge):
            client.search(image=large)
        assert len(client.add([photos / "below" / name for name in ("red.jpg", "blue.jpg")]).ids) == 2


def test_a_body_beyond_any_limit_is_no_crash(tmp_path: Path, photos: Path, tiny_model: Model) -> None:
    """The server refuses it by its length alone, before it has read it."""
    large = tmp_path / "large.bmp"
    Image.effect_noise((4000, 4000), 100).save(large)
    with (
        bouba.open("memory://", tiny_model) as gallery,
        live_server(gallery, most_upload_bytes=2**20, most_body_bytes=2**21) as url,
        Client(url) as client,
    ):
        report = client.add([large, photos / "red.png"])
        assert (report.added, report.failed) == (1, 1)
        with pytest.raises(MediaTooLarge):
            client.search(image=large)


def test_a_crowd_is_served_or_refused(stocked: bouba.Gallery) -> None:
    with live_server(stocked, workers=1, waiting=1) as url, Client(url, timeout_s=20) as client:
        start = threading.Barrier(12)

        def ask(number: int) -> Result | ServerBusy:
            start.wait()
            try:
                return client.search(("red", "blue", "green")[number % 3], k=1)
            except ServerBusy as error:
                return error

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(ask, range(12)))
    assert any(isinstance(answer, Result) for answer in answers)
    assert all(len(answer) == 1 for answer in answers if isinstance(answer, Result))


def test_a_server_that_is_stopped_and_started(stocked: bouba.Gallery) -> None:
    with live_server(stocked) as url, Client(url) as client:
        until = time.monotonic() + 30
        while not client.ready():
            assert time.monotonic() < until
            time.sleep(0.05)
    with Client(url) as client:
        assert not client.ready()
        with pytest.raises(ServerUnavailable):
            client.search("red")


def test_recordings_are_heard_there_as_here(tmp_path: Path, photos: Path) -> None:
    from tiny_sound import write_hearing_model, write_recording

    recording = write_recording(tmp_path / "blue.wav", "blue")
    with bouba.open("memory://", load_model(write_hearing_model(tmp_path / "hearing"))) as gallery:
        gallery.add(photos)
        with live_server(gallery) as url, Client(url) as client, recording.open("rb") as stream:
            here = gallery.search(audio=recording, k=3)
            assert here.heard is not None
            for source in (recording, recording.read_bytes(), stream):
                there = client.search(audio=source, k=3)
                assert there.to_dict() == here.to_dict()
                assert there.heard is not None
                assert there.heard.tags
