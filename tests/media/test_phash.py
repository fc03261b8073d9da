from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from bouba.media import hamming, perceptual_hash


def scene(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Random blobs: smooth structure as photos have."""
    grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def test_same_picture_at_another_size_and_quality_is_near() -> None:
    for seed in range(20):
        original = perceptual_hash(scene(seed))
        out = BytesIO()
        scene(seed).resize((161, 97)).save(out, "JPEG", quality=40)
        assert hamming(original, perceptual_hash(Image.open(out).convert("RGB"))) <= 6


def test_other_pictures_are_far() -> None:
    hashes = [perceptual_hash(scene(seed)) for seed in range(20)]
    distances = [hamming(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) > 12
    assert 28 <= np.mean(distances) <= 36


def test_bits_are_those_of_the_reference_dct() -> None:
    small = scene(1).resize((32, 32), Image.Resampling.HAMMING)
    coefficients = np.rint(dctn(np.asarray(small.convert("L"), dtype=float), norm="ortho")[1:9, 1:9])
    bits = (coefficients > np.median(coefficients)).ravel()
    assert hamming(perceptual_hash(small), np.packbits(bits).tobytes().hex()) <= 1


@pytest.mark.parametrize("colour", ["white", "black", "red", (17, 99, 4)])
def test_plain_pictures_share_one_hash(colour: str | tuple[int, int, int]) -> None:
    assert perceptual_hash(Image.new("RGB", (50, 70), colour)) == "0" * 16


def test_form() -> None:
    for size in [(1, 1), (1, 500), (31, 33)]:
        assert re.fullmatch("[0-9a-f]{16}", perceptual_hash(scene(3, *size)))


def test_hamming() -> None:
    assert hamming("0" * 16, "f" * 16) == 64
    assert hamming("00000000000000ff", "000000000000000f") == 4
    assert hamming("ab" * 8, "ab" * 8) == 0
