"""Pairs as arrays: rows of picture features, rows of text features, and which stands with which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bouba.errors import TrainingError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FEWEST = 40  # below this nothing can be learned from the rest of a set about one of its pairs
FEWEST_PICTURES = 20


@dataclass(frozen=True)
class PairSet:
    """Features of pictures [n, a] and of distinct texts [m, b], and pairs [p, 2] of (picture row, text row).

    `shared`: both are unit rows of one space, whose cosine already says something.
    Raises TrainingError for too few pairs, and for features that are not finite.
    """

    images: Floats
    texts: Floats
    pairs: Ints
    shared: bool = False

    def __post_init__(self) -> None:
        if len(self.pairs) < FEWEST:
            raise TrainingError(
                f"{len(self.pairs)} pairs are too few to tell which are wrong: at least {FEWEST} are needed, "
                "and some hundreds make it reliable."
            )
        if (pictures := len(np.unique(self.image))) < FEWEST_PICTURES or len(np.unique(self.text)) < 2:
            raise TrainingError(
                f"{len(self.pairs)} pairs of {pictures} pictures and {len(np.unique(self.text))} texts: to tell which "
                f"are wrong takes at least {FEWEST_PICTURES} pictures and two texts."
            )
        for kind, rows in (("picture", self.images), ("text", self.texts)):
            spoilt = ~np.isfinite(rows.sum(axis=1))
            if spoilt.any():
                raise TrainingError(f"The features of {kind} {int(np.argmax(spoilt))} are not finite numbers.")

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def image(self) -> Ints:
        return self.pairs[:, 0]

    @property
    def text(self) -> Ints:
        return self.pairs[:, 1]

    @cached_property
    def _keys(self) -> Ints:
        return np.unique(self.image * len(self.texts) + self.text)

    def linked(self, images: Ints, texts: Ints) -> Bools:
        """Whether picture and text stand together in some pair [k], of rows [k] each."""
        wanted = images * len(self.texts) + texts
        found = np.searchsorted(self._keys, wanted).clip(max=len(self._keys) - 1)
        return np.asarray(self._keys[found] == wanted)


def unit(rows: npt.NDArray[np.floating]) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), np.float32)


def standardised(features: Floats) -> Floats:
    """Mean 0 and spread 1 in every column.

    Features that are never negative (pooled activations) are square-rooted first: a few large ones would decide
    everything (Hellinger distance; Arandjelović & Zisserman 2012).
    """
    level = np.sqrt(features) if features.min() >= 0 else features
    return np.asarray((level - level.mean(0)) / (level.std(0) + 1e-4), np.float32)
