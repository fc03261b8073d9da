"""`bouba duplicates` as a user runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from bouba.cli import commands
from bouba.ranking.diversity import MAX_BITS
from bouba.ranking.hamming import MOST_BITS

Run = Callable[..., str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("duplicates")


@pytest.fixture(scope="module")
def run(place: Path, tiny_model_folder: Path) -> Run:
    """run("duplicates"): the command in a folder whose gallery holds a picture, two copies of it and another one."""
    folder = place / "pictures"
    folder.mkdir()
    for seed in range(2):
        grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(grid).resize((160, 120), Image.Resampling.BICUBIC)
        picture.save(folder / f"{seed}.png")
    picture.resize((80, 60)).save(folder / "small.jpg", quality=60)
    shutil.copy(folder / "small.jpg", folder / "small2.jpg")

    def run(*arguments: object, code: int = 0) -> str:
        command = [sys.executable, "-m", "bouba", *map(str, arguments)]
        environment = {**os.environ, "BOUBA_GALLERY": str(place / "gallery"), "COLUMNS": "100"}
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    run("add", folder, "--model", tiny_model_folder)
    return run


def test_lists_groups_with_the_one_to_keep_first(run: Run, place: Path) -> None:
    size = (place / "pictures" / "small.jpg").stat().st_size
    lines = run("duplicates").splitlines()
    assert lines[0] == f"3 files, {2 * size / 1e3:.1f} kB more than one"
    assert lines[1].split()[:2] == ["keep", "160x120"]
    assert lines[1].endswith("pictures/1.png")
    assert lines[2].split()[0] == "80x60"
    assert lines[3].split()[:3] == ["the", "same", "bytes"]
    assert {line.split()[-1] for line in lines[2:4]} == {"pictures/small.jpg", "pictures/small2.jpg"}
    assert lines[4] == f"In more than one file: 1; files more than one of each: 2, {2 * size / 1e3:.1f} kB."
    assert len(list((place / "pictures").iterdir())) == 4


def test_json(run: Run) -> None:
    found = json.loads(run("duplicates", "--json"))
    assert list(found) == ["more", "savable_bytes", "groups"]
    (group,) = found["groups"]
    assert list(group) == ["files", "savable_bytes", "items"]
    assert [sorted(Path(file).name for file in item["files"]) for item in group["items"]] == [
        ["1.png"],
        ["small.jpg", "small2.jpg"],
    ]


def test_sheet_filter_and_distance(run: Run, place: Path) -> None:
    run("duplicates", "--sheet", "twice.png")
    with Image.open(place / "twice.png") as sheet:
        assert sheet.format == "PNG"
    assert "No picture is here more than once." in run("duplicates", "--where", 'media_type = "image/png"')
    assert "from 0 to" in run("duplicates", "--distance", 17, code=2).replace("0<=x<=16", "from 0 to 16")


def test_the_default_distance_is_the_one_of_a_search() -> None:
    (distance,) = (option for option in commands.commands["duplicates"].params if option.name == "distance")
    assert distance.default == MAX_BITS
    assert isinstance(distance.type, click.IntRange)
    assert distance.type.max == MOST_BITS
