"""AND, OR and NOT of what pictures show, on probabilities.

Cosines of different queries mean different things. `match` and `presence` put the scores of every part on one scale,
whatever the model; then probabilities combine as those of independent events: product, noisy-or, complement (the
t-norms of Fagin, Combining Fuzzy Information from Multiple Systems, 1996; noisy-or: Pearl 1988). All of it in
logarithms, which tell very small ones apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bouba.errors import QueryError

Floats = npt.NDArray[np.float64]

# Log-odds of a match: so much for every standard deviation above the middle between this many and the query's own best.
SLOPE, MIDDLE, BEST = 1.5, 4.0, 10

# Log-odds that a picture shows what a text names: 1, z, skewness, z * skewness, z among pictures of all kinds. Fitted
# over nouns in captions of training photos, with two models at once so as to be tuned to none (for one model:
# `benchmarks.negation --fit`).
PRESENCE = (-1.505, -1.072, -2.693, 0.755, 1.586)

# What a NOT rules out is doubted in its own favour: the odds that it is there count e^CAUTION fold, the answer to the
# power of STRICTNESS. A wrong picture among the hits annoys more than one that is missed (`benchmarks.negation`).
CAUTION = 2.0
STRICTNESS = 4.0


@dataclass(frozen=True, slots=True)
class Shape:
    """Of the scores of one query with a sample of pictures."""

    mean: float
    spread: float  # standard deviation, above 0
    skewness: float  # above 0 where few pictures stand out, below where few lack what most show

    @classmethod
    def of(cls, scores: npt.NDArray[np.floating]) -> Shape:
        s = np.asarray(scores, np.float64)
        spread = max(float(s.std()), 1e-6)
        return cls(float(s.mean()), spread, float((((s - s.mean()) / spread) ** 3).mean()))


def match(scores: npt.NDArray[np.floating], gallery: Shape) -> Floats:
    """Log-odds [n] that items with these scores [n], the query's nearest among them, are those that were asked for.

    Standard scores (z-norm of Jain, Nandakumar and Ross, Score Normalization in Multimodal Biometric Systems, 2005),
    half of the way to where each query's best ones lie alike: what many pictures show stands out less in each, and is
    wanted no less."""
    z = (np.asarray(scores, np.float64) - gallery.mean) / gallery.spread
    return np.asarray(SLOPE * (z - (MIDDLE + np.sort(z)[-BEST:].mean()) / 2))


def presence(scores: npt.NDArray[np.floating], gallery: Shape, world: Shape) -> Floats:
    """Log-odds [n] that items with these scores [n] show what was asked, however many others do: what a NOT is about.

    `gallery` is of the items that are searched, `world` of pictures of all kinds. How many show it is not known: where
    the gallery's scores are skewed, few do, and where they lie above the world's, many."""
    s = np.asarray(scores, np.float64)
    z, wide = (s - gallery.mean) / gallery.spread, (s - world.mean) / world.spread
    skew = np.full_like(s, np.clip(gallery.skewness, -3.0, 3.0))
    return np.asarray(np.stack([np.ones_like(s), z, skew, z * skew, wide], axis=-1) @ np.asarray(PRESENCE))


def log_probability(log_odds: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(-np.logaddexp(0.0, -np.asarray(log_odds, np.float64)))


def all_of(logs: npt.NDArray[np.floating], weights: Sequence[float] = ()) -> Floats:
    """Log-probabilities [n] of all of the parts [parts, n]. A weight is the power of its part; 1 without any.

    Raises QueryError where there is not one weight, above 0, for each part."""
    return np.asarray(_checked(logs, weights) @ logs)


def any_of(logs: npt.NDArray[np.floating], weights: Sequence[float] = ()) -> Floats:
    """Log-probabilities [n] of at least one of the parts [parts, n]; weights as in `all_of`, of its complement."""
    return complement(_checked(logs, weights) @ np.stack([complement(part) for part in logs]))


def complement(logs: npt.NDArray[np.floating]) -> Floats:
    """log(1 - p) [n] of log p [n], exact at both ends (Mächler, Accurately Computing log(1 - exp(-|a|)), 2012)."""
    x = np.minimum(np.asarray(logs, np.float64), -1e-12)
    return np.where(x > -np.log(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x)))


def ruled_out(logs: npt.NDArray[np.floating]) -> Floats:
    """What a NOT is worth for ranking [n], from the log-probabilities [n] of what it rules out."""
    return STRICTNESS * log_probability(complement(logs) - logs - CAUTION)


def _checked(logs: npt.NDArray[np.floating], weights: Sequence[float]) -> Floats:
    w = np.asarray(weights if len(weights) else np.ones(len(logs)), np.float64)
    if len(w) != len(logs) or not np.isfinite(w).all() or (w <= 0).any():
        raise QueryError(f"The weights {list(weights)} do not fit {len(logs)} parts: give each one number above 0.")
    return w
