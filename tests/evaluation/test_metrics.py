from __future__ import annotations

import numpy as np
import pytest

from bouba.evaluation.metrics import hit_rate_at_k, mean_average_precision, ranked_relevance

SCORES = np.array([[0.9, 0.5, 0.7, 0.1], [0.2, 0.8, 0.3, 0.4]])
RELEVANT = np.array([[False, True, True, False], [True, False, False, False]])


def test_items_are_ranked_by_score() -> None:
    shown = ranked_relevance(SCORES, RELEVANT)
    assert shown.tolist() == [[False, True, True, False], [False, False, False, True]]


@pytest.mark.parametrize(("k", "rate"), [(1, 0.0), (2, 0.5), (3, 0.5), (4, 1.0), (9, 1.0)])
def test_hit_rate(k: int, rate: float) -> None:
    assert hit_rate_at_k(SCORES, RELEVANT, k) == rate


def test_mean_average_precision() -> None:
    # First query: relevant at ranks 2 and 3, (1/2 + 2/3) / 2. Second: relevant at rank 4, 1/4.
    assert mean_average_precision(SCORES, RELEVANT) == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1 / 4) / 2)


def test_a_perfect_order_scores_one() -> None:
    assert mean_average_precision(RELEVANT.astype(float), RELEVANT) == 1.0


@pytest.mark.parametrize("place", [0, 1, 2])
def test_ties_go_against_the_system(place: int) -> None:
    relevant = np.arange(3)[None] == place
    alike = np.zeros((1, 3))
    assert hit_rate_at_k(alike, relevant, 2) == 0.0
    assert mean_average_precision(alike, relevant) == pytest.approx(1 / 3)


def test_a_query_without_relevant_items_is_refused_by_number() -> None:
    with pytest.raises(ValueError, match="query 1 has no relevant item"):
        mean_average_precision(SCORES, np.array([[True, False, False, False], [False] * 4]))


def test_unlike_shapes_and_nan_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4\) and relevant \(1, 4\)"):
        hit_rate_at_k(SCORES, RELEVANT[:1], 1)
    with pytest.raises(ValueError, match="NaN"):
        hit_rate_at_k(np.array([[np.nan, 1.0]]), np.array([[True, False]]), 1)
