from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.ranking.calibration import (
    Asked,
    Background,
    Calibration,
    Logistic,
    auroc,
    calibration_error,
    fit_logistic,
    found_features,
    match_features,
    reliability,
    sigmoid,
)

ASKED = Asked(Background(0.1, 0.2), items=100, words=3)
MADE = Calibration(Logistic((4.0, 1.0, *[0.0] * 9, -5.0)), Logistic((8.0, *[0.0] * 5, -4.0)), 0.2, 0.5)


def test_a_background_is_mean_and_spread_of_the_scores() -> None:
    assert Background.of(np.array([0.0, 0.2, 0.4])) == Background(pytest.approx(0.2), pytest.approx(0.1632993))
    assert Background.of(np.full(3, 0.5)).spread > 0


def test_features_are_those_of_the_docstring() -> None:
    (row,) = match_features(np.array([0.5]), ASKED)
    s, z, size, length = 0.5, 2.0, np.log(100), np.log(4)
    mixed = [s * length, z * length, size * length, length**2]
    expected = [s, z, size, length, *mixed, 0.1, 0.2, 0.1 * length, 1]
    np.testing.assert_allclose(row, expected)
    scores = np.linspace(0.5, 0.3, 5)
    expected = [0.5, 0.5, 0.1, 0.2, np.log(4), np.log(100), 1]
    np.testing.assert_allclose(found_features(scores, ASKED), expected)  # of 100 items the best one
    expected = [0.5, 0.475, 0.1, 0.2, np.log(4), np.log(200), 1]
    np.testing.assert_allclose(found_features(scores, Asked(ASKED.background, 200, 3)), expected)  # of 200 the best two


def test_probabilities_rise_with_the_score_and_stay_between_0_and_1() -> None:
    chances = MADE.probabilities(np.linspace(-1, 1, 50), ASKED)
    assert (np.diff(chances) > 0).all()
    assert 0 < chances[0] < chances[-1] < 1


def test_an_answer_without_hits_has_no_confidence() -> None:
    assert MADE.confidence(np.empty(0), ASKED) == 0
    assert MADE.confidence(np.array([0.9, 0.1]), ASKED) > 0.9 > MADE.confidence(np.array([0.1, 0.1]), ASKED)


def test_a_calibration_survives_being_written_and_read() -> None:
    assert Calibration.of(MADE.to_dict()) == MADE


@pytest.mark.parametrize("broken", [{"match": [1.0]}, {"found": "x"}, {"cutoff": None}])
def test_a_record_that_is_no_calibration_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Calibration.of({**MADE.to_dict(), **broken})


def test_a_fit_finds_the_weights_that_made_the_data() -> None:
    draw = np.random.default_rng(0)
    features = np.column_stack([draw.normal(size=(40_000, 2)) * (1, 30), np.ones(40_000)])
    right = draw.random(40_000) < sigmoid(features @ (1.5, -0.05, 0.7))
    fitted = fit_logistic(features, right.astype(float), np.ones(40_000))
    np.testing.assert_allclose(fitted.weights, (1.5, -0.05, 0.7), rtol=0.08)
    assert calibration_error(fitted(features), right) < 0.01


def test_a_fit_of_classes_that_part_stays_finite() -> None:
    features = np.array([[-1.0, 1.0], [1.0, 1.0]])
    fitted = fit_logistic(features, np.array([0.0, 1.0]), np.ones(2))
    assert np.isfinite(fitted.weights).all()
    assert fitted(features)[0] < 0.01 < 0.99 < fitted(features)[1]


def test_evidence_counts_rows_as_if_they_were_there_more_often() -> None:
    features = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    right = np.array([0.0, 1.0, 0.0, 1.0])
    heavy = fit_logistic(features, right, np.array([3.0, 1.0, 1.0, 3.0]))
    often = fit_logistic(features.repeat([3, 1, 1, 3], axis=0), right.repeat([3, 1, 1, 3]), np.ones(8))
    np.testing.assert_allclose(heavy.weights, often.weights, atol=1e-6)
    np.testing.assert_allclose(heavy(features), [0.25, 0.25, 0.75, 0.75], atol=1e-3)


def test_sigmoid_does_not_overflow() -> None:
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_array_equal(sigmoid(np.array([-1e3, 0, 1e3])), [0, 0.5, 1])


def test_calibration_error_by_hand() -> None:
    # Two bins of ten: said 0.05, one of four right; said 0.95, all right.
    said = np.array([0.05] * 4 + [0.95] * 6)
    right = np.array([True, False, False, False] + [True] * 6)
    assert calibration_error(said, right, bins=10) == pytest.approx(0.4 * 0.2 + 0.6 * 0.05)
    assert reliability(said, right, bins=10) == [
        (pytest.approx(0.05), 0.25, 0.4),
        (pytest.approx(0.95), 1.0, 0.6),
    ]


@given(st.lists(st.integers(0, 5), min_size=1), st.lists(st.integers(0, 5), min_size=1))
def test_auroc_counts_the_pairs(positive: list[int], negative: list[int]) -> None:
    wins = sum((a > b) + (a == b) / 2 for a in positive for b in negative)
    assert auroc(np.array(positive, float), np.array(negative, float)) == pytest.approx(
        wins / len(positive) / len(negative)
    )
