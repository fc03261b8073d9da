"""`bouba copy` as a user runs it, and killed as a machine may kill it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from copied_gallery import contents, fill

from bouba.copying import CopyReport
from bouba.encoders import Model

ITEMS = 1500
KILLS = 3
KILLED = """
import sys, time
from bouba.copying import ends, stored
from bouba.copying.parquet import folder
from bouba.stores.lance import LanceStore
stored.SCAN_ROWS = 16  # many commits, so that kills fall between, before and into them
stored.COMMIT_ROWS = folder.PART_ROWS = 32
upsert = LanceStore.upsert

def logged(self, items, vectors):
    upsert(self, items, vectors)
    for item in items:
        print("upsert", item.id)
    sys.stdout.flush()

LanceStore.upsert = logged
reports = 0

def told(stage, done, total):
    global reports
    print(stage, done, flush=True)
    reports += 1
    if reports == 14:  # of 47 commits: the fastest machine does not end before it is killed
        time.sleep(60)

from bouba.copying import copy
copy(sys.argv[1], sys.argv[2], told)
"""


@pytest.fixture
def source(tmp_path: Path, tiny_model: Model) -> Path:
    fill(tmp_path / "source", tiny_model, ITEMS)
    return tmp_path / "source"


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bouba", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_there_and_back(source: Path, tmp_path: Path) -> None:
    told = run("copy", source, tmp_path / "a.parquet").stdout
    assert told.startswith(f"{ITEMS:,} copied; {ITEMS:,} verified, checksum ")
    assert "items/s" in told
    report = json.loads(run("copy", tmp_path / "a.parquet", tmp_path / "back", "--json").stdout)
    assert report["checksum"] in told
    assert set(report) == set(CopyReport("", "").to_dict())
    assert contents(tmp_path / "back") == contents(source)
    answers = [run("search", "red", "-k", 5, "--json", "-g", place).stdout for place in (source, tmp_path / "back")]
    assert answers[0] == answers[1]


def test_an_export_comes_back(source: Path, tmp_path: Path) -> None:
    run("export", tmp_path / "one.parquet", "-g", source)
    assert "copied" in run("copy", tmp_path / "one.parquet", tmp_path / "back").stdout
    assert json.loads(run("info", "-g", tmp_path / "back", "--json").stdout)["items"] == ITEMS


def test_what_goes_wrong_is_told(source: Path, tmp_path: Path) -> None:
    assert "There is no gallery" in run("copy", tmp_path / "none", tmp_path / "twin", code=1).stderr
    assert "onto itself" in run("copy", source, source, code=1).stderr
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    assert "cut.parquet is damaged" in run("copy", tmp_path / "cut.parquet", tmp_path / "twin", code=1).stderr
    run("copy", source, code=2)


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("name", ["twin", "a.parquet"])
def test_kills_lose_nothing_and_repeat_nothing(source: Path, tmp_path: Path, name: str) -> None:
    destination, log = tmp_path / name, tmp_path / "log"
    upserts: Counter[str] = Counter()
    parts: dict[str, int] = {}
    safe, rng = 0, random.Random(3)
    for _ in range(KILLS):
        lines = _killed(source, destination, log, rng.uniform(0.02, 0.25))
        upserts.update(line.split()[1] for line in lines if line.startswith("upsert"))
        counted = max((int(line.split()[1]) for line in lines if line.startswith("copied")), default=0)
        assert counted >= safe, "what was counted as copied is gone"
        safe = counted
        there = {part.name: part.stat().st_ino for part in destination.glob("part-*.parquet")}
        assert parts.items() <= there.items()
        parts = there
    assert 0 < safe < ITEMS
    run("search", "red", "-g", destination, code=1)
    report = json.loads(run("copy", source, destination, "--json").stdout)
    assert report["skipped"] >= safe
    assert report["skipped"] + report["copied"] == report["verified"] == ITEMS
    if name == "twin":
        assert max(upserts.values()) == 1
        # A kill between a commit and its line in the log makes it one that was done and not told.
        assert report["skipped"] - KILLS * 32 <= len(upserts) <= report["skipped"]
    else:
        run("copy", destination, tmp_path / "twin")
    assert contents(tmp_path / "twin") == contents(source)


def _killed(source: Path, destination: Path, log: Path, after_s: float) -> list[str]:
    """What a copy said that was killed so long after it had something safe."""
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(source), str(destination)], stdout=out, stderr=subprocess.STDOUT
        )
    deadline = time.monotonic() + 60
    while "copied" not in log.read_text() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    *lines, _ = log.read_text().split("\n")
    return lines
