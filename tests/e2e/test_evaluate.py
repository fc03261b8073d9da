"""`bouba evaluate` as a user and as CI run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import COLOURS, write_tiny_model


@pytest.fixture
def run(photos: Path, evaluates, tiny_model_folder: Path):
    rows = [{"image": f"{colour}.png", "captions": [colour], "split": "val"} for colour in COLOURS]
    (photos / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return evaluates("pairs.jsonl", tiny_model_folder)


def test_table_json_and_report(run, photos: Path) -> None:
    out = run("--split", "val", "--out", "report").stdout
    assert "text_to_image: 6 queries, 6 items" in out
    found = json.loads(run("--split", "val", "--json").stdout)
    assert found["text_to_image"]["hit_rate@1"] == 1.0
    written = json.loads((photos / "report/metrics.json").read_text())
    assert written["text_to_image"] == found["text_to_image"]
    assert "<html" in (photos / "report/report.html").read_text()


def test_fail_under_catches_a_broken_model(run, tmp_path: Path) -> None:
    limit = ("--no-slices", "--fail-under", "text_to_image.hit_rate@1=0.9")
    run(*limit)
    broken = write_tiny_model(tmp_path / "broken", "broken", broken=True)
    assert "text_to_image.hit_rate@1 is 0.0000, below 0.9" in run(*limit, model=broken, code=3).stderr


def test_against_another_model(run, tmp_path: Path) -> None:
    broken = write_tiny_model(tmp_path / "broken", "broken", broken=True)
    assert "tiny 0.1 is better by 100.0 points" in run("--no-slices", "--against", broken).stdout


def test_inside_a_gallery(run, photos: Path, tiny_model_folder: Path) -> None:
    add = [sys.executable, "-m", "bouba", "add", ".", "-g", "g", "-m", str(tiny_model_folder)]
    subprocess.run(add, cwd=photos, check=True, capture_output=True)
    assert "text_to_image: 6 queries, 12 items" in run("--gallery", "g", "--no-slices").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--split", "test"], 1, "val"),
        (["--fail-under", "nonsense"], 2, "DIRECTION.METRIC=VALUE"),
        (["--no-slices", "--fail-under", "text_to_image.hits=1"], 1, "text_to_image.hit_rate@1"),
        (["--text-column", "colour"], 1, "colour"),
        (["--gallery", "none"], 1, "no gallery"),
    ],
)
def test_errors(run, arguments: list[str], code: int, words: str) -> None:
    assert words in run(*arguments, code=code).stderr
