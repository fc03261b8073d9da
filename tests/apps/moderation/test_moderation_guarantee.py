"""Promises about errors hold, and what they take is said right."""

from __future__ import annotations

import numpy as np
import pytest

from bouba.apps.moderation.drift import LEVEL, Drift, drift
from bouba.apps.moderation.guarantee import (
    allowed_errors,
    false_alarm_bound,
    labels_needed,
    miss_bound,
    upper_limit,
)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.99])
@pytest.mark.parametrize("labels", [0, 5, 22, 60, 500])
def test_exact_binomial(rate: float, confidence: float, labels: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    most = allowed_errors(labels, rate, confidence)
    if most >= 0:
        assert stats.binom.cdf(most, labels, rate) <= 1 - confidence + 1e-12
        assert upper_limit(most, labels, confidence) <= rate + 1e-9
    assert stats.binom.cdf(most + 1, labels, rate) > 1 - confidence
    if labels > 0 and most + 1 < labels:
        exact = stats.beta.ppf(confidence, most + 2, labels - most - 1)
        assert upper_limit(most + 1, labels, confidence) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(
    ("rate", "confidence", "needed"),
    [
        (0.05, 0.9, 45),
        (0.1, 0.9, 22),
        (0.05, 0.95, 59),
        (0.01, 0.9, 230),
        (0.1, None, 9),
        (0.05, None, 19),
    ],
)
def test_how_many_labels_it_takes(rate: float, confidence: float | None, needed: int) -> None:
    assert labels_needed(rate, confidence) == needed
    assert allowed_errors(needed, rate, confidence) >= 0
    assert allowed_errors(needed - 1, rate, confidence) == -1


def test_not_possible_with_these_labels() -> None:
    bound = miss_bound(np.arange(21.0), 0.1, 0.9)
    assert (bound.threshold, bound.labels, bound.needed) == (None, 21, 22)
    assert bound.to_dict()["possible"] is False
    assert miss_bound(np.empty(0), 0.1, None).threshold is None
    assert false_alarm_bound(np.empty(0), 0.1, 0.9).threshold is None


def test_thresholds_are_at_labels() -> None:
    scores = np.arange(100.0)
    missed = miss_bound(scores, 0.1, 0.9)
    assert missed.threshold == missed.errors == allowed_errors(100, 0.1, 0.9) == 5
    alarms = false_alarm_bound(scores, 0.1, 0.9)
    assert alarms.errors == int((scores >= alarms.threshold).sum()) == 5
    ties = miss_bound(np.zeros(50), 0.1, 0.9)
    assert (ties.threshold, ties.errors) == (0.0, 0)  # equal scores are missed together or not at all


@pytest.mark.parametrize("kind", ["miss", "false alarm"])
@pytest.mark.parametrize("confidence", [0.9, None])
def test_promises_are_kept(kind: str, confidence: float | None) -> None:
    """Of samples of a known distribution: scores are uniform, so that a threshold is its own error rate."""
    rng, rate, rates = np.random.default_rng(0), 0.1, []
    for _ in range(3000):
        scores = rng.random(60)
        bound = (miss_bound if kind == "miss" else false_alarm_bound)(scores, rate, confidence)
        assert bound.threshold is not None
        rates.append(bound.threshold if kind == "miss" else 1 - bound.threshold)
    noise = 3 * np.sqrt(0.1 * 0.9 / len(rates))
    if confidence is None:
        assert np.mean(rates) <= rate + 3 * np.std(rates) / np.sqrt(len(rates))
        assert np.mean(rates) > 0.7 * rate
    else:
        assert np.mean(np.array(rates) > rate) <= 1 - confidence + noise
        assert np.mean(np.array(rates) > rate) > 0.01  # it is no bound that nothing can reach


def test_drift_is_seldom_called_where_there_is_none() -> None:
    rng, called = np.random.default_rng(0), 0
    for _ in range(400):
        chances = rng.random(200)
        called += drift(chances.tolist(), (rng.random(200) > chances).tolist()).found
    assert called / 400 <= LEVEL


@pytest.mark.parametrize(("share", "word"), [(0.8, "more"), (0.0, "fewer")])
def test_drift_is_called_where_there_is_some(share: float, word: str) -> None:
    rng = np.random.default_rng(0)
    found = drift([0.6] * 100, (rng.random(100) < share).tolist())
    assert found.found
    assert word in found.message
    assert found.to_dict()["reviewed"] == 100
    assert drift([0.6] * 4, [False] * 4).message == ""
    assert drift([], []) == Drift()
