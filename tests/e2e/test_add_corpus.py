"""`bouba add` on shards and buckets, as a user starts it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from packed_files import write_shards

import bouba

SHARDS, EACH = 8, 60
ADD = """
import sys, bouba
from bouba.ingest import pipeline
pipeline.COMMIT_ROWS = 16  # small commits, so that the kill falls between, before and into them
pipeline.ENCODE_BATCH = 8
workers = int(sys.argv[4]) or None
with bouba.open(sys.argv[1], sys.argv[2]) as gallery:
    gallery.add(sys.argv[3], workers=workers, progress=lambda done, total: print(done, len(gallery), flush=True))
"""


def _add(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bouba", "add", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_shards_twice_with_workers(tmp_path: Path, tiny_model_folder: Path) -> None:
    write_shards(tmp_path / "set", 3, 10)
    place = ("-g", tmp_path / "g", "-m", tiny_model_folder, "--json")
    first = json.loads(_add(tmp_path / "set", *place, "--workers", 2).stdout)
    assert (first["added"], first["failures"], first["items"]) == (30, [], 30)
    again = json.loads(_add(f"{tmp_path}/set/{{00000..00002}}.tar", *place).stdout)
    assert (again["added"], again["unchanged"]) == (0, 30)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s3://bucket/prefix/", "--fetch"),
        ("https://example.com/{00..01}.tar", "--fetch"),
        ("none.tar", "no such file"),
        ("set/{00000..99}.tar.gz", "compressed"),
    ],
)
def test_sources_that_cannot_be_read(tmp_path: Path, tiny_model_folder: Path, source: str, words: str) -> None:
    done = _add(source, "-g", tmp_path / "g", "-m", tiny_model_folder, code=1)
    assert words in done.stderr
    assert "Nothing could be added" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("workers", [0, 2])
def test_kills_in_the_middle_of_shards(tmp_path: Path, tiny_model_folder: Path, workers: int) -> None:
    write_shards(tmp_path / "set", SHARDS, EACH)
    place, log, rng, safe = tmp_path / "g", tmp_path / "log", random.Random(5), 0
    arguments = list(map(str, (place, tiny_model_folder, tmp_path / "set", workers)))
    for kill in range(3):
        with log.open("w") as out:
            process = subprocess.Popen([sys.executable, "-c", ADD, *arguments], stdout=out, stderr=subprocess.STDOUT)
            _wait_for_output(process, log)
            time.sleep(rng.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            process.wait()
        counted = [tuple(map(int, line.split())) for line in log.read_text().splitlines() if line.count(" ") == 1]
        with bouba.open(place) as gallery:
            assert kill or 0 < len(gallery) < SHARDS * EACH, "the kill came too late"
            assert len(gallery) >= max([safe, *(items for _, items in counted)]), "what was counted as added is gone"
            safe = len(gallery)
    _add(tmp_path / "set", "-g", place, "--workers", max(workers, 1))
    with bouba.open(place) as gallery:
        items = list(gallery.items())
        assert len(items) == len({item.id for item in items}) == SHARDS * EACH
        assert all(gallery.thumbnail(item.id) for item in items)
        assert gallery.add(tmp_path / "set").unchanged == SHARDS * EACH


def _wait_for_output(process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the first commit is counted, so that the kill falls into the work and not into the start."""
    deadline = time.monotonic() + 60
    while log.stat().st_size == 0 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
