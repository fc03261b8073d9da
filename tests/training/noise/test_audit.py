from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_model import COLOURS

from bouba.errors import StoreUnavailable
from bouba.evaluation.data import read_set
from bouba.evaluation.embeddings import Embeddings
from bouba.training.noise.audit import audit
from bouba.training.noise.page import write_audit

EXCHANGED = {"red1.png": "green", "green1.png": "blue", "blue1.png": "red"}


@pytest.fixture
def pairs(paint, tmp_path: Path) -> Path:
    """Sixty pictures and the word for each one's colour; three are wrong."""
    rows = []
    for seed in range(10):
        for colour in COLOURS:
            name = paint(colour, seed=seed).name
            rows.append({"image": name, "captions": [EXCHANGED.get(name, colour)], "split": "train"})
    path = tmp_path / "photos" / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_audit_names_wrong_pairs_and_better_texts(pairs: Path, tiny_model, tmp_path: Path) -> None:
    found = audit(read_set(pairs), Embeddings(tiny_model, tmp_path / "cache"))
    suspects = [pair for pair in found.pairs if pair.believed_wrong]
    assert {pair.picture.name: pair.text for pair in suspects} == EXCHANGED
    assert all(pair.picture.name.startswith(pair.better) for pair in suspects)  # or "", where nothing surely fits
    assert any(pair.better for pair in suspects)
    assert found.pairs[0].p_right <= found.pairs[-1].p_right


def test_files(pairs: Path, tiny_model, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_audit(audit(read_set(pairs), Embeddings(tiny_model, tmp_path / "cache")), out, limit=2)
    page = (out / "audit.html").read_text()
    assert page.count("data:image/jpeg") == 2
    assert "The 2 most suspicious of 3." in page
    assert len((out / "audit.jsonl").read_text().splitlines()) == 60
    clean = read_set(out / "clean.jsonl")  # it is a pair file again
    assert len(clean.images) == 57
    assert not {path.name for path in clean.images} & EXCHANGED.keys()


def test_a_folder_that_cannot_be_written(pairs: Path, tiny_model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="file"):
        write_audit(audit(read_set(pairs), Embeddings(tiny_model, tmp_path / "cache")), tmp_path / "file")


def test_the_command(pairs: Path, tiny_model_folder: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bouba", "audit", *arguments, "-m", str(tiny_model_folder)]
        environment = {**os.environ, "BOUBA_CACHE": str(tmp_path / "cache")}
        return subprocess.run(command, cwd=pairs.parent, env=environment, capture_output=True, text=True, timeout=120)

    done = run("pairs.jsonl", "--split", "train", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "3 of 60 pairs are believed wrong" in done.stdout
    assert (pairs.parent / "out/audit.html").exists()
    found = json.loads(run("pairs.jsonl", "--json", "--limit", "2").stdout)
    assert found["believed_wrong"] == 3
    assert len(found["suspects"]) == 2
    few = pairs.with_name("few.jsonl")
    few.write_text("".join(pairs.read_text().splitlines(keepends=True)[:5]))
    refused = run("few.jsonl")
    assert refused.returncode == 1
    assert "5 pairs are too few" in refused.stderr


def test_real_photos_with_the_built_in_model(shared: Path, tmp_path: Path) -> None:
    """Forty val photos, which the built-in model was not trained on, five captions each; one in five exchanged."""
    from bouba.encoders import load_model

    rows = [json.loads(line) for line in (shared / "flickr8k/pairs.jsonl").open(encoding="utf-8")]
    rows = [row for row in rows if row["split"] == "val"][:40]
    first = [row["captions"][0] for row in rows]
    for row, caption in zip(rows, first[7:] + first[:7], strict=True):
        row["captions"][0] = caption
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({k: row[k] for k in ("image", "captions")}) + "\n" for row in rows))
    data = read_set(path, image_root=shared / "flickr8k")
    found = audit(data, Embeddings(load_model(None), tmp_path / "cache"))
    flagged = {(str(pair.picture), pair.text) for pair in found.pairs if pair.believed_wrong}
    wrong = {(str(shared / "flickr8k" / row["image"]), row["captions"][0]) for row in rows}
    assert len(flagged & wrong) >= 0.7 * len(wrong)
    assert len(flagged & wrong) >= 0.7 * len(flagged)
