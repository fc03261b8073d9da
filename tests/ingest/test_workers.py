"""Several processes that read and encode: the same gallery as threads make, and what happens when one dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_inputs import write_corpus
from packed_files import write_shards

import bouba
from bouba.errors import ModelError
from bouba.ingest import workers
from bouba.ingest.encoding import Encoder

# A worker that dies of certain pictures: of any for the first time, or always.
DEADLY = """
import os
from pathlib import Path
from bouba.ingest import workers, encoding
original = encoding.Encoder.encode
def encode(self, entries):
    for entry in entries:
        name = os.path.basename(entry.path)
        once = Path({once!r})
        if name == {poison!r} or (name == {victim!r} and not once.exists()):
            once.touch()
            os.kill(os.getpid(), 9)
    return original(self, entries)
encoding.Encoder.encode = encode
workers.serve()
"""


@pytest.fixture
def lance(tmp_path: Path, tiny_model: bouba.Model) -> Any:
    with bouba.open(tmp_path / "gallery", tiny_model) as gallery:
        yield gallery


def test_the_same_gallery_as_by_threads(
    lance: bouba.Gallery, photos: Path, tiny_model: bouba.Model, tmp_path: Path
) -> None:
    (tmp_path / "bad").mkdir()
    corpus = write_corpus(tmp_path / "bad")
    for n in range(3):
        shutil.copy(photos / "red.png", photos / f"copy{n}.png")
    write_shards(tmp_path / "set", 2, 5)
    sources = [photos, tmp_path / "set", *(tmp_path / "bad" / name for name in corpus)]
    report = lance.add(sources, workers=2)
    assert (report.added, report.duplicates, report.failed) == (22, 3, len(corpus))
    with bouba.open("memory://", tiny_model) as other:
        other.add(sources)
        expected = {
            item.id: vector for items, vectors in other.batches() for item, vector in zip(items, vectors, strict=True)
        }
    found = {item.id: vector for items, vectors in lance.batches() for item, vector in zip(items, vectors, strict=True)}
    assert found.keys() == expected.keys()
    assert all(np.allclose(found[id], expected[id], atol=1e-6) for id in found)
    assert all(lance.thumbnail(id) for id in found)
    again = lance.add(sources, workers=2)
    assert (again.unchanged, again.added) == (25, 0)


def test_bytes_files_and_pil_images(lance: bouba.Gallery, paint: Any) -> None:
    from PIL import Image

    path = paint("red")
    with path.open("rb") as file, Image.open(paint("blue")) as image:
        report = lance.add([path.read_bytes(), file, image], workers=1)
    assert (report.added, report.duplicates) == (2, 1)


def _deadly(monkeypatch: pytest.MonkeyPatch, once: Path, victim: str = "", poison: str = "") -> None:
    monkeypatch.setattr(workers, "_SERVE", DEADLY.format(once=str(once), victim=victim, poison=poison))
    monkeypatch.setattr(workers, "CHUNK", 4)


def test_a_worker_that_dies_is_replaced(
    lance: bouba.Gallery, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _deadly(monkeypatch, tmp_path / "once", victim="green.png")
    report = lance.add(photos, workers=2)
    assert (tmp_path / "once").exists(), "nobody died"
    assert (report.added, report.failures, len(lance)) == (12, [], 12)


def test_a_picture_that_kills_is_a_row(
    lance: bouba.Gallery, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _deadly(monkeypatch, tmp_path / "once", poison="green.png")
    report = lance.add(photos, workers=2)
    assert (report.added, len(lance)) == (11, 11)
    assert [(Path(f.source).name, f.kind) for f in report.failures] == [("green.png", "MediaCorrupt")]
    assert "exit code -9" in report.failures[0].message


def test_workers_that_cannot_start(lance: bouba.Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_SERVE", "raise SystemExit(3)")
    with pytest.raises(ModelError, match=r"exit code 3.*--workers"):
        lance.add(photos, workers=2)


def test_what_a_worker_raises_is_raised(
    lance: bouba.Gallery, photos: Path, tiny_model: bouba.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(tiny_model), "fingerprint", "another")
    with pytest.raises(bouba.errors.ModelMismatch, match="another model"):
        lance.add(photos, workers=1)


def test_nobody_is_left_after_an_interrupt(lance: bouba.Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen] = []
    original = subprocess.Popen

    def starting(*arguments: Any, **settings: Any) -> subprocess.Popen:
        started.append(original(*arguments, **settings))
        return started[-1]

    monkeypatch.setattr(workers.subprocess, "Popen", starting)
    monkeypatch.setattr(workers, "CHUNK", 2)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bouba.ingest.pipeline.Run.take", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lance.add(photos, workers=2)
    assert started
    assert all(process.poll() is not None for process in started)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_workers_end_with_the_process_that_started_them(photos: Path, tmp_path: Path, tiny_model_folder: Path) -> None:
    program = (
        "import sys, bouba, os, signal\n"
        "from bouba.ingest import workers\n"
        "start = workers._Worker.__init__\n"
        "def noted(self, setup):\n"
        "    start(self, setup); print(self._process.pid, flush=True)\n"
        "workers._Worker.__init__ = noted\n"
        "g = bouba.open(sys.argv[1], sys.argv[2])\n"
        "g.add(sys.argv[3], workers=1, progress=lambda *a: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "g"), str(tiny_model_folder), str(photos)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert _ends(int(done.stdout))


def _ends(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_the_number_must_make_sense(lance: bouba.Gallery, photos: Path) -> None:
    with pytest.raises(bouba.errors.QueryError, match="at least 1"):
        lance.add(photos, workers=0)


def test_an_encoder_holds_no_claims(tiny_model: bouba.Model, photos: Path, tmp_path: Path) -> None:
    """Else a picture whose chunk is given to a worker twice would be lost."""
    from bouba.ingest.encoding import Setup
    from bouba.ingest.entries import Entry
    from bouba.ingest.reading import Prepared

    encoder = Encoder(Setup(lambda: tiny_model, tiny_model.fingerprint, None, False))
    entry = Entry(str(photos / "red.png"), str(photos / "red.png"))
    for _ in range(2):
        (read,) = encoder.encode([entry])
        assert isinstance(read, Prepared)
        assert read.vector is not None
