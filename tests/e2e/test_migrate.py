"""`bouba migrate` while other processes search and add, and after it was killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import write_tiny_model

import bouba

PHOTOS = 120
KILLS = 4
MIGRATE = """
import os, signal, sys, threading
import bouba.migrate as module
module.COMMIT_ROWS = module.ENCODE_BATCH = 4  # many commits, so that kills fall between, before and into them
doom = [float(seconds) for seconds in sys.argv[3:]]  # seconds after the first commit: here and not from outside, so
def progress(done, total):                           # that it comes no later where the machine is busy
    print(done, flush=True)
    while doom:
        threading.Timer(doom.pop(), os.kill, (os.getpid(), signal.SIGKILL)).start()
report = module.migrate(sys.argv[1], sys.argv[2], progress=progress)
print("report", report.earlier, report.encoded, report.items, report.thumbnails, flush=True)
"""
SEARCH = """
import sys, bouba
with bouba.open(sys.argv[1]) as gallery:
    print("ready", flush=True)
    while gallery.model.name == "tiny" or len(gallery) == 0:
        print(*(f"{hit.score:.5f}" for hit in gallery.search("red", k=5)), flush=True)
    print(*(f"{hit.score:.5f}" for hit in gallery.search("red", k=5)), flush=True)
"""
ADD = """
import sys, bouba
from bouba.ingest import pipeline
pipeline.COMMIT_ROWS = 8
with bouba.open(sys.argv[1]) as gallery:
    print("ready", flush=True)
    for n in range(2, len(sys.argv), 20):
        report = gallery.add(sys.argv[n : n + 20])
        assert not report.failures, report
"""
LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
from bouba.cli import main
main()
"""


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "other", "other", bias=90.0)


@pytest.fixture
def place(tmp_path: Path, many_photos: Path, tiny_model_folder: Path) -> Path:
    with bouba.open(tmp_path / "gallery", tiny_model_folder) as gallery:
        gallery.add(many_photos)
    return tmp_path / "gallery"


