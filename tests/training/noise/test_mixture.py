from __future__ import annotations

import numpy as np
import pytest

from bouba.training.noise import trust_from_losses
from bouba.training.noise.mixture import fit_gaussians, probability_right, share_wrong


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test_share_wrong_is_covered(share: float) -> None:
    covered = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        wrong = rng.random(3000) < share
        odds = np.where(wrong, rng.normal(-3, 1, 3000), rng.normal(3, 1, 3000))
        found = share_wrong(odds, rng.normal(-3, 1, 6000))
        assert found.low <= found.value <= found.high
        covered += found.low <= share <= found.high
    assert covered >= 16


def test_probability_right() -> None:
    odds = np.array([-50.0, np.log(0.1 / 0.9), 0.0, 50.0])
    np.testing.assert_allclose(probability_right(odds, 0.1), [0.0, 0.5, 0.9, 1.0], atol=1e-9)
    assert (probability_right(odds, 0.0) == 1.0).all()


def test_gaussians_recover_what_made_the_values() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(1, 0.5, 3000), rng.normal(5, 1, 1000)])
    found = fit_gaussians(values)
    np.testing.assert_allclose(found.means, [1, 5], atol=0.1)
    np.testing.assert_allclose(found.shares, [0.75, 0.25], atol=0.02)


def test_trust_falls_with_the_loss() -> None:
    rng = np.random.default_rng(1)
    losses = np.sort(np.concatenate([rng.normal(1, 0.3, 900), rng.normal(4, 2, 300)]))
    assert (np.diff(trust_from_losses(losses)) <= 1e-12).all()


def test_equal_losses_are_no_error() -> None:
    assert np.isfinite(trust_from_losses(np.ones(50))).all()
