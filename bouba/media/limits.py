"""How much one file may ask for before it is refused: `Limits` for pictures, `AudioLimits` for sounds."""

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


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """Bounds on one sound file. An hour of film sound passes; an endless stream does not.

    What a header claims counts for nothing: seconds and bytes are those that really come out of the decoder,
    which is stopped where one of them is over. Memory is the file and some 150 kB a second of its sound."""

    max_bytes: int = 2**30  # of the file
    max_seconds: float = 3600.0  # of sound
    max_channels: int = 8
    max_decoded_bytes: int = 8 * 2**30  # samples of all channels at the file's rate, never held at once
    max_decode_s: float = 120.0  # wall clock


AnyLimits = Limits | AudioLimits

DEFAULT_LIMITS = Limits()
DEFAULT_AUDIO_LIMITS = AudioLimits()
