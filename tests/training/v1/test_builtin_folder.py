"""The model folder that ships: what it claims of itself must be so."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(str(files("bouba.encoders") / "builtin"))
LIMIT = 40_000_000  # bytes: the whole folder goes into the wheel


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return json.loads((FOLDER / "model.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    return json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))


def test_the_folder_fits_its_limit() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir() if file.is_file()) < LIMIT


def test_the_hashes_are_those_of_the_files(manifest: dict[str, Any]) -> None:
    named = {manifest["image"]["file"], manifest["text"]["file"], manifest["text"]["tokenizer"]}
    named |= {manifest["sound"]["file"], manifest["sound"]["classes"]}
    assert set(manifest["sha256"]) == named
    for name, digest in manifest["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest


def test_every_source_states_its_terms(manifest: dict[str, Any]) -> None:
    assert all(entry["terms"] and entry["rows"] > 0 for entry in manifest["trained_on"])
    assert all(entry["licence"] and entry["url"] for entry in manifest["sources"])


def test_the_metrics_meet_their_targets(metrics: dict[str, Any]) -> None:
    assert metrics["targets"]
    for name, target in metrics["targets"].items():
        assert metrics["metrics"][name] >= target


def test_the_metrics_were_measured_on_these_towers(metrics: dict[str, Any]) -> None:
    from bouba.encoders.manifest import read_manifest

    assert metrics["fingerprint"] == read_manifest(FOLDER).fingerprint


def test_the_card_says_what_the_label_block_is() -> None:
    assert "320 to 511" in (FOLDER / "README.md").read_text(encoding="utf-8")
