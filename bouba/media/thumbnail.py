"""A small JPEG of a picture, to show in results."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

THUMBNAIL_SIDE = 256  # pixels, the longer side
_QUALITY = 80


def thumbnail(rgb: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """JPEG whose longer side is at most `side` pixels; never enlarged, proportions kept."""
    longer = max(rgb.size)
    factor = -(-longer // side)
    if factor > 1 and longer / factor >= 0.9 * side:
        rgb = rgb.reduce(factor)  # a whole factor comes close enough and costs a sixth of a filter
    elif factor > 1:
        width, height = (max(1, round(length * side / longer)) for length in rgb.size)
        rgb = rgb.resize((width, height), Image.Resampling.HAMMING, reducing_gap=2.0)
    out = BytesIO()
    rgb.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
