"""Heads on existing folders."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from tiny_model import DIM, SIZE, write_tiny_model  # noqa: E402

import bouba  # noqa: E402
from bouba.errors import TrainingError  # noqa: E402
from bouba.training.export import HeadFacts, with_heads  # noqa: E402
from bouba.training.export.probes import drawn_pictures  # noqa: E402

FACTS = HeadFacts("adapted", "2", trained_on=({"name": "mine", "rows": 3, "terms": "own"},))
TEXTS = ["red", "a green picture", "blue white black"]


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one.astype(np.float64) * other).sum(1)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "base")


@pytest.mark.parametrize("source", ["tiny", "builtin"])
def test_identity_heads_change_nothing(source: str, base: Path, tmp_path: Path) -> None:
    old = bouba.load_model(base if source == "tiny" else "builtin")
    nothing = torch.nn.Identity()
    folder = with_heads(old.source, nothing, nothing, tmp_path / "new", facts=FACTS)
    new = bouba.load_model(folder)
    pixels = drawn_pictures(4, old.manifest.image.size, seed=5)
    assert (cosines(new.encode_pixels(pixels), old.encode_pixels(pixels)) > 0.99999).all()
    assert (cosines(new.encode_text(TEXTS), old.encode_text(TEXTS)) > 0.99999).all()
    assert (new.name, new.version, new.dim) == ("adapted", "2", old.dim)
    assert new.fingerprint != old.fingerprint
    assert new.manifest.trained_on == [*old.manifest.trained_on, *FACTS.trained_on]


def test_heads_can_be_added_to_heads(base: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    first, second = torch.nn.Linear(DIM, 20), torch.nn.Sequential(torch.nn.Linear(20, 64), torch.nn.ReLU(),
                                                                 torch.nn.Linear(64, 10))  # fmt: skip
    with_heads(base, first, first, tmp_path / "once", facts=FACTS)
    new = bouba.load_model(with_heads(tmp_path / "once", second, second, tmp_path / "twice", facts=FACTS))
    pixels = drawn_pictures(4, SIZE, seed=5)
    unit = torch.nn.functional.normalize
    with torch.no_grad():
        old = torch.from_numpy(bouba.load_model(base).encode_pixels(pixels))
        wanted = unit(second(unit(first(old), dim=1)), dim=1).numpy()
    assert np.allclose(new.encode_pixels(pixels), wanted, atol=1e-5)
    assert new.dim == 10
    assert [source["name"] for source in new.manifest.sources] == ["tiny 0.1", "adapted 2"]


def test_the_base_itself_can_be_replaced(base: Path) -> None:
    head = torch.nn.Linear(DIM, 8)
    with_heads(base, head, head, base, facts=FACTS)
    assert bouba.load_model(base).dim == 8


@pytest.mark.parametrize("opset", [11, 21])
def test_graphs_of_other_versions(base: Path, tmp_path: Path, opset: int) -> None:
    path = base / "image.onnx"
    old = onnx.load(path)  # its operators have meant the same since version 11
    old.ir_version = 7 if opset == 11 else 10
    old.opset_import[0].version = opset
    old.opset_import.append(onnx.helper.make_opsetid("", opset))  # joined graphs list a domain twice
    onnx.save(old, path)
    manifest = json.loads((base / "model.json").read_text())
    manifest["sha256"]["image.onnx"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (base / "model.json").write_text(json.dumps(manifest))
    torch.manual_seed(0)
    head = torch.nn.Sequential(torch.nn.LayerNorm(DIM), torch.nn.Linear(DIM, 300), torch.nn.GELU(),
                               torch.nn.Linear(300, 16))  # fmt: skip
    new = bouba.load_model(with_heads(base, head, head, tmp_path / "new", facts=FACTS, precision="int8-weights"))
    assert new.encode_pixels(drawn_pictures(2, SIZE)).shape == (2, 16)
    assert new.encode_text(TEXTS).shape == (3, 16)


def test_heads_that_do_not_fit(base: Path, tmp_path: Path) -> None:
    narrow, wide = torch.nn.Linear(DIM, 4), torch.nn.Linear(DIM, 5)
    with pytest.raises(TrainingError, match="4 and 5 numbers"):
        with_heads(base, narrow, wide, tmp_path / "new", facts=FACTS)
    with pytest.raises(TrainingError, match=f"vectors of {DIM} numbers"):
        with_heads(base, torch.nn.Linear(7, 4), narrow, tmp_path / "new", facts=FACTS)
    assert not (tmp_path / "new").exists()
