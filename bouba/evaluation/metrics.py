"""Retrieval metrics: from the ranks of the relevant items to one figure for every query.

Every metric is a pure function `Ranks -> float64 [queries]`; what is reported is the mean over queries, for
`median_rank` the median. One figure a query is what intervals and paired tests work on (`uncertainty.py`).
All but `first_rank` lie in [0, 1], higher is better. A query with nothing relevant raises ValueError.

They agree with trec_eval, where it has them, to the last digit; ties are settled in `ranks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from bouba.evaluation.ranks import Ranks

Values = npt.NDArray[np.float64]
Statistic = Literal["mean", "median"]


def hit_rate_at_k(ranks: Ranks, k: int) -> Values:
    """1 where any relevant item is among the first k, else 0: what CLIP papers call recall@k."""
    return np.asarray(first_rank(ranks) <= _counted(k), np.float64)


def recall_at_k(ranks: Ranks, k: int) -> Values:
    """Share of the query's relevant items that are among the first k. With one relevant item it is the hit rate."""
    return _per_query(ranks, ranks.ranks <= _counted(k)) / ranks.relevance.counts()


def precision_at_k(ranks: Ranks, k: int) -> Values:
    """Share of the first k that is relevant; the divisor is k even where there are fewer items."""
    return _per_query(ranks, ranks.ranks <= _counted(k)) / k


def average_precision(ranks: Ranks) -> Values:
    """Mean of the precision at the rank of each relevant item; mAP is its mean over queries."""
    return _per_query(ranks, _precisions(ranks)) / ranks.relevance.counts()


def average_precision_at_k(ranks: Ranks, k: int) -> Values:
    """Average precision over the first k, divided by min(R, k): a perfect order scores 1 however many are relevant.

    R is the number of relevant items. trec_eval's `map_cut` divides by R instead.
    """
    seen = _precisions(ranks) * (ranks.ranks <= _counted(k))
    return _per_query(ranks, seen) / np.minimum(ranks.relevance.counts(), k)


def average_precision_at_r(ranks: Ranks) -> Values:
    """Average precision over the first R, divided by R, for R relevant items: mAP@R.

    Musgrave et al., A Metric Learning Reality Check, 2020; Chun et al., ECCV Caption, 2022.
    """
    counts = ranks.relevance.counts()
    return _per_query(ranks, _precisions(ranks) * (ranks.ranks <= _spread(ranks, counts))) / counts


def r_precision(ranks: Ranks) -> Values:
    """Share of the first R that is relevant, for R relevant items."""
    counts = ranks.relevance.counts()
    return _per_query(ranks, ranks.ranks <= _spread(ranks, counts)) / counts


def ndcg_at_k(ranks: Ranks, k: int) -> Values:
    """Discounted gain of the first k over that of the best order: sum of grade / log2(1 + rank).

    The gain is the grade itself (Järvelin and Kekäläinen 2002, as in trec_eval), not 2^grade - 1.
    """
    ideal = ranks.grades[np.lexsort((-ranks.grades, ranks.relevance.owners()))]
    return _discounted(ranks, ranks.grades, ranks.ranks, k) / _discounted(ranks, ideal, _places(ranks), k)


def reciprocal_rank(ranks: Ranks) -> Values:
    """1 / rank of the first relevant item; MRR is its mean over queries."""
    return 1.0 / first_rank(ranks)


def first_rank(ranks: Ranks) -> Values:
    """Rank of the first relevant item, from 1; the median rank is its median over queries."""
    _answerable(ranks)
    return ranks.ranks[ranks.relevance.starts[:-1]].astype(np.float64)


METRICS: Mapping[str, Callable[[Ranks], Values]] = {
    "hit_rate@1": partial(hit_rate_at_k, k=1),
    "hit_rate@5": partial(hit_rate_at_k, k=5),
    "hit_rate@10": partial(hit_rate_at_k, k=10),
    "recall@10": partial(recall_at_k, k=10),
    "precision@10": partial(precision_at_k, k=10),
    "mAP": average_precision,
    "mAP@10": partial(average_precision_at_k, k=10),
    "mAP@R": average_precision_at_r,
    "R-precision": r_precision,
    "nDCG@10": partial(ndcg_at_k, k=10),
    "MRR": reciprocal_rank,
    "median_rank": first_rank,
}


def statistic_of(name: str) -> Statistic:
    """How the figures of the queries become the one that is reported under this name."""
    return "median" if name == "median_rank" else "mean"


def summary(ranks: Ranks, names: Iterable[str] = tuple(METRICS)) -> dict[str, float]:
    """The reported figures. Raises ValueError where there are no queries or a name is not in METRICS."""
    names = tuple(names)
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"no metric is called {unknown[0]!r}; there are {', '.join(METRICS)}")
    if not ranks.relevance.queries:
        raise ValueError("there are no queries to take a mean over")
    return {name: aggregate(METRICS[name](ranks), statistic_of(name)) for name in names}


def aggregate(values: Values, statistic: Statistic) -> float:
    return float(np.median(values) if statistic == "median" else np.mean(values))


def _counted(k: int) -> int:
    if k < 1:
        raise ValueError(f"k is {k}: it counts items and starts at 1")
    return k


def _answerable(ranks: Ranks) -> None:
    answerable = ranks.relevance.answerable()
    if not answerable.all():
        raise ValueError(
            f"query {int(np.argmin(answerable))} has no relevant item: leave it out, its score is undefined"
        )


def _per_query(ranks: Ranks, entries: npt.NDArray[np.bool_] | Values) -> Values:
    """Sums [queries] of a figure for every entry."""
    _answerable(ranks)  # reduceat also needs it: it does not know of empty rows
    return np.add.reduceat(entries.astype(np.float64), ranks.relevance.starts[:-1])


def _spread(ranks: Ranks, per_query: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.repeat(per_query, ranks.relevance.counts())


def _places(ranks: Ranks) -> npt.NDArray[np.int64]:
    """1, 2, 3, ... within every query: how many relevant items have come by then."""
    return np.arange(1, len(ranks.ranks) + 1) - _spread(ranks, ranks.relevance.starts[:-1])


def _precisions(ranks: Ranks) -> Values:
    return _places(ranks) / ranks.ranks


def _discounted(ranks: Ranks, gains: npt.NDArray[np.float32], places: npt.NDArray[np.int64], k: int) -> Values:
    seen = gains * (places <= _counted(k))
    return _per_query(ranks, seen / np.log2(1.0 + places))
