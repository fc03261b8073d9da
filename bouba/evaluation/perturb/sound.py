"""Changes of a recording: mono samples at 16 kHz in [-1, 1] and generator -> new ones, which may go beyond 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bouba.media.audio import RATE

if TYPE_CHECKING:
    from bouba.types import Samples

Rng = np.random.Generator

_TELEPHONE_HZ = (300, 3400)  # ITU-T G.712
_STEPS = 2**15  # of 16 bits, to either side of 0


def noisy(samples: Samples, rng: Rng, decibels: float) -> Samples:
    """White noise under it, at this ratio of the powers of signal and noise."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) / 10 ** (decibels / 10)
    return samples + rng.standard_normal(len(samples), np.float32) * np.float32(np.sqrt(power))


def clipped(samples: Samples, rng: Rng) -> Samples:
    """As if recorded at too high a level: the loudest tenth of the samples is cut off."""
    ceiling = float(np.quantile(np.abs(samples), 0.9))
    return np.clip(samples, -ceiling, ceiling)


def loudest_second(samples: Samples, rng: Rng) -> Samples:
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    start = int(np.argmax(energy[RATE:] - energy[:-RATE])) if len(samples) > RATE else 0
    return samples[start : start + RATE]


def quiet(samples: Samples, rng: Rng) -> Samples:
    return _stored(samples * np.float32(10 ** (-20 / 20)))


def loud(samples: Samples, rng: Rng) -> Samples:
    return _stored(samples * np.float32(10 ** (6 / 20)))


def _stored(samples: Samples) -> Samples:
    """As a file of 16 bits has it: what a change of level loses for good."""
    return np.asarray(np.clip(np.rint(samples * _STEPS), -_STEPS, _STEPS - 1) / _STEPS, np.float32)


def telephone(samples: Samples, rng: Rng) -> Samples:
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(hertz < _TELEPHONE_HZ[0]) | (hertz > _TELEPHONE_HZ[1])] = 0
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)
