"""Whether what reviewers say still fits the probabilities: a test that may be looked at after every review.

A bet is made before each answer that it will be overturned more often than the probability says, and another that it
will be less often. Where the probabilities hold, nobody grows rich by betting against them: a fortune of x times the
stake comes up with probability 1/x at any time (Ville 1939). (Shafer, Testing by Betting, 2021; Waudby-Smith and
Ramdas, Estimating Means of Bounded Random Variables by Betting, 2023, whose mixture over stakes is used.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TOLERATED = 0.05  # by how far the overturned share may lie from what was expected without being called drift
LEVEL = 0.05  # how often drift may be called where there is none, over however many reviews
STAKES = (0.1, 0.2, 0.4, 0.8)  # of the fortune, at each answer
LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Drift:
    """After some reviews of one rule."""

    reviewed: int = 0
    overturned: int = 0
    expected: float = 0.0  # overturned, by the probabilities
    evidence: float = 1.0  # the fortune; drift is called from 2 / LEVEL on

    @property
    def found(self) -> bool:
        return self.evidence >= 2 / LEVEL

    @property
    def message(self) -> str:
        """What to do about it; empty where there is none."""
        if not self.found:
            return ""
        more = "more" if self.overturned > self.expected else "fewer"
        return (
            f"{self.overturned} of {self.reviewed} decisions were overturned, {more} than the {self.expected:.0f} that "
            "the probabilities said. Calibrate again with labels of a fresh sample, or change the rule."
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "reviewed": self.reviewed, "overturned": self.overturned, "expected": round(self.expected, 1),
            "evidence": float(f"{min(self.evidence, 1e12):.3g}"), "found": self.found, "message": self.message,
        }  # fmt: skip


def drift(probabilities: Sequence[float], overturned: Sequence[bool]) -> Drift:
    """Of reviews [n] in their order: the probability that each picture broke the rule, and whether the reviewer said
    that it does not."""
    if not len(probabilities):
        return Drift()
    wrong = np.asarray(overturned, np.float64)
    expected = 1 - np.asarray(probabilities, np.float64)
    evidence = max(_fortune(wrong - expected), _fortune(expected - wrong))
    return Drift(len(wrong), int(wrong.sum()), float(expected.sum()), evidence)


def _fortune(excess: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Of the mixture of stakes, at its highest: whoever wins may stop."""
    grown = np.log1p(np.maximum(np.outer(STAKES, excess - TOLERATED), LEAST - 1)).cumsum(axis=1)
    return float(np.exp(np.minimum(grown, 600)).mean(axis=0).max(initial=1.0))
