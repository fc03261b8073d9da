"""A model folder: loading, checking, and vectors that depend on nothing but their input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import DIM, MAX_TOKENS, SIZE, write_tiny_model

from bouba.encoders import Model, load_model
from bouba.errors import ModelBroken, ModelMissing


def noise(seed: int, size: tuple[int, int] = (70, 50)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))


def test_shapes_and_lengths(tiny_model: Model) -> None:
    for vectors in (
        tiny_model.encode_image([noise(n) for n in range(5)]),
        tiny_model.encode_text(["red", "blue green"]),
    ):
        assert vectors.shape[1] == DIM
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert tiny_model.encode_image([]).shape == (0, DIM)
    assert tiny_model.encode_text([]).shape == (0, DIM)


def test_batches_change_nothing(tiny_model: Model) -> None:
    images = [noise(n) for n in range(70)]
    np.testing.assert_allclose(
        tiny_model.encode_image(images), np.concatenate([tiny_model.encode_image([i]) for i in images]), atol=1e-5
    )
    texts = ["red", "blue " * 30, "green white", "what"]
    np.testing.assert_allclose(
        tiny_model.encode_text(texts), np.concatenate([tiny_model.encode_text([t]) for t in texts]), atol=1e-5
    )


def test_long_text_is_windowed_and_pooled(tiny_model: Model) -> None:
    long = tiny_model.encode_text(["red " * MAX_TOKENS + "blue " * MAX_TOKENS])[0]
    red, blue = tiny_model.encode_text(["red", "blue"])
    assert long @ red > 0.3
    assert long @ blue > 0.3


def test_squash_and_crop(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "m")
    image = Image.new("RGB", (90, 30), "red")
    image.paste("blue", (30, 0, 60, 30))
    assert load_model(folder).prepare_image(image)[0, 0].tolist() == [255, 0, 0]
    manifest = json.loads((folder / "model.json").read_text())
    manifest["image"]["resize"] = "crop"
    (folder / "model.json").write_text(json.dumps(manifest))
    cropped = load_model(folder).prepare_image(image)
    assert cropped.shape == (SIZE, SIZE, 3)
    assert cropped[0, SIZE // 2].tolist() == [0, 0, 255]
    assert cropped[0, 1].tolist() == [0, 0, 255]


def test_fingerprint_follows_files_and_preprocessing(tmp_path: Path) -> None:
    one, two, other = (write_tiny_model(tmp_path / n, bias=b) for n, b in (("1", 127.5), ("2", 127.5), ("3", 99.0)))
    assert load_model(one).fingerprint == load_model(two).fingerprint != load_model(other).fingerprint


def edit(**changes: object):
    def apply(folder: Path) -> None:
        manifest = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps({**manifest, **changes}))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "model.json").write_text("[]"), "format"),
        (edit(format=2), "Update bouba"),
        (edit(surprise=1), "unknown key 'surprise'"),
        (edit(image={"file": "image.onnx"}), "lacks 'size'"),
        (edit(sha256={}), r"image\.onnx"),
        (lambda f: (f / "image.onnx").unlink(), "cannot be read"),
        (lambda f: (f / "image.onnx").write_bytes(b"x"), "SHA-256"),
        (edit(dim=7), "rows of 7"),
    ],
)
def test_broken_folders(tmp_path: Path, damage, message: str) -> None:
    folder = write_tiny_model(tmp_path / "m")
    damage(folder)
    with pytest.raises(ModelBroken, match=message):
        load_model(folder).encode_image([noise(0)])


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing):
        load_model(tmp_path / "none")
