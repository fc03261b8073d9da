"""Building a sample, and what is said of a prediction that did not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bouba.errors import PlanError
from bouba.plan import Wish, check, plan
from bouba.plan.check import measure
from bouba.plan.engines import ENGINES
from bouba.plan.report import check_text
from bouba.plan.sample import sample, sample_item
from bouba.ranking.hubness import row_length, unpack_rows

BY_NAME = {engine.name: engine for engine in ENGINES}


def test_a_sample_is_like_pictures_and_texts() -> None:
    rows, queries = sample(3000, 40, 64)
    assert rows.shape == (3000, row_length(64))
    vectors, bias = unpack_rows(rows, 64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    asked = queries[:, :64]
    assert 0.2 < bias.mean() < 0.3
    nearest = (asked @ vectors.T).max(axis=1).mean()
    among = (vectors[:40] @ vectors[40:].T).max(axis=1).mean()
    assert nearest < among  # the gap between texts and pictures
    np.testing.assert_array_equal(sample(3000, 40, 64)[0], rows)
    assert len({sample_item(n).id for n in range(2000)}) == 2000


@pytest.mark.parametrize("name", ["lance IVF_RQ", "memory exact"])
def test_a_store_is_measured(name: str) -> None:
    steps = []
    point = measure(BY_NAME[name], Wish(1000, dims=32), lambda done, total: steps.append((done, total)))
    assert steps[-1] == (1000, 1000)
    assert point.items == 1000
    assert point.recall_at_10 > 0.95
    assert 0 < point.p50_ms <= point.p95_ms
    assert point.rss_bytes > 20e6
    assert (point.disk_bytes > 1000 * 40 * 4) == (name != "memory exact")
    assert point.inserts_per_s > 0


def test_a_prediction_that_holds_and_one_that_does_not(curves: Callable[..., Path]) -> None:
    easy = curves("easy.json", p95_ms=1e5, recall=0.5, largest=100_000, base=1e9)
    held = check(plan(Wish(5000, p95_ms=1e9, recall=0.1), curves=easy), 1000, curves=easy)
    assert held.held
    hard = curves("hard.json", p95_ms=1e-4, largest=100_000)
    missed = check(plan(Wish(5000), curves=hard), 1000, curves=hard)
    assert not missed.held
    (late,) = (figure for figure in missed.figures if figure.name == "p95_ms")
    assert late.ratio > 1
    assert "DID NOT HOLD" in check_text(missed)
    assert json.loads(json.dumps(missed.to_dict()))["held"] is False


def test_a_sample_of_no_sense() -> None:
    made = plan(Wish(5000))
    with pytest.raises(PlanError, match="A sample of 5 items"):
        check(made, 5)
