from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.ranking import fusion

WORDS = [("red", "reds"), ("shoe", "shoes"), ("unknown",)]


def test_rare_words_weigh_more_and_everyday_ones_nothing() -> None:
    weights = fusion.word_weights([0, 1, 10, 50, 51, 100], texts=100)
    assert (np.diff(weights) <= 0).all()
    assert weights[3] > 0
    assert weights[4:].tolist() == [0, 0]


def test_frequencies_count_forms_by_field() -> None:
    counts, lengths = fusion.frequencies([("red shoes", "shoe", "red"), ("", "", "")], WORDS)
    title, other, path = fusion.FIELD_WEIGHTS
    assert counts.tolist() == [[title + path, title + other, 0], [0, 0, 0]]
    assert lengths.tolist() == [4, 0]


def test_bm25_agrees_with_the_formula() -> None:
    counts, weights = np.array([[1.0, 2.0]]), np.array([3.0, 0.5])
    norm = 1.2 * (0.25 + 0.75 * 6 / 4)
    expected = 3.0 * 2.2 / (1 + norm) + 0.5 * 2 * 2.2 / (2 + norm)
    assert fusion.bm25(counts, np.array([6.0]), 4.0, weights) == pytest.approx([expected])


def test_coverage_is_of_the_words_that_the_gallery_knows() -> None:
    weights = np.array([2.0, 2.0, 9.0])
    assert fusion.coverage(np.array([4.0]), weights, [5, 5, 0]) == pytest.approx([1.0])
    assert fusion.coverage(np.array([0.0]), weights, [0, 0, 0]).tolist() == [0.0]


def test_whole_counts_unknown_words() -> None:
    counts = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert fusion.whole(counts, np.array([2.0, 2.0, 9.0])).tolist() == [False, False]
    assert fusion.whole(counts, np.array([2.0, 2.0, 0.0])).tolist() == [True, False]
    assert fusion.whole(counts, np.zeros(3)).tolist() == [False, False]


def test_words_that_say_nothing_of_the_pictures_count_nothing() -> None:
    rng = np.random.default_rng(0)
    covered = rng.random(200)
    assert fusion.agreement(covered, rng.standard_normal(200) - 0.1) == 0
    assert fusion.agreement(covered, rng.standard_normal(200) + 1.0) == 1
    assert fusion.agreement(np.zeros(3), np.ones(3)) == 0


def test_the_less_items_the_more_they_must_stand_out() -> None:
    agreed = [fusion.agreement(np.ones(n), np.full(n, 0.6)) for n in (1, 4, 16, 400)]
    assert agreed == sorted(agreed)
    assert agreed[0] == 0
    assert agreed[1] == pytest.approx((0.6 - 1 / 2) / fusion.AGREEMENT)
    assert agreed[-1] == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=9), st.floats(0, 1))
def test_evidence_never_lowers_and_a_whole_match_needs_no_agreement(
    rows: list[tuple[float, bool]], agreed: float
) -> None:
    covered, complete = np.array([c for c, _ in rows]), np.array([w for _, w in rows])
    lifts = fusion.evidence(covered, complete, agreed)
    assert (lifts >= 0).all()
    assert lifts[complete] == pytest.approx(fusion.STRENGTH * covered[complete])
    assert lifts[~complete] == pytest.approx(fusion.STRENGTH * covered[~complete] * agreed)
