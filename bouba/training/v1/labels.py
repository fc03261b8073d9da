"""Which classes the classifier is sure of: their names teach the heads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bouba.training.v1.features import Floats


def likely_classes(logits: Floats, min_odds: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The first guess for each picture, and whether it is at least `min_odds` likely."""
    odds = softmax(logits)
    return odds.argmax(1), odds.max(1) >= min_odds


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)
