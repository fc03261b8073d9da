from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bouba.errors import QueryError
from bouba.ranking.logic import Shape, all_of, any_of, complement, log_probability, match, presence, ruled_out

P = np.array([0.1, 0.5, 0.9])
Q = np.array([0.2, 0.5, 0.999])
probabilities = arrays(np.float64, (3, 4), elements=st.floats(0.001, 0.999))


def test_independent_events() -> None:
    both = np.log(np.stack([P, Q]))
    np.testing.assert_allclose(np.exp(all_of(both)), P * Q)
    np.testing.assert_allclose(np.exp(any_of(both)), 1 - (1 - P) * (1 - Q))
    np.testing.assert_allclose(np.exp(complement(np.log(P))), 1 - P)


@given(probabilities)
def test_laws(p: np.ndarray) -> None:
    logs = np.log(p)
    assert (all_of(logs) <= logs.min(axis=0) + 1e-9).all()
    assert (any_of(logs) >= logs.max(axis=0) - 1e-9).all()
    np.testing.assert_allclose(any_of(logs), complement(all_of(complement(logs))), atol=1e-9)  # De Morgan
    np.testing.assert_allclose(complement(complement(logs)), logs, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(all_of(logs[::-1]), all_of(logs))


def test_the_ends_stay_finite_and_in_order() -> None:
    logs = log_probability(np.array([-800.0, -40.0, 0.0, 40.0, 800.0]))
    for values in (complement(logs), ruled_out(logs)):
        assert np.isfinite(values).all()
        assert (np.diff(values) <= 0).all()
        assert values[0] > values[2] > values[3]


def test_what_is_ruled_out_counts_more_than_its_complement() -> None:
    logs = np.log(P)
    assert (ruled_out(logs) < complement(logs)).all()
    assert (np.diff(ruled_out(logs)) < 0).all()


def test_weights_are_powers() -> None:
    both = np.log(np.stack([P, Q]))
    np.testing.assert_allclose(np.exp(all_of(both, (2.0, 1.0))), P**2 * Q)
    np.testing.assert_allclose(np.exp(any_of(both, (2.0, 1.0))), 1 - (1 - P) ** 2 * (1 - Q))
    assert (any_of(both, (1.0, 1.0)) == any_of(both)).all()


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 0.0), (1.0, -1.0), (1.0, float("nan"))])
def test_weights_that_do_not_fit(weights: tuple[float, ...]) -> None:
    with pytest.raises(QueryError, match="2 parts"):
        all_of(np.log(np.stack([P, Q])), weights)


def test_scores_on_one_scale_whatever_their_units() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=500)
    other = 0.3 + 0.02 * scores
    np.testing.assert_allclose(match(scores, Shape.of(scores)), match(other, Shape.of(other)))
    np.testing.assert_allclose(
        presence(scores, Shape.of(scores), Shape.of(scores[:100])),
        presence(other, Shape.of(other), Shape.of(other[:100])),
    )
    assert (np.diff(presence(np.sort(scores), Shape.of(scores), Shape.of(scores))) > 0).all()


def test_what_many_pictures_show_is_wanted_no_less() -> None:
    rng = np.random.default_rng(0)
    rare, common = rng.normal(size=1000), rng.normal(size=1000)
    rare[:10] += 6
    common[:300] += 2
    best = [np.sort(match(scores, Shape.of(scores)))[-10:].mean() for scores in (rare, common)]
    z = [np.sort((scores - scores.mean()) / scores.std())[-10:].mean() for scores in (rare, common)]
    assert abs(best[0] - best[1]) < 0.6 * 1.5 * (z[0] - z[1])


def test_presence_rises_with_how_many_show_it() -> None:
    """A gallery that scores above pictures of all kinds is full of it."""
    scores = np.random.default_rng(0).normal(0.3, 0.05, 500)
    world = Shape(0.2, 0.05, 0.0)
    likely = presence(scores, Shape.of(scores), world)
    assert (likely > presence(scores, Shape.of(scores), Shape.of(scores))).all()


def test_equal_scores_are_no_division_by_zero() -> None:
    equal = np.full(20, 0.25)
    assert np.isfinite(match(equal, Shape.of(equal))).all()
    assert np.isfinite(presence(equal, Shape.of(equal), Shape.of(equal))).all()
