"""Retrieval metrics on plain matrices.

`scores` float [queries, items], higher is better; `relevant` bool of the same shape. Ties go against the system: among
items of equal score the irrelevant ones come first, so a model that scores everything alike finds nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.floating]
Relevant = npt.NDArray[np.bool_]


def ranked_relevance(scores: Scores, relevant: Relevant) -> Relevant:
    """Each query's relevance in the order in which it is shown the items, best first."""
    if scores.shape != relevant.shape or scores.ndim != 2:
        raise ValueError(f"scores {scores.shape} and relevant {relevant.shape} must be one [queries, items] shape")
    if np.isnan(scores).any():
        raise ValueError("scores contain NaN: they have no order")
    order = np.lexsort((relevant, -scores), axis=-1)
    return np.take_along_axis(relevant, order, axis=-1)


def hit_rate_at_k(scores: Scores, relevant: Relevant, k: int) -> float:
    """Share of queries with a relevant item among the first k: what CLIP papers call recall@k."""
    return float(ranked_relevance(scores, relevant)[:, :k].any(axis=1).mean())


def mean_average_precision(scores: Scores, relevant: Relevant) -> float:
    """Mean over queries of the precision at the rank of each of its relevant items.

    Raises ValueError for a query with nothing relevant: its average precision is undefined.
    """
    shown = ranked_relevance(scores, relevant)
    if not shown.any(axis=1).all():
        raise ValueError(f"query {int(np.argmin(shown.any(axis=1)))} has no relevant item")
    precision = np.cumsum(shown, axis=1) / np.arange(1, shown.shape[1] + 1)
    return float(((precision * shown).sum(axis=1) / shown.sum(axis=1)).mean())
