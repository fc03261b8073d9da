"""A Milvus server that is killed and started again in the middle of the work: nothing is lost, nothing comes twice."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from milvus_here import running

import bouba
from benchmarks.milvus_server import MilvusServer
from bouba.errors import GalleryMissing, StoreUnavailable
from bouba.stores.milvus import connection

PHOTOS = 400
ADD = """
from bouba.ingest import pipeline
pipeline.COMMIT_ROWS = 32  # many commits, so that the kill falls between, before and into them
pipeline.ENCODE_BATCH = 32
from bouba.cli import main
main()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[MilvusServer]:
    """One of its own: the others would notice."""
    running()  # skips where there is none
    with MilvusServer(Path(tempfile.mkdtemp(prefix="milvus-")), brisk=True) as made:
        yield made


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_a_restart_while_pictures_are_added_and_searched(
    server: MilvusServer, many_photos: Path, tiny_model_folder: Path
) -> None:
    place = f"{server.uri}/restarted"
    arguments = ["add", str(many_photos), "-g", place, "-m", str(tiny_model_folder), "--json"]
    adder = subprocess.Popen(
        [sys.executable, "-c", ADD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with _opened_when(place, 64) as gallery:
        seen: list[int] = []
        stop = threading.Event()

        def search() -> None:
            while not stop.is_set():
                seen.append(len({hit.id for hit in gallery.search("red", k=PHOTOS)}))
                time.sleep(0.1)  # leaves the machine to the one that adds

        searcher = threading.Thread(target=search)
        searcher.start()
        server.kill()
        assert adder.poll() is None, "it was over before the kill"
        before = len(seen)
        time.sleep(1.0)
        server.start_soon()
        out, err = adder.communicate(timeout=120)
        deadline = time.monotonic() + 60
        while len(seen) < before + 3 and searcher.is_alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        stop.set()
        searcher.join(60)
        assert (adder.returncode, err) == (0, "")
        assert f'"items": {PHOTOS}' in out
        assert len(seen) >= before + 3, "the searches went on"
        assert seen == sorted(seen), "what was found once is found again"
        assert len(gallery) == PHOTOS
        assert len({item.id for item in gallery.items()}) == PHOTOS
        report = gallery.add(many_photos)
        assert (report.unchanged, report.added) == (PHOTOS, 0)


def test_a_server_that_stays_away(
    server: MilvusServer, many_photos: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 1.0)
    with bouba.open(f"{server.uri}/away", tiny_model_folder) as gallery:
        photos = sorted(many_photos.iterdir())
        gallery.add(photos[:20])
        server.kill()
        with pytest.raises(StoreUnavailable, match=r"away: Milvus has not answered for 1 s.*What was counted is kept"):
            gallery.add(photos)
        with pytest.raises(StoreUnavailable, match="has not answered"):
            gallery.search("red")
        server.start()
        monkeypatch.setattr(connection, "PATIENCE_S", 60.0)
        report = gallery.add(photos)
        assert (report.unchanged, len(gallery)) == (20, PHOTOS)
        assert len({item.id for item in gallery.items()}) == PHOTOS


def test_where_no_server_is_the_command_says_so_within_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    place = "milvus://ann:s3cret@127.0.0.1:9/photos?token=t0p"
    command = [sys.executable, "-m", "bouba", "search", "red", "-g", place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("bouba: milvus://ann@127.0.0.1:9/photos: no Milvus answered within 5 s.")
    assert len(done.stderr.splitlines()) == 1
    assert "s3cret" not in done.stderr
    assert "t0p" not in done.stderr
    assert time.monotonic() - started < 45


class _opened_when:
    """The gallery, once it holds so many pictures."""

    def __init__(self, place: str, count: int) -> None:
        self._place, self._count = place, count

    def __enter__(self) -> bouba.Gallery:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(GalleryMissing):
                self._gallery = bouba.open(self._place, must_exist=True)
                while len(self._gallery) < self._count:
                    time.sleep(0.02)
                return self._gallery
            time.sleep(0.1)
        raise AssertionError(f"{self._place} was not made")

    def __exit__(self, *_: object) -> None:
        self._gallery.close()
