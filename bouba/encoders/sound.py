"""A recording as windows, and windows as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from bouba.types import Samples, Vectors

    Scores = npt.NDArray[np.float32]  # [windows, classes], each 0 to 1

TAGS = 5
MIN_TAG = 0.05


@dataclass(frozen=True, slots=True)
class SoundClass:
    """A class of the tagger; `speech` where somebody speaks."""

    name: str
    speech: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """What the sound tower makes of one recording."""

    vector: Vectors  # [dim]
    windows: Vectors  # [windows, dim]
    starts: tuple[float, ...]  # of the windows, in seconds
    tags: tuple[tuple[str, float], ...]  # the likeliest classes of the whole, best first
    speech: float  # how likely somebody speaks, 0 to 1


def cut(samples: Samples, window: int, hop: int) -> npt.NDArray[np.float32]:
    """[windows, window] from samples [n], every `hop`; the end is filled up with silence, unless the window before
    has most of it already."""
    count = 1 + max(0, round((len(samples) - window) / hop))
    padded = np.zeros((count - 1) * hop + window, np.float32)
    used = samples[: len(padded)]
    padded[: len(used)] = used
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]


def pooled(embeddings: Vectors, scores: Scores, classes: Sequence[SoundClass], hop_seconds: float) -> Heard:
    """One recording from its windows: embeddings [windows, dim], as long as each window counts, and class scores."""
    lengths = np.linalg.norm(embeddings, axis=1)
    vectors = embeddings / np.maximum(lengths, 1e-12)[:, None]
    whole = embeddings.sum(0)
    mean = np.average(scores, axis=0, weights=lengths + 1e-6)
    order = [int(row) for row in np.argsort(-mean, kind="stable")[:TAGS] if mean[row] >= MIN_TAG]
    spoken = [row for row, one in enumerate(classes) if one.speech]
    return Heard(
        vector=np.asarray(whole / max(float(np.linalg.norm(whole)), 1e-12), np.float32),
        windows=np.asarray(vectors, np.float32),
        starts=tuple(row * hop_seconds for row in range(len(embeddings))),
        tags=tuple((classes[row].name, float(mean[row])) for row in order),
        speech=float(scores[:, spoken].max(1).mean()) if spoken else 0.0,
    )
