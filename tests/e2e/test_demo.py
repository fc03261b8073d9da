"""`make demo` on the real photographs, with the built-in model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    pytest.importorskip("skimage", reason="the demo's photographs come with scikit-image")
    place = tmp_path_factory.mktemp("demo")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "examples.demo"]
    run = subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True, text=True)
    return place / "demo-output", run.stdout


@pytest.mark.parametrize(
    ("question", "photo"),
    [
        ("a cup of coffee", "coffee.png"),
        ("a cat", "chelsea.png"),
        ("a rocket", "rocket.jpg"),
        ("a motorcycle in a garage", "motorcycle_left.png"),
        ("a man with a camera", "camera.png"),
        ("a horse", "horse.png"),
        ("like motorcycle_left.png", "motorcycle_right.png"),
    ],
)
def test_the_right_photograph_comes_first(demo: tuple[Path, str], question: str, photo: str) -> None:
    (line,) = [line for line in demo[1].splitlines() if line.strip().startswith(question + " ")]
    assert line.split("->")[1].split()[0] == photo


def test_sheet_and_next_step(demo: tuple[Path, str]) -> None:
    with Image.open(demo[0] / "coffee.png") as sheet:
        assert sheet.width > 1000
    assert "bouba add ~/Pictures" in demo[1]
