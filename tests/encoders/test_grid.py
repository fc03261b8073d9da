"""What parts of a picture would embed to: for towers that say it, at no cost for the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import DIM, GRID, SIZE

pytest.importorskip("torch")

from tiny_grid import write_tiny_grid

from bouba.encoders import Model, load_model
from bouba.errors import ModelBroken, ModelMissing


def corner() -> Image.Image:
    """Blue, with one red cell."""
    image = Image.new("RGB", (SIZE, SIZE), "blue")
    image.paste("red", (SIZE - SIZE // GRID, 0, SIZE, SIZE // GRID))
    return image


def edited(folder: Path, grid: object) -> Model:
    manifest = json.loads((folder / "model.json").read_text())
    manifest["image"]["grid"] = grid
    (folder / "model.json").write_text(json.dumps(manifest))
    return load_model(folder)


def test_a_cell_says_what_stands_there(tmp_path: Path) -> None:
    model = load_model(write_tiny_grid(tmp_path / "m"))
    cells = model.encode_grid([model.prepare_image(corner())] * 33)
    assert cells.shape == (33, GRID, GRID, DIM)
    red, blue = model.encode_text(["red", "blue"])
    found = cells[32] @ red > cells[32] @ blue
    assert found[0, GRID - 1]
    assert found.sum() == 1
    assert model.encode_grid([]).shape == (0, GRID, GRID, DIM)


def test_the_fingerprint_is_of_the_vectors_alone(tmp_path: Path) -> None:
    folder = write_tiny_grid(tmp_path / "m")
    fingerprint = load_model(folder).fingerprint
    manifest = json.loads((folder / "model.json").read_text())
    del manifest["image"]["grid"]  # as folders were written before there were grids
    (folder / "model.json").write_text(json.dumps(manifest))
    assert load_model(folder).fingerprint == fingerprint
    assert load_model(folder).manifest.image.grid is None


def test_the_fingerprint_of_a_model_without_a_grid_is_what_it_always_was() -> None:
    """Galleries made before grids came must open with the same model."""
    manifest = load_model().manifest
    assert "grid" not in repr(manifest.image)


def test_models_without_a_grid_say_so(tiny_model: Model) -> None:
    with pytest.raises(ModelMissing, match=r"tiny 0\.1 has no grid"):
        tiny_model.encode_grid([np.zeros((SIZE, SIZE, 3), np.uint8)])


def test_another_grid_than_the_manifest_says(tmp_path: Path) -> None:
    model = edited(write_tiny_grid(tmp_path / "m"), [GRID, GRID + 1])
    with pytest.raises(ModelBroken, match=rf"{GRID} x {GRID + 1} x {DIM}"):
        model.encode_grid([np.zeros((SIZE, SIZE, 3), np.uint8)])
