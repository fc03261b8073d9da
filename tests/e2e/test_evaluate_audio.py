"""`bouba evaluate` with recordings, as a user and as CI run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_sound import PITCHES, write_hearing_model, write_recording


@pytest.fixture
def run(photos: Path, tmp_path: Path, evaluates):
    rows = []
    for colour in PITCHES:
        write_recording(photos / f"{colour}.wav", colour)
        rows.append({"image": f"{colour}.png", "audio": f"{colour}.wav", "text": colour, "split": "val"})
    (photos / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return evaluates("clips.jsonl", write_hearing_model(tmp_path / "hearing"))


def test_table_json_and_report(run, photos: Path) -> None:
    out = run("--split", "val", "--as", "sound", "--as", "auto", "--out", "report").stdout
    assert "sound_to_image: 3 queries, 3 items\n  Recordings taken for a sound: 3\n" in out
    assert "audio_to_image: 3 queries, 3 items" in out
    assert "telephone" in out
    found = json.loads((photos / "report/metrics.json").read_text())
    assert found["sound_to_image"]["hit_rate@1"] == 1.0
    assert found["sound_to_image"]["heard"]["sound"] == 3
    assert "red.wav: Tone 1.00" in (photos / "report/report.html").read_text()


def test_fail_under(run, tmp_path: Path) -> None:
    limit = ("--no-slices", "--as", "sound", "--fail-under", "sound_to_image.hit_rate@1=0.9")
    run(*limit)
    broken = write_hearing_model(tmp_path / "broken", "broken", broken=True)
    assert "sound_to_image.hit_rate@1 is 0.0000, below 0.9" in run(*limit, model=broken, code=3).stderr
    assert "there are text_to_image.hit_rate@1" in run("--no-slices", *limit[3:], code=1).stderr


def test_against_a_model_that_does_not_hear(run, tiny_model_folder: Path) -> None:
    out = run("--no-slices", "--against", tiny_model_folder).stdout
    assert "Note: tiny 0.1 has no sound tower: audio_to_image is not compared" in out


def test_inside_a_gallery(run, photos: Path, tmp_path: Path) -> None:
    add = [sys.executable, "-m", "bouba", "add", ".", "-g", "g", "-m", str(tmp_path / "hearing")]
    subprocess.run(add, cwd=photos, check=True, capture_output=True)
    assert "audio_to_image: 3 queries, 12 items" in run("--gallery", "g", "--no-slices").stdout


def test_errors(run, photos: Path, tiny_model_folder: Path) -> None:
    assert "tiny 0.1 has no sound tower" in run(model=tiny_model_folder, code=1).stderr
    assert "'hum' is not one of 'auto'" in run("--as", "hum", code=2).stderr
    (photos / "red.wav").write_bytes(b"nothing")
    assert "1 of its 3 recordings cannot be used: red.wav: " in run(code=1).stderr
    (photos / "red.wav").unlink()
    assert "1 of its 3 recordings are not there: red.wav." in run(code=1).stderr