def start(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    out, problems = process.communicate(timeout=120)
    assert process.returncode == 0, problems
    return out


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"


def command(place: Path, *arguments: object, code: int = 0) -> tuple[str, str]:
    run = start("from bouba.cli import main; main()", *arguments, env={**os.environ, "BOUBA_GALLERY": str(place)})
    out, problems = run.communicate(timeout=120)
    assert run.returncode == code, problems
    assert "Traceback" not in problems
    return out, problems


def vectors(gallery: bouba.Gallery) -> dict[str, list[float]]:
    return {i.id: v for items, rows in gallery.batches() for i, v in zip(items, rows.tolist(), strict=True)}


def assert_as_made_anew(place: Path, photos: Path, model: Path) -> None:
    with bouba.open(place) as migrated, bouba.open("memory://", model) as fresh:
        fresh.add(photos)
        assert migrated.model.name == "other"
        assert vectors(migrated) == vectors(fresh)
        assert migrated.add(photos).added == 0


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_killed_again_and_again_it_goes_on_where_it_was(
    tmp_path: Path, place: Path, many_photos: Path, other: Path
) -> None:
    rng, safe = random.Random(3), 0
    for photo in sorted(many_photos.iterdir())[::10]:
        photo.rename(tmp_path / photo.name)  # these come from their thumbnails
    for _ in range(KILLS):
        killed = start(MIGRATE, place, other, rng.uniform(0, 0.1))
        out, problems = killed.communicate(timeout=120)
        assert killed.returncode == -signal.SIGKILL, problems
        counted = [int(line) for line in out.split()]
        assert counted[0] > safe, "what was done is done again"
        safe = counted[-1]
        with bouba.open(place) as gallery:
            assert (gallery.model.name, len(gallery)) == ("tiny", PHOTOS)
            assert gallery.search("red", k=5).found
    report = finish(start(MIGRATE, place, other)).splitlines()[-1].split()
    _, earlier, encoded, items, thumbnails = map(str, report)
    assert int(earlier) >= safe
    assert (int(earlier) + int(encoded), int(items), int(thumbnails)) == (PHOTOS, PHOTOS, PHOTOS // 10)
    with bouba.open(place) as gallery, bouba.open("memory://", other) as fresh:
        fresh.add(many_photos)
        there, expected = vectors(gallery), vectors(fresh)
        assert {id: there[id] for id in expected} == expected
        assert len(there) == PHOTOS


def test_searches_go_on_and_never_mix(place: Path, many_photos: Path, other: Path) -> None:
    searcher = start(SEARCH, place)
    ready(searcher)
    with bouba.open(place) as gallery, bouba.open("memory://", other) as fresh:
        old = _scores(gallery)
        fresh.add(many_photos)
        new = _scores(fresh)
    assert old != new
    finish(start(MIGRATE, place, other))
    seen = finish(searcher).splitlines()
    assert len(seen) > 3
    assert seen[-1] == new
    assert set(seen) <= {old, new}
    assert_as_made_anew(place, many_photos, other)


def test_what_is_added_meanwhile_is_there_with_the_new_model(
    tmp_path: Path, place: Path, many_photos: Path, other: Path
) -> None:
    late = _paint(many_photos, 120)
    adder = start(ADD, place, *late)
    ready(adder)
    finish(start(MIGRATE, place, other))
    finish(adder)
    assert_as_made_anew(place, many_photos, other)
    with bouba.open(place) as gallery:
        assert len(gallery) == PHOTOS + len(late)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_watching_process_follows_the_switch(place: Path, many_photos: Path, other: Path) -> None:
    watcher = start("from bouba.cli import main; main()", "watch", many_photos, "--gallery", place)
    assert watcher.stdout is not None
    try:
        assert "unchanged" in watcher.stdout.readline()
        finish(start(MIGRATE, place, other))
        _paint(many_photos, 1)
        assert f"1 added; {PHOTOS + 1} in the gallery" in watcher.stdout.readline()
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.communicate(timeout=30)
    assert_as_made_anew(place, many_photos, other)


def test_the_command_says_what_it_did(place: Path, many_photos: Path, other: Path) -> None:
    for photo in sorted(many_photos.iterdir())[:5]:
        photo.unlink()
    told, problems = command(place, "migrate", "--model", other)
    assert told.startswith(f"{PHOTOS} encoded; ")
    assert f"The gallery is now of other 0.1; {PHOTOS} items." in told
    assert "5 from their thumbnails" in problems
    told, _ = command(Path("nowhere"), "migrate", place, "-m", other, "--json")
    assert {key: json.loads(told)[key] for key in ("switched", "items", "encoded")} == {
        "switched": True, "items": PHOTOS, "encoded": 0,
    }  # fmt: skip
    assert command(place, "migrate", "-m", other)[0] == f"{PHOTOS} items, all of other 0.1 already.\n"


def test_the_command_refuses_to_lose_items(place: Path, many_photos: Path, other: Path) -> None:
    (place / "ledger.sqlite").unlink()
    for photo in sorted(many_photos.iterdir())[:7]:
        photo.unlink()
    told, problems = command(place, "migrate", "-m", other, code=1)
    assert f"Ready for other 0.1; {PHOTOS} items." in told
    assert "0000.png: no file with this picture is left" in problems
    assert f"7 of {PHOTOS} items" in problems
    assert "--drop-missing" in problems
    told, problems = command(place, "migrate", "-m", other, "--drop-missing")
    assert f"0 encoded, {PHOTOS - 7} by earlier runs" in told
    assert "7 dropped" in problems
    assert_as_made_anew(place, many_photos, other)


def test_the_command_cancels(place: Path, other: Path, tmp_path: Path) -> None:
    stopped = start(MIGRATE, place, other)
    assert stopped.stdout is not None
    stopped.stdout.readline()
    stopped.kill()
    stopped.communicate()
    third = write_tiny_model(tmp_path / "third", "third", bias=30.0)
    assert "half done" in command(place, "migrate", "-m", third, code=1)[1]
    assert json.loads(command(place, "migrate", "--cancel", "--json")[0]) == {"cancelled": True}
    assert sorted(path.name for path in place.iterdir() if not path.name.startswith(".")) == [
        "gallery.json", "items.lance", "ledger.sqlite", "words.sqlite",
    ]  # fmt: skip
    assert command(place, "migrate", "--cancel")[0] == "There was no migration to cancel.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["migrate"], 2, "--model"),
        (["migrate", "--model", "x", "--cancel"], 2, "--cancel"),
        (["migrate", "no/such", "--model", "builtin"], 1, "no gallery"),
        (["migrate", "no/such", "--cancel"], 1, "no gallery"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: Sequence[str], code: int, words: str) -> None:
    assert words in command(tmp_path / "none", *arguments, code=code)[1]


@pytest.mark.skipif(os.name == "nt", reason="limits of processes")
def test_a_full_disk_says_so_and_the_gallery_goes_on(place: Path, many_photos: Path, other: Path) -> None:
    """Files that may not grow stand for the disk: the same calls fail."""
    full = start(LIMITED, "migrate", place, "-m", other)
    _, problems = full.communicate(timeout=120)
    assert full.returncode == 1, problems
    assert str(place) in problems
    assert "Traceback" not in problems
    with bouba.open(place) as gallery:
        assert (gallery.model.name, gallery.search("red").found) == ("tiny", True)
    command(place, "migrate", "-m", other)
    assert_as_made_anew(place, many_photos, other)


def _scores(gallery: bouba.Gallery) -> str:
    return " ".join(f"{hit.score:.5f}" for hit in gallery.search("red", k=5))


def _paint(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(1)
    paths = [folder / f"late{n}.png" for n in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(path)
    return paths
