"""Several query vectors into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import QueryError

if TYPE_CHECKING:
    from bouba.types import Vectors


def weighted_mean(vectors: Vectors, weights: Sequence[float]) -> Vectors:
    """The unit vector [dim] along the weighted mean of unit vectors [n, dim].

    Weights are relative and may be negative ("less of this"). Raises QueryError where they are not finite,
    all zero, or cancel each other out."""
    w = np.asarray(weights, np.float64)
    if not np.isfinite(w).all() or not w.any():
        raise QueryError(f"The weights {list(weights)} say nothing: give finite numbers, at least one not zero.")
    mean = w @ vectors
    norm = float(np.linalg.norm(mean))
    if norm < 1e-6 * np.abs(w).max():
        raise QueryError(f"With the weights {list(weights)} the parts of the query cancel out: change a weight.")
    return np.asarray(mean / norm, np.float32)
