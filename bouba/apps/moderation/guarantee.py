"""Thresholds with a promise about errors that holds for any model and any distribution of pictures, as long as the
labelled ones are a random sample of those to come.

*With a confidence*: the threshold is tested, value after value in a fixed order, against "the error rate is above what
was promised", by exact binomial p-values, and the last one that passed is taken. Errors only grow along that order, so
no correction for the number of tests is due. (Learn then Test: Angelopoulos, Bates, Candès, Jordan and Lei, 2021,
fixed sequence testing; the bound is that of Clopper and Pearson, 1934.) Over many samples the promise is broken in at
most a share 1 - confidence of them.

*On average*: conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, 2022), here of an indicator: the
mean error rate over many samples is at most what was promised. It needs fewer labels and says nothing of one sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SLACK = 1e-9  # of shares that are equal but for the last digit


@dataclass(frozen=True, slots=True)
class Bound:
    """A threshold on scores, and what is known of the errors that it makes."""

    rate: float  # promised
    confidence: float | None
    threshold: float | None  # None: these labels cannot promise it
    labels: int  # of the kind that counts: pictures that break the rule, or that are fine
    needed: int  # of these, at the least
    errors: int = 0  # among the labels, at the threshold

    def to_dict(self) -> dict[str, Any]:
        return {
            "promised": self.rate, "confidence": self.confidence, "possible": self.threshold is not None,
            "labels": self.labels, "needed": self.needed, "errors": self.errors,
        }  # fmt: skip


def allowed_errors(labels: int, rate: float, confidence: float | None) -> int:
    """The most errors among so many labels with which an error rate of at most `rate` can be promised; -1 where none
    is few enough."""
    if confidence is None:
        return math.floor((labels + 1) * rate + SLACK) - 1
    most, tail = -1, 0.0
    for errors in range(labels + 1):
        tail += math.exp(_log_binomial(labels, errors, rate))
        if tail > 1 - confidence:
            break
        most = errors
    return most


def labels_needed(rate: float, confidence: float | None) -> int:
    """The fewest labels with which a rate can be promised: there must be no error among them."""
    if confidence is None:
        return math.ceil(1 / rate - SLACK) - 1
    return math.ceil(math.log(1 - confidence) / math.log1p(-rate) - SLACK)


def miss_bound(scores: Floats, rate: float, confidence: float | None) -> Bound:
    """The highest threshold at which at most a share `rate` of pictures like these, which break the rule, score below.

    `scores` [n] are those of a random sample of them."""
    allowed = allowed_errors(len(scores), rate, confidence)
    needed = labels_needed(rate, confidence)
    if allowed < 0:
        return Bound(rate, confidence, None, len(scores), needed)
    # With everything flagged nothing is missed: from there the threshold rises for as long as the tests pass.
    threshold = float(np.sort(scores)[allowed])
    missed = int((scores < threshold).sum())
    return Bound(rate, confidence, threshold, len(scores), needed, missed)


def false_alarm_bound(scores: Floats, rate: float, confidence: float | None) -> Bound:
    """The lowest threshold at which at most a share `rate` of pictures like these, which are fine, score as high.

    `scores` [n] are those of a random sample of them."""
    mirrored = miss_bound(-scores, rate, confidence)
    if mirrored.threshold is None:
        return mirrored
    threshold = float(np.nextafter(-mirrored.threshold, math.inf))
    return Bound(rate, confidence, threshold, len(scores), mirrored.needed, int((scores >= threshold).sum()))


def upper_limit(errors: int, labels: int, confidence: float) -> float:
    """The highest error rate that so many errors are compatible with (Clopper and Pearson, one-sided)."""
    if not labels or errors >= labels:
        return 1.0
    low, high = errors / labels, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _binomial_tail(labels, errors, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _binomial_tail(labels: int, errors: int, rate: float) -> float:
    """P(at most `errors` of `labels`)."""
    return math.fsum(math.exp(_log_binomial(labels, each, rate)) for each in range(errors + 1))


def _log_binomial(labels: int, errors: int, rate: float) -> float:
    ways = math.lgamma(labels + 1) - math.lgamma(errors + 1) - math.lgamma(labels - errors + 1)
    if rate <= 0 or rate >= 1:
        return 0.0 if errors == (labels if rate >= 1 else 0) else -math.inf
    return ways + errors * math.log(rate) + (labels - errors) * math.log1p(-rate)
