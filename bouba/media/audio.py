"""A sound from anywhere -> checked samples: one channel, 16 kHz, at one loudness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import MediaEmpty, MediaError
from bouba.media.containers import sniff_sound
from bouba.media.decoding import Decoded, decode_sound
from bouba.media.limits import DEFAULT_AUDIO_LIMITS, AudioLimits
from bouba.media.loudness import normalise_loudness, peak_level
from bouba.media.mono import RATE
from bouba.media.source import describe_source, read_source

if TYPE_CHECKING:
    from bouba.types import AudioSource, Samples

__all__ = ["DEFAULT_AUDIO_LIMITS", "RATE", "Audio", "AudioLimits", "decode_audio", "load_audio"]

_SHORTEST_S = 0.1
_SILENCE_DBFS = -60.0
_CLIPPED_NOTED = 0.001  # loud music touches the ceiling now and then


@dataclass(frozen=True, slots=True)
class Audio:
    """A decoded, checked sound."""

    samples: Samples  # [n], mono, 16 kHz, at -23 LUFS, in (-1, 1), without DC offset
    seconds: float  # of the original
    notes: tuple[str, ...]  # what its owner should know: cut off, damaged, clipped


def load_audio(source: AudioSource, *, limits: AudioLimits = DEFAULT_AUDIO_LIMITS, fetch: bool = False) -> Audio:
    """`read_source` and `decode_audio` in one, with the source's name in every message."""
    data = read_source(source, limits=limits, fetch=fetch)
    try:
        return decode_audio(data, limits=limits)
    except MediaError as error:
        raise type(error)(f"{describe_source(source)}: {error}") from error


def decode_audio(data: bytes, *, limits: AudioLimits = DEFAULT_AUDIO_LIMITS) -> Audio:
    """The sound of a sound or video file; the same bytes give the same samples, bit by bit.

    Raises MediaEmpty (silence, too short, no sound track), MediaUnsupported, MediaCorrupt or MediaTooLarge."""
    decoded = decode_sound(data, sniff_sound(data), limits)
    if decoded.seconds < _SHORTEST_S:
        length, least = 1000 * decoded.seconds, 1000 * _SHORTEST_S
        raise MediaEmpty(f"{length:.1f} ms of sound is too short. Give at least {least:g} ms.")
    samples = decoded.samples - np.float32(decoded.samples.mean(dtype=np.float64))
    _check_audible(samples, decoded)
    notes = (*decoded.notes, *_note_clipping(decoded.clipped))
    return Audio(normalise_loudness(samples, RATE), decoded.seconds, notes)


def _check_audible(samples: Samples, decoded: Decoded) -> None:
    quietest = 10 ** (_SILENCE_DBFS / 20)
    if peak_level(samples) > quietest:
        return
    if decoded.peak > 10 * quietest and peak_level(decoded.samples) <= quietest:
        raise MediaEmpty("silent when its channels are mixed: they cancel each other. Give one of them.")
    raise MediaEmpty(
        f"silent: nothing in {decoded.seconds:.1f} s is above {_SILENCE_DBFS:g} dB of full scale. "
        "Record it again, nearer or louder."
    )


def _note_clipping(share: float) -> tuple[str, ...]:
    if share <= _CLIPPED_NOTED:
        return ()
    return (f"clipped: {share:.1%} of the samples are at full scale. Record with a lower level.",)
