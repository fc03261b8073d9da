"""A process that is killed while it adds: the gallery opens, what was counted is there, a re-run completes it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bouba

PHOTOS = 700
KILLS = 10
ADD = """
import sys, bouba
from bouba.ingest import pipeline
pipeline.COMMIT_ROWS = 48  # many commits, so that kills fall between, before and into them
with bouba.open(sys.argv[1], sys.argv[2]) as gallery:
    gallery.add(sys.argv[3], progress=lambda done, total: print(done, len(gallery), flush=True))
"""

LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
from bouba.cli import main
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ten_kills_lose_nothing(tmp_path: Path, many_photos: Path, tiny_model_folder: Path) -> None:
    place, log = tmp_path / "gallery", tmp_path / "log"
    rng = random.Random(7)
    safe = 0
    for _ in range(KILLS):
        with log.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", ADD, str(place), str(tiny_model_folder), str(many_photos)],
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
            _wait_for_output(process, log)
            time.sleep(rng.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            process.wait()
        whole = log.read_text().split("\n")[:-1]  # the last line may be cut
        counted = [tuple(map(int, line.split())) for line in whole if line.count(" ") == 1]
        safe = max([safe, *(done for done, _ in counted)])
        with bouba.open(place, must_exist=True) as gallery:
            assert len(gallery) >= safe, "what was counted as added is gone"
            assert gallery.search("red", k=5).found
    with bouba.open(place) as gallery:
        gallery.add(many_photos)
        assert len(gallery) == PHOTOS
        assert len({item.id for item in gallery.items()}) == PHOTOS
        assert all(gallery.thumbnail(item.id) for item in gallery.items())
        assert gallery.add(many_photos).unchanged == PHOTOS


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_stops_cleanly_and_a_re_run_goes_on(tmp_path: Path, many_photos: Path, tiny_model_folder: Path) -> None:
    place, log = tmp_path / "gallery", tmp_path / "log"
    slow = ADD.replace("gallery.add(", "import bouba.cli.base; bouba.cli.base.commands = lambda **_: gallery.add(", 1)
    slow = slow.rstrip() + "\n    bouba.cli.base.main()\n"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", slow, str(place), str(tiny_model_folder), str(many_photos)], stdout=out, stderr=out
        )
        _wait_for_output(process, log)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    text = log.read_text()
    assert "the same command goes on" in text
    assert "Traceback" not in text
    with bouba.open(place) as gallery:
        kept = len(gallery)
        assert 0 < kept < PHOTOS
        report = gallery.add(many_photos)
        assert (report.unchanged + report.duplicates, report.added) == (kept, PHOTOS - kept)


@pytest.mark.skipif(os.name == "nt", reason="limits of processes")
def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path, many_photos: Path, tiny_model_folder: Path) -> None:
    """Files that may not grow stand for the disk: the same calls fail."""
    place = tmp_path / "gallery"
    arguments = ["add", str(many_photos), "-g", str(place), "-m", str(tiny_model_folder)]
    full = subprocess.run([sys.executable, "-c", LIMITED, *arguments], capture_output=True, text=True)
    assert full.returncode == 1, full.stderr
    assert str(place) in full.stderr
    assert "Traceback" not in full.stderr
    again = subprocess.run([sys.executable, "-m", "bouba", *arguments], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    with bouba.open(place) as gallery:
        assert len(gallery) == PHOTOS


def _wait_for_output(process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the first commit is counted, so that the kill falls into the work and not into the start."""
    deadline = time.monotonic() + 60
    while log.stat().st_size == 0 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
