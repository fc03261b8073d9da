"""A fingerprint of how a picture looks, equal or nearly so after resizing and re-compression.

The DCT hash of pHash: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions",
Upper Austria University of Applied Sciences, 2010, section 3.2."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

_SIDE = 32
_FREQUENCIES = 8


def _dct_rows() -> npt.NDArray[np.float32]:
    """[8, 32]: the orthonormal DCT-II for frequencies 1 to 8; frequency 0 is brightness, not structure."""
    frequency = np.arange(1, _FREQUENCIES + 1)[:, None]
    position = np.arange(_SIDE)[None, :]
    rows = np.sqrt(2 / _SIDE) * np.cos(np.pi * frequency * (2 * position + 1) / (2 * _SIDE))
    return np.asarray(rows, dtype=np.float32)


_DCT = _dct_rows()


def perceptual_hash(rgb: Image.Image) -> str:
    """64 bits as 16 hex digits: which of 8 x 8 low DCT frequencies of the 32 x 32 grey picture exceed the median."""
    # Whole factors are cheap, but below twice the final size they move bits when a picture comes at another size.
    factor = min(rgb.size) // (2 * _SIDE)
    reduced = rgb.reduce(factor) if factor > 1 else rgb
    grey = reduced.convert("L").resize((_SIDE, _SIDE), Image.Resampling.HAMMING)
    # Rounding keeps a plain picture, whose coefficients are noise around 0, at one fixed hash.
    coefficients = np.rint(_DCT @ np.asarray(grey, dtype=np.float32) @ _DCT.T)
    bits = coefficients > np.median(coefficients)
    return np.packbits(bits).tobytes().hex()


def hamming(a: str, b: str) -> int:
    """Bits in which two hashes differ, 0 to 64; up to about 10 they show the same picture."""
    return (int(a, 16) ^ int(b, 16)).bit_count()
