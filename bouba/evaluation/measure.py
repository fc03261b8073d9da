"""From ranks to what a report shows: figures with intervals, the hit curve, single queries, hubs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bouba.evaluation.metrics import METRICS, first_rank, hit_rate_at_k, statistic_of
from bouba.evaluation.ranks import Ranks, Relevance
from bouba.evaluation.results import Direction, Example, Hub, Interval, Shown, Slice
from bouba.evaluation.uncertainty import bootstrap_interval

if TYPE_CHECKING:
    PerQuery = npt.NDArray[np.float64]
    Groups = npt.NDArray[np.int64] | None

SLICE_METRICS = ("hit_rate@1", "hit_rate@10", "mAP")
COMPARED = ("hit_rate@1", "hit_rate@10", "mAP")
CURVE_KS = (1, 2, 3, 5, 10, 20, 50, 100)
EXAMPLES = 6
HUBS = 8
TOP = 10


def graded(
    relevant: Sequence[Sequence[int]], grades: Sequence[Sequence[float]], rows: Sequence[int], items: int
) -> Relevance:
    """Relevance of some of the queries, with its grades."""
    query = [n for n, row in enumerate(rows) for _ in relevant[row]]
    item = [image for row in rows for image in relevant[row]]
    grade = [grade for row in rows for grade in grades[row]]
    return Relevance.of_entries(query, item, grade, (len(rows), items))


def measured(
    name: str, ranks: Ranks, queries: Sequence[str], items: Sequence[str], groups: Groups, seed: int
) -> Direction:
    """A direction's figures and examples; queries and items are the paths of pictures, or texts."""
    first = first_rank(ranks)
    order = np.argsort(first, kind="stable")
    return Direction(
        name=name,
        queries=len(queries),
        items=len(items),
        metrics=figures(ranks, tuple(METRICS), groups, seed),
        hit_curve=tuple((k, float(hit_rate_at_k(ranks, k).mean())) for k in CURVE_KS if k <= len(items)),
        best=tuple(_example(ranks, int(row), queries, items, first) for row in order[:EXAMPLES]),
        worst=tuple(_example(ranks, int(row), queries, items, first) for row in order[::-1][:EXAMPLES]),
        hubs=_hubs(ranks, items),
    )


def figures(ranks: Ranks, names: Sequence[str], groups: Groups, seed: int) -> dict[str, Interval]:
    return {
        name: bootstrap_interval(METRICS[name](ranks), statistic=statistic_of(name), groups=groups, seed=seed)
        for name in names
    }


def sliced(name: str, group: str, about: str, ranks: Ranks, seed: int, groups: Groups = None) -> Slice:
    return Slice(name, group, about, ranks.relevance.queries, figures(ranks, SLICE_METRICS, groups, seed))


def _example(ranks: Ranks, row: int, queries: Sequence[str], items: Sequence[str], first: PerQuery) -> Example:
    start, end = ranks.relevance.starts[row : row + 2]
    relevant = set(ranks.relevance.items[start:end].tolist())
    shown = tuple(
        Shown(items[item], float(score), int(item) in relevant)
        for item, score in zip(ranks.top[row, :5], ranks.top_scores[row, :5], strict=True)
    )
    return Example(queries[row], int(first[row]), items[min(relevant)], shown)


def _hubs(ranks: Ranks, items: Sequence[str]) -> tuple[Hub, ...]:
    """Items that are among the first ten of far more queries than their share (Radovanovic et al. 2010)."""
    answers = ranks.top[ranks.top_scores.any(axis=1)]  # a query that says nothing scores 0 everywhere
    counts = np.bincount(answers.ravel(), minlength=len(items))
    expected = answers.size / len(items)
    order = np.argsort(-counts, kind="stable")[:HUBS]
    return tuple(Hub(items[int(n)], int(counts[n]), expected) for n in order if counts[n] > 2 * expected)


def spread(count: int, most: int) -> list[int]:
    """At most `most` row numbers, evenly spaced."""
    return list(range(count)) if count <= most else [int(n) for n in np.linspace(0, count - 1, most).round()]
