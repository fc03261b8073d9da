"""From scores to probabilities: how likely a hit is a match, and how likely anything in the gallery is one.

Both are logistic functions (Platt 1999) of few numbers that mean the same whatever the model: the hit's score, how far
it stands above the background, which is this query's scores with pictures that nobody asked for, how many pictures
there are, and how many words were asked. They are fitted on pairs that were held out of training, and kept in the
model folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BEST = 10  # scores at the top, or a hundredth of all, that say whether anything matches
FEW_WORDS = 3  # of a question, up to which it is one of keywords: what their scores are worth is another matter
RIDGE = 1e-5  # pull of the weights towards zero, beside a mean loss of one


@dataclass(frozen=True, slots=True)
class Background:
    """One query's scores with a random sample of pictures."""

    mean: float
    spread: float  # standard deviation, above 0

    @classmethod
    def of(cls, scores: npt.NDArray[np.floating]) -> Background:
        return cls(float(scores.mean(dtype=np.float64)), max(float(scores.std(dtype=np.float64)), 1e-6))


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a query beside its scores."""

    background: Background
    items: int  # that were searched, at least 1
    words: int = 0  # 0 where it is no text


def match_features(scores: npt.NDArray[np.floating], asked: Asked) -> Floats:
    """[hits, 12] for scores [hits]."""
    s, mean, spread = np.asarray(scores, np.float64), asked.background.mean, asked.background.spread
    z = (s - mean) / spread
    length = np.full_like(s, np.log1p(asked.words))
    size = np.full_like(s, np.log(max(asked.items, 1)))
    mixed = [s * length, z * length, size * length, length**2]
    mixed += [np.full_like(s, value) for value in (mean, spread, mean * np.log1p(asked.words))]
    return np.stack([s, z, size, length, *mixed, np.ones_like(s)], axis=-1)


def found_features(scores: npt.NDArray[np.floating], asked: Asked) -> Floats:
    """[7] for the scores [hits] of one query, best first."""
    s = np.asarray(scores[: max(1, min(BEST, asked.items // 100))], np.float64)
    mean, spread, length = asked.background.mean, asked.background.spread, np.log1p(asked.words)
    return np.array([s[0], s.mean(), mean, spread, length, np.log(max(asked.items, 1)), 1.0])


@dataclass(frozen=True, slots=True)
class Logistic:
    """1 / (1 + exp(-features · weights))."""

    weights: tuple[float, ...]

    def __call__(self, features: Floats) -> Floats:
        """Probabilities [...] for features [..., n]."""
        return sigmoid(features @ np.asarray(self.weights))


@dataclass(frozen=True, slots=True)
class Calibration:
    """For queries of one kind."""

    match: Logistic
    found: Logistic
    cutoff: float  # of a hit's probability: below it a hit is less likely one of those asked for
    threshold: float  # of the answer's confidence: below it nothing matches

    def probabilities(self, scores: npt.NDArray[np.floating], asked: Asked) -> Floats:
        """How likely each hit [hits] is a match; rises with the score."""
        return self.match(match_features(scores, asked))

    def confidence(self, scores: npt.NDArray[np.floating], asked: Asked) -> float:
        """How likely the gallery holds a match at all, from the scores [hits] best first; 0 with no hits."""
        return float(self.found(found_features(scores, asked))) if len(scores) else 0.0

    def to_dict(self) -> dict[str, Any]:
        record = asdict(self)
        return {**record, "match": list(self.match.weights), "found": list(self.found.weights)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Calibration:
        """Raises KeyError, TypeError or ValueError where the record is none."""
        match, found = (Logistic(tuple(float(w) for w in record[name])) for name in ("match", "found"))
        if (len(match.weights), len(found.weights)) != (12, 7):
            raise ValueError(f"{len(match.weights)} and {len(found.weights)} weights; there are 12 and 7")
        return cls(match, found, float(record["cutoff"]), float(record["threshold"]))


def sigmoid(logits: npt.NDArray[np.floating]) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -np.asarray(logits, np.float64))))


def fit_logistic(
    features: Floats, right: npt.NDArray[np.floating], evidence: npt.NDArray[np.floating], *, ridge: float = RIDGE
) -> Logistic:
    """Weights for features [n, m] of which the last is 1, by Newton's method on the weighted log-likelihood.

    `right` [n] in [0, 1]; `evidence` [n] is what each row counts. The features are scaled for the fit."""
    scale = np.maximum(np.abs(features).max(axis=0), 1e-12)
    x, share = features / scale, evidence / evidence.sum()
    weights = np.zeros(x.shape[1])
    pull = ridge * np.append(np.ones(x.shape[1] - 1), 0.0)
    for _ in range(50):
        p = sigmoid(x @ weights)
        slope = x.T @ (share * (p - right)) + pull * weights
        curve = (x * (share * p * (1 - p))[:, None]).T @ x + np.diag(pull) + 1e-10 * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights -= step / max(1.0, float(np.abs(step).max()) / 10)  # a long step may overshoot where classes part
        if np.abs(step).max() < 1e-8:
            break
    return Logistic(tuple(float(w) for w in weights / scale))


def calibration_error(probabilities: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017): equal-width bins, weighted by their hits."""
    return float(sum(share * abs(said - was) for said, was, share in reliability(probabilities, right, bins)))


def reliability(
    probabilities: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], bins: int = 15
) -> list[tuple[float, float, float]]:
    """For each bin that is not empty: mean probability, share that was right, share of all."""
    number = np.minimum((np.asarray(probabilities) * bins).astype(int), bins - 1)
    filled = [number == b for b in range(bins) if (number == b).any()]
    return [(float(probabilities[b].mean()), float(right[b].mean()), float(b.mean())) for b in filled]


def auroc(positive: npt.NDArray[np.floating], negative: npt.NDArray[np.floating]) -> float:
    """How often a value of the first [n] lies above one of the second [m]; ties count half (Fawcett 2006)."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / 2 / len(negative))
