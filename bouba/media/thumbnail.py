"""A small JPEG of a picture, to show in results."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

THUMBNAIL_SIDE = 256  # pixels, the longer side
_QUALITY = 80


def thumbnail(rgb: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """JPEG whose longer side is at most `side` pixels; never enlarged, proportions kept."""
    scale = side / max(rgb.size)
    if scale < 1:
        width, height = (max(1, round(length * scale)) for length in rgb.size)
        rgb = rgb.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    out = BytesIO()
    rgb.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
