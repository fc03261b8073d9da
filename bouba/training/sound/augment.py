"""The same recording elsewhere: with noise around it, and begun at another moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from bouba.types import Samples

QUIET, LOUD = 5.0, 25.0  # decibels that the recording is above the noise


def augmented(seed: int, view: int) -> Callable[[Samples, int], Samples]:
    """Samples and the recording's number -> samples, the same for the same seed, view and number."""

    def change(samples: Samples, row: int) -> Samples:
        dice = np.random.default_rng((seed, view, row))
        shifted = np.roll(samples, int(dice.integers(len(samples))))
        noise = np.cumsum(dice.standard_normal(len(samples))) if dice.random() < 0.5 else None
        noise = dice.standard_normal(len(samples)) if noise is None else noise - _drift(noise)
        power = np.sqrt(np.mean(np.square(shifted)) / max(float(np.mean(np.square(noise))), 1e-12))
        level = 10 ** (-dice.uniform(QUIET, LOUD) / 20)
        return np.asarray(np.clip(shifted + level * power * noise, -1, 1), np.float32)

    return change


def _drift(noise: npt.NDArray[np.float64], span: int = 400) -> npt.NDArray[np.float64]:
    """The slow part of brown noise, which nobody hears."""
    return np.convolve(noise, np.ones(span) / span, mode="same")
