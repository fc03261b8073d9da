"""Where the relevant items of every query stand: all that a retrieval metric needs to know of a score matrix.

Scores are taken a block of queries at a time and forgotten, so that 100,000 items x 500,000 queries fit a laptop.

Ties go against the system: among items of equal score irrelevant ones come before relevant ones, and among relevant
ones the lower grade comes first. A model that scores everything alike finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bouba.types import Vectors

Scores = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Grades = npt.NDArray[np.float32]

BLOCK_BYTES = 128 << 20  # one block of scores; larger blocks made the products no faster
CHUNK = 256  # items that share one maximum when the best are looked for
SORT_FROM = 32  # with as many relevant items one sort costs less than a pass over the scores for each


@dataclass(frozen=True, slots=True)
class Relevance:
    """Which items answer which query and how well: a sparse matrix [queries, width] in rows (CSR).

    Row q has `items[starts[q]:starts[q + 1]]`, ascending and distinct, and their `grades`, above 0; 1 is plain
    relevance. An item that is not listed is irrelevant.
    """

    starts: Ints  # [queries + 1]
    items: Ints  # [entries]
    grades: Grades  # [entries]
    width: int  # number of items

    @classmethod
    def of_lists(cls, rows: Sequence[Sequence[int]], items: int) -> Relevance:
        """Plain relevance from the relevant items of every query, in any order; `items` is how many items there are."""
        counts = np.fromiter(map(len, rows), np.int64, len(rows))
        listed = np.fromiter(chain.from_iterable(rows), np.int64, int(counts.sum()))
        query = np.repeat(np.arange(len(rows)), counts)
        return cls.of_entries(query, listed, np.ones(len(listed)), (len(rows), items))

    @classmethod
    def of_matrix(cls, dense: npt.NDArray[np.bool_] | npt.NDArray[np.number]) -> Relevance:
        """From grades (or booleans) [queries, items]; zero is irrelevant."""
        if dense.ndim != 2:
            raise ValueError(f"relevance {dense.shape} must be a [queries, items] matrix")
        query, item = np.nonzero(dense)
        return cls.of_entries(query, item, dense[query, item], (dense.shape[0], dense.shape[1]))

    @classmethod
    def of_entries(
        cls, query: npt.ArrayLike, item: npt.ArrayLike, grade: npt.ArrayLike, shape: tuple[int, int]
    ) -> Relevance:
        """From triples in any order, three arrays [entries], for a matrix of `shape` (queries, items).

        As in trec_eval a grade of 0 or less is irrelevant. An item listed twice counts once, with its highest grade.
        """
        queries, width = shape
        rows, columns, grades = np.asarray(query), np.asarray(item), np.asarray(grade, np.float32)
        _within(rows, columns, grades, shape)
        order = np.lexsort((-grades, columns, rows))
        order = order[grades[order] > 0]
        rows, columns, grades = rows[order], columns[order], grades[order]
        first = np.ones(len(rows), np.bool_)
        first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
        counts = np.bincount(rows[first], minlength=queries)
        return cls(_starts(counts), columns[first].astype(np.int64), grades[first], width)

    def transposed(self) -> Relevance:
        """The same pairs asked the other way round: [width, queries]."""
        return Relevance.of_entries(self.items, self.owners(), self.grades, (self.width, self.queries))

    @property
    def queries(self) -> int:
        return len(self.starts) - 1

    def counts(self) -> Ints:
        """How many relevant items every query has [queries]."""
        return np.diff(self.starts)

    def owners(self) -> Ints:
        """The query of every entry [entries]."""
        return np.repeat(np.arange(self.queries), self.counts())

    def answerable(self) -> npt.NDArray[np.bool_]:
        """Which queries have anything relevant [queries]; the metrics are not defined for the others."""
        return self.counts() > 0


@dataclass(frozen=True, slots=True)
class Ranks:
    """The answers to every query, as far as metrics and reports look at them.

    Entries lie in rows as those of `relevance` do, `relevance.starts` cuts both; within a row they are in the order
    shown, which is not that of `relevance.items`.
    """

    relevance: Relevance
    ranks: Ints  # [entries], from 1, ascending within a query
    grades: Grades  # [entries], of the item at that rank
    top: Ints  # [queries, k] the best items, best first; for showing, so here ties go by lower index
    top_scores: Grades  # [queries, k]
    item_count: int


def rank_scores(scores: Scores, relevance: Relevance, top: int = 10) -> Ranks:
    """Ranks from a score matrix [queries, items] in memory, higher is better; minus infinity is allowed.

    Raises ValueError for unlike shapes and for NaN, which has no order.
    """
    if scores.shape != (relevance.queries, relevance.width):
        raise ValueError(f"scores {scores.shape} and relevance {(relevance.queries, relevance.width)} differ in shape")
    ranks = _empty(relevance, top)
    _fill(ranks, np.asarray(scores, np.result_type(scores, np.float32)), 0)
    return ranks


def rank_vectors(
    queries: Vectors,
    items: Vectors,
    relevance: Relevance,
    top: int = 10,
    progress: Callable[[int], object] | None = None,
) -> Ranks:
    """Ranks by dot product of float32 vectors [queries, dim] and [items, dim].

    `progress` is called with the number of queries done since the last call, as `tqdm.update` wants it. Equal vectors
    may differ in the last bit of their scores, as products in BLAS do. Raises ValueError for unlike shapes and NaN.
    """
    _comparable(queries, items, relevance)
    ranks = _empty(relevance, top)
    items = np.asarray(items, np.float32)
    block = block_length(len(items))
    buffer = np.empty((min(block, len(queries)), len(items)), np.float32)
    for start in range(0, len(queries), block):
        asked = np.asarray(queries[start : start + block], np.float32)
        _fill(ranks, np.matmul(asked, items.T, out=buffer[: len(asked)]), start)
        if progress is not None:
            progress(len(asked))
    return ranks


def block_length(items: int) -> int:
    """How many queries are scored at a time against so many items."""
    return max(1, BLOCK_BYTES // (4 * max(1, items)))


def _starts(counts: npt.NDArray[np.integer]) -> Ints:
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))


def _within(rows: Ints, columns: Ints, grades: Grades, shape: tuple[int, int]) -> None:
    if not rows.shape == columns.shape == grades.shape == (rows.size,):
        raise ValueError(f"queries {rows.shape}, items {columns.shape} and grades {grades.shape} must be of one length")
    outside = (rows < 0) | (rows >= shape[0]) | (columns < 0) | (columns >= shape[1])
    if outside.any():
        at = int(np.argmax(outside))
        raise ValueError(f"query {rows[at]} lists item {columns[at]}: there are {shape[0]} queries, {shape[1]} items")
    if np.isnan(grades).any():
        at = int(np.argmax(np.isnan(grades)))
        raise ValueError(f"the grade of item {columns[at]} for query {rows[at]} is NaN")


def _comparable(queries: Vectors, items: Vectors, relevance: Relevance) -> None:
    if queries.ndim != 2 or items.ndim != 2 or queries.shape[1] != items.shape[1]:
        raise ValueError(f"queries {queries.shape} and items {items.shape} must be [n, dim] matrices of one dim")
    if (len(queries), len(items)) != (relevance.queries, relevance.width):
        raise ValueError(
            f"{len(queries)} queries x {len(items)} items, "
            f"but relevance is of {relevance.queries} queries x {relevance.width} items"
        )
    for kind, vectors in (("query", queries), ("item", items)):
        spoilt = np.isnan(vectors.sum(axis=1))  # a sum needs no copy; it is NaN where any number is
        if spoilt.any():
            raise ValueError(f"the vector of {kind} {int(np.argmax(spoilt))} contains NaN: its scores have no order")


def _empty(relevance: Relevance, top: int) -> Ranks:
    if top < 0:
        raise ValueError(f"top is {top}: it counts items and starts at 0")
    entries, shown = len(relevance.items), (relevance.queries, min(top, relevance.width))
    return Ranks(
        relevance=relevance,
        ranks=np.empty(entries, np.int64),
        grades=np.empty(entries, np.float32),
        top=np.empty(shown, np.int64),
        top_scores=np.empty(shown, np.float32),
        item_count=relevance.width,
    )


def _fill(ranks: Ranks, scores: Scores, start: int) -> None:
    """Write the rows of one block of scores [block, items], the first of which is query `start`."""
    floors = _floors(scores, ranks.top.shape[1], start)
    starts = ranks.relevance.starts[start : start + len(scores) + 1].tolist()
    for row, (line, floor) in enumerate(zip(scores, floors, strict=True)):
        entries = slice(starts[row], starts[row + 1])
        if entries.start < entries.stop:
            _fill_row(ranks, line, entries)
        best = _best(line, floor, ranks.top.shape[1])
        ranks.top[start + row] = best
        ranks.top_scores[start + row] = line[best]


def _fill_row(ranks: Ranks, line: Scores, entries: slice) -> None:
    scores, grades = line[ranks.relevance.items[entries]], ranks.relevance.grades[entries]
    order = np.lexsort((grades, -scores))
    scores, places = scores[order], np.arange(len(order))
    not_below = _counts_not_below(line, scores)
    relevant_not_below = np.searchsorted(-scores, -scores, side="right")
    ranks.ranks[entries] = not_below - relevant_not_below + places + 1
    ranks.grades[entries] = grades[order]


def _counts_not_below(line: Scores, scores: Scores) -> Ints:
    """For every one of `scores`, how many of the line are as high or higher."""
    if len(scores) >= SORT_FROM:
        return np.asarray(len(line) - np.searchsorted(np.sort(line), scores, side="left"), np.int64)
    return np.array([np.count_nonzero(line >= score) for score in scores], np.int64)


def _floors(scores: Scores, k: int, start: int) -> Scores:
    """A score for every row that its k best items reach or pass, and few others [block].

    The k-th largest of the maxima of chunks is such a score: one pass, where selecting from every row takes many.
    Maxima keep NaN, so that looking for it needs no pass of its own.
    """
    rows, width = scores.shape
    whole = width - width % CHUNK
    chunked = scores[:, :whole].reshape(rows, whole // CHUNK, CHUNK).max(axis=2)
    maxima = np.concatenate((chunked, scores[:, whole:]), axis=1)
    spoilt = np.isnan(maxima).any(axis=1)
    if spoilt.any():
        raise ValueError(f"the scores of query {start + int(np.argmax(spoilt))} contain NaN: they have no order")
    if not 0 < k <= maxima.shape[1]:
        return np.full(rows, -np.inf, scores.dtype)
    return np.partition(maxima, maxima.shape[1] - k, axis=1)[:, maxima.shape[1] - k]


def _best(line: Scores, floor: np.floating, k: int) -> Ints:
    """The k best items, best first, ties by lower index."""
    candidates = np.flatnonzero(line >= floor)
    return candidates[np.argsort(-line[candidates], kind="stable")[:k]]
