from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from bouba.media import thumbnail
from bouba.media.miniature import MINIATURE_LENGTH, miniature


def blobs(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(60, 196, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((320, 240), Image.Resampling.BICUBIC)


def test_levelled() -> None:
    look = miniature(thumbnail(blobs(0)))
    assert look.shape == (MINIATURE_LENGTH,)
    assert abs(float(look.mean())) < 1e-4
    assert float(look.std()) == pytest.approx(1, abs=1e-4)


def test_light_and_size_change_it_little_and_another_picture_much() -> None:
    look = miniature(thumbnail(blobs(0)))
    for changed in (ImageEnhance.Brightness(blobs(0)).enhance(0.7), blobs(0).resize((150, 100))):
        assert np.percentile(np.abs(miniature(thumbnail(changed)) - look), 95) < 0.2
    assert np.percentile(np.abs(miniature(thumbnail(blobs(1))) - look), 95) > 1


def test_a_plain_picture_is_nothing_but_zeros() -> None:
    assert not miniature(thumbnail(Image.new("RGB", (40, 40), "white"))).any()


@pytest.mark.parametrize("jpeg", [None, b"", b"no picture", thumbnail(blobs(2))[:200]])
def test_nothing_to_see(jpeg: bytes | None) -> None:
    assert np.isnan(miniature(jpeg)).all()
