"""How much one file may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one picture. A 200-megapixel phone photo passes; a decompression bomb does not.

    Only JPEG can be decoded at a reduced size, so what a header claims (`max_pixels`) may be more than what
    is really allocated (`max_decoded_bytes`). The latter is what one decoding thread can cost in memory."""

    max_bytes: int = 256 * 2**20  # of the file
    max_pixels: int = 500_000_000  # width x height in the header
    max_side_pixels: int = 100_000  # of the longer side; a resampling kernel grows with it
    max_decoded_bytes: int = 2**30  # pixel buffers while decoding and converting to RGB


DEFAULT_LIMITS = Limits()
