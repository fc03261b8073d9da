from __future__ import annotations

import numpy as np
import pytest

from bouba.evaluation import ranks as module
from bouba.evaluation.ranks import Ranks, Relevance, rank_scores, rank_vectors


def ranked_slowly(scores: np.ndarray, grades: np.ndarray) -> list[list[int]]:
    """Ranks of the relevant items of every query, by sorting everything; the tie rule in one key."""
    found = []
    for line, graded in zip(scores, grades, strict=True):
        order = sorted(range(len(line)), key=lambda item: (-line[item], graded[item]))
        found.append([rank for rank, item in enumerate(order, 1) if graded[item] > 0])
    return found


def rows(ranks: Ranks) -> list[list[int]]:
    return [part.tolist() for part in np.split(ranks.ranks, ranks.relevance.starts[1:-1])]


def test_relevance_is_the_same_from_lists_a_matrix_and_entries() -> None:
    dense = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]])
    lists = Relevance.of_lists([[3, 1, 3], [], [0]], items=4)
    entries = Relevance.of_entries([2, 0, 0], [0, 3, 1], [1, 1, 1], (3, 4))
    for relevance in (lists, Relevance.of_matrix(dense), entries):
        assert relevance.starts.tolist() == [0, 2, 2, 3]
        assert relevance.items.tolist() == [1, 3, 0]
        assert relevance.grades.tolist() == [1, 1, 1]
        assert (relevance.queries, relevance.width) == (3, 4)
        assert relevance.answerable().tolist() == [True, False, True]


def test_of_entries_keeps_the_highest_grade_and_drops_what_is_judged_irrelevant() -> None:
    relevance = Relevance.of_entries([0, 0, 0, 0], [2, 2, 1, 0], [1, 3, 0, -2], (1, 3))
    assert (relevance.items.tolist(), relevance.grades.tolist()) == ([2], [3])


def test_transposed_is_the_transposed_matrix() -> None:
    dense = np.random.default_rng(0).integers(0, 3, (5, 7))
    there, expected = Relevance.of_matrix(dense).transposed(), Relevance.of_matrix(dense.T)
    for name in ("starts", "items", "grades", "width"):
        assert np.array_equal(getattr(there, name), getattr(expected, name)), name


def test_relevance_refuses_what_is_outside_or_nan() -> None:
    with pytest.raises(ValueError, match="query 1 lists item 4: there are 2 queries, 4 items"):
        Relevance.of_lists([[0], [4]], items=4)
    with pytest.raises(ValueError, match="grade of item 2 for query 0 is NaN"):
        Relevance.of_entries([0], [2], [np.nan], (1, 4))
    with pytest.raises(ValueError, match="must be of one length"):
        Relevance.of_entries([0, 1], [2], [1], (2, 4))


def test_ties_go_against_the_system() -> None:
    # Item 0 leads. Items 1 to 4 tie: the irrelevant 2 and 4 come first, then grade 1, then grade 3.
    ranks = rank_scores(np.array([[0.9, 0.5, 0.5, 0.5, 0.5]]), Relevance.of_matrix(np.array([[0, 3, 0, 1, 0]])))
    assert ranks.ranks.tolist() == [4, 5]
    assert ranks.grades.tolist() == [1, 3]
    assert ranks.top[0].tolist() == [0, 1, 2, 3, 4]  # for showing: by lower index


@pytest.mark.parametrize(("seed", "width"), list(enumerate([1, 9, 256, 512, 513, 700, 2569, 3000])))
def test_ranks_and_top_are_those_of_a_full_sort(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, [5, 10_000][seed % 2], (20, width)).astype(np.float32)  # with many ties, with few
    scores[0] = -np.inf
    grades = rng.integers(1, 4, (20, width)) * (rng.random((20, width)) < rng.random((20, 1)) ** 3)
    ranks = rank_scores(scores, Relevance.of_matrix(grades))
    assert rows(ranks) == ranked_slowly(scores, grades)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    assert np.array_equal(ranks.top, best)
    assert np.array_equal(ranks.top_scores, np.take_along_axis(scores, best, axis=1))


@pytest.mark.parametrize("seed", range(8))
def test_blocks_give_what_the_whole_matrix_gives(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    count, width, dim = (int(n) for n in rng.integers(1, [60, 700, 9]))
    # Small whole numbers: their products are exact however BLAS adds them up, so that ties are ties in both.
    queries, items = (rng.integers(-3, 4, (n, dim)).astype(np.float32) for n in (count, width))
    relevance = Relevance.of_matrix(rng.random((count, width)) < 0.1)
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * width * 7)
    done: list[int] = []
    blocked = rank_vectors(queries, items, relevance, top=5, progress=done.append)
    whole = rank_scores(queries @ items.T, relevance, top=5)
    for name in ("ranks", "grades", "top", "top_scores", "item_count"):
        assert np.array_equal(getattr(blocked, name), getattr(whole, name)), name
    assert sum(done) == count
    assert max(done) <= 7


def test_a_block_of_scores_keeps_to_its_budget() -> None:
    assert module.block_length(100_000) * 100_000 * 4 <= module.BLOCK_BYTES
    assert module.block_length(10**12) == 1
    assert module.block_length(0) >= 1


def test_top_is_cut_to_the_items_there_are() -> None:
    one = Relevance.of_lists([[1]], items=2)
    assert rank_scores(np.array([[1.0, 2.0]]), one).top.tolist() == [[1, 0]]
    assert rank_scores(np.array([[1.0, 2.0]]), one, top=0).top.shape == (1, 0)
    with pytest.raises(ValueError, match="top is -1"):
        rank_scores(np.array([[1.0, 2.0]]), one, top=-1)


def test_nan_is_refused_with_the_query_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    relevance = Relevance.of_lists([[0]] * 5, items=300)
    scores = np.zeros((5, 300))
    scores[3, 299] = np.nan
    with pytest.raises(ValueError, match="scores of query 3 contain NaN"):
        rank_scores(scores, relevance)
    queries, items = np.ones((5, 2), np.float32), np.ones((300, 2), np.float32)
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 300 * 2)
    queries[4, 1] = np.nan
    with pytest.raises(ValueError, match="vector of query 4 contains NaN"):
        rank_vectors(queries, items, relevance)
    queries[4], items[7] = (np.inf, 1), (0, 1)  # no NaN until they are multiplied
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="scores of query 4 contain NaN"):
        rank_vectors(queries, items, relevance)
    items[8, 0] = np.nan
    with pytest.raises(ValueError, match="vector of item 8 contains NaN"):
        rank_vectors(np.ones_like(queries), items, relevance)


def test_unlike_shapes_are_refused() -> None:
    relevance = Relevance.of_lists([[0], [1]], items=3)
    with pytest.raises(ValueError, match=r"scores \(2, 4\) and relevance \(2, 3\)"):
        rank_scores(np.zeros((2, 4)), relevance)
    with pytest.raises(ValueError, match="of one dim"):
        rank_vectors(np.zeros((2, 4), np.float32), np.zeros((3, 5), np.float32), relevance)
    with pytest.raises(ValueError, match="2 queries x 4 items, but relevance is of 2 queries x 3 items"):
        rank_vectors(np.zeros((2, 4), np.float32), np.zeros((4, 4), np.float32), relevance)
