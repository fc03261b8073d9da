"""What training sees is what the model will see; views differ only by seed, key and view."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_inputs import write_corpus
from PIL import Image

from bouba.encoders import load_model
from bouba.errors import MediaError
from bouba.media import decode_image
from bouba.training.data.augment import Augment, crop_box, preset
from bouba.training.data.chance import generator
from bouba.training.data.media import File
from bouba.training.data.pictures import decode, decode_view


@pytest.fixture
def photo(tmp_path: Path) -> File:
    """300 x 200, each pixel's red its column's place, its green its row's."""
    x, y = np.meshgrid(np.linspace(0, 255, 300), np.linspace(0, 255, 200))
    Image.fromarray(np.stack([x, y, x * 0 + 90], -1).astype(np.uint8)).save(tmp_path / "photo.jpg", quality=95)
    return File(str(tmp_path), "photo.jpg")


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_as_the_model_prepares_it(
    tiny_model_folder: Path, tmp_path: Path, photo: File, resize: Any, interpolation: Any
) -> None:
    shutil.copytree(tiny_model_folder, tmp_path / "model")
    manifest = json.loads((tmp_path / "model/model.json").read_text())
    manifest["image"] |= {"resize": resize, "interpolation": interpolation}
    (tmp_path / "model/model.json").write_text(json.dumps(manifest))
    model = load_model(tmp_path / "model")
    size = model.manifest.image.size
    expected = model.prepare_image(decode_image(photo.read(), side=size).rgb)
    assert np.array_equal(decode(photo, size, resize, interpolation), expected)
    none = decode_view(photo, size, resize, interpolation, preset("none", mirror=False), seed=1, key="a", view=2)
    assert np.array_equal(none, expected)


def test_unusable_pictures_are_media_errors(tmp_path: Path) -> None:
    for name, error in write_corpus(tmp_path).items():
        with pytest.raises(MediaError) as caught:
            decode(File(str(tmp_path), name), 32, "squash", "bilinear")
        assert isinstance(caught.value, error), name
    (tmp_path / "text.jpg").write_bytes(b"hello")
    with pytest.raises(MediaError, match=r"^text\.jpg: this is text"):
        decode(File(str(tmp_path), "text.jpg"), 32, "squash", "bilinear")


def test_a_view_hangs_on_seed_key_and_view_alone(photo: File) -> None:
    def view(seed: int, key: str, number: int) -> bytes:
        strong = preset("strong", mirror=True)
        return decode_view(photo, 32, "squash", "bicubic", strong, seed=seed, key=key, view=number).tobytes()

    first = view(0, "a", 0)
    view(9, "z", 9)
    assert view(0, "a", 0) == first
    assert len({first, view(1, "a", 0), view(0, "b", 0), view(0, "a", 1)}) == 4


def test_mirrored_views(photo: File) -> None:
    straight = decode(photo, 32, "squash", "bilinear")
    views = [
        decode_view(photo, 32, "squash", "bilinear", Augment(mirror=0.5), seed=0, key="a", view=n) for n in range(60)
    ]
    turned = [bool(view[0, 0, 0] > view[0, -1, 0]) for view in views]
    assert 15 < sum(turned) < 45
    for view, mirrored in zip(views, turned, strict=True):
        assert np.array_equal(view[:, ::-1] if mirrored else view, straight)
    always = decode_view(photo, 32, "squash", "bilinear", Augment(mirror=1), seed=0, key="a", view=turned.index(False))
    assert np.array_equal(always[:, ::-1], straight)


@pytest.mark.parametrize(
    ("texts", "mirrored"),
    [
        (["a dog"], True),
        (["a dog", "The one on the LEFT"], False),
        (["a left-handed man"], False),
        (["bright leftovers"], True),
    ],
)
def test_pictures_whose_texts_tell_left_from_right_are_not_mirrored(texts: list[str], mirrored: bool) -> None:
    assert preset("light", mirror=True).for_texts(texts).mirror == (0.5 if mirrored else 0)
    assert not preset("light", mirror=False).for_texts(texts).mirror


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_cut_boxes_lie_inside_and_keep_what_they_should(resize: Any) -> None:
    augment = Augment(scale=(0.3, 0.9), aspect=(0.75, 1.333))
    width, height = 300, 200
    whole = width * height if resize == "squash" else height * height
    areas = []
    for number in range(500):
        left, top, right, bottom = crop_box(width, height, resize, augment, generator(0, "a", number))
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        areas.append((right - left) * (bottom - top) / whole)
    assert 0.28 < min(areas) < 0.35
    assert 0.8 < max(areas) < 0.91
    assert len({round(area, 6) for area in areas}) > 490


def test_small_parts_are_decoded_sharp(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    quarter = Augment(scale=(0.25, 0.25))
    view = decode_view(File(str(tmp_path), "noise.png"), 256, "squash", "bilinear", quarter, seed=0, key="a", view=0)
    assert view.std() > 45  # 73 as it is, 37 averaged over 2 x 2 by decoding at 256


@pytest.mark.parametrize("augment", [Augment(colour=0.4), Augment(blur=1.0), Augment(jpeg=1.0)])
def test_each_change_changes(tmp_path: Path, augment: Augment) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    media = File(str(tmp_path), "noise.png")
    view = decode_view(media, 128, "squash", "bilinear", augment, seed=0, key="a", view=0)
    assert view.shape == (128, 128, 3)
    assert view.dtype == np.uint8
    assert 1 < np.abs(view.astype(int) - noise).mean() < 80


def test_presets() -> None:
    light, strong = preset("light", mirror=True), preset("strong", mirror=False)
    assert (light.mirror, strong.mirror) == (0.5, 0)
    assert strong.scale[0] < light.scale[0] < 1
    assert not preset("none", mirror=False).changes
    assert preset("none", mirror=True).changes
