"""Path, bytes, file object, Pillow image, URL or text -> a checked, decoded object."""

from __future__ import annotations

from bouba.media.audio import Audio, decode_audio, load_audio
from bouba.media.image import Picture, decode_image, load_image
from bouba.media.limits import DEFAULT_AUDIO_LIMITS, DEFAULT_LIMITS, AudioLimits, Limits
from bouba.media.phash import hamming, perceptual_hash
from bouba.media.source import read_source
from bouba.media.text import load_text
from bouba.media.thumbnail import THUMBNAIL_SIDE, thumbnail

__all__ = [
    "DEFAULT_AUDIO_LIMITS",
    "DEFAULT_LIMITS",
    "THUMBNAIL_SIDE",
    "Audio",
    "AudioLimits",
    "Limits",
    "Picture",
    "decode_audio",
    "decode_image",
    "hamming",
    "load_audio",
    "load_image",
    "load_text",
    "perceptual_hash",
    "read_source",
    "thumbnail",
]
