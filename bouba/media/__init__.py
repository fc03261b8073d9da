"""Path, bytes, file object, Pillow image, URL or text -> a checked, decoded object."""

from __future__ import annotations

from bouba.media.image import Picture, decode_image, load_image
from bouba.media.limits import DEFAULT_LIMITS, Limits
from bouba.media.phash import hamming, perceptual_hash
from bouba.media.source import read_source
from bouba.media.text import load_text
from bouba.media.thumbnail import THUMBNAIL_SIDE, thumbnail

__all__ = [
    "DEFAULT_LIMITS",
    "THUMBNAIL_SIDE",
    "Limits",
    "Picture",
    "decode_image",
    "hamming",
    "load_image",
    "load_text",
    "perceptual_hash",
    "read_source",
    "thumbnail",
]
