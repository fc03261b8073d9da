"""`bouba explain` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "corner.png"
    path.parent.mkdir()
    image = Image.new("RGB", (200, 160), "blue")
    image.paste("red", (130, 0, 200, 60))
    image.save(path)
    return path


@pytest.fixture
def run(picture: Path, tmp_path: Path, tiny_model_folder: Path) -> Run:
    environment = {**os.environ, "BOUBA_GALLERY": str(tmp_path / "gallery")}

    def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bouba", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    run("add", picture.parent, "-m", tiny_model_folder)
    return run


def test_explain_says_where_and_draws_it(run: Run, tmp_path: Path) -> None:
    lines = run("explain", "photos/corner.png", "red", "--out", "heat.png").stdout.splitlines()
    assert lines[0] == "photos/corner.png"
    assert lines[1].endswith("red  (matches best: upper right)")
    assert lines[2] == "Wrote heat.png."
    with Image.open(tmp_path / "heat.png") as drawn:
        assert drawn.size == (200, 160)


def test_explain_json_has_a_map_for_each_part(run: Run, picture: Path) -> None:
    record = json.loads(run("explain", picture, "red", "--image", picture, "--json").stdout)
    assert [part["part"] for part in record["parts"]] == [f"red + like {picture}", "red", f"like {picture}"]
    assert all(len(row) == len(part["cells"]) == 12 for part in record["parts"] for row in part["cells"])
    assert record["parts"][2]["score"] == pytest.approx(1, abs=1e-3)


def test_explain_without_the_file_uses_the_thumbnail(run: Run, picture: Path) -> None:
    picture.unlink()
    done = run("explain", picture, "red")
    assert "upper right" in done.stdout
    assert "no such file. The map is of its thumbnail" in done.stderr


def test_explain_errors(run: Run, picture: Path) -> None:
    assert "nowhere.png: no such item." in run("explain", "nowhere.png", "red", code=1).stderr
    assert "Say what was looked for" in run("explain", picture, code=2).stderr
    assert "cannot be written to no/heat.png" in run("explain", picture, "red", "--out", "no/heat.png", code=1).stderr
