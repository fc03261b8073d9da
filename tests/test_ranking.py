from __future__ import annotations

import numpy as np
import pytest

from bouba.errors import QueryError
from bouba.ranking.compose import weighted_mean

BASE = np.eye(3, dtype=np.float32)


def test_weighted_mean_is_unit_and_follows_the_weights() -> None:
    np.testing.assert_allclose(weighted_mean(BASE[:2], [1, 1]), [0.5**0.5, 0.5**0.5, 0], atol=1e-6)
    np.testing.assert_allclose(weighted_mean(BASE[:2], [3, 4]), [0.6, 0.8, 0], atol=1e-6)
    np.testing.assert_allclose(weighted_mean(BASE[:2], [1, -1]), [0.5**0.5, -(0.5**0.5), 0], atol=1e-6)


@pytest.mark.parametrize("weights", [[0, 0], [float("inf"), 1], [float("nan"), 1]])
def test_weights_that_say_nothing(weights: list[float]) -> None:
    with pytest.raises(QueryError, match="finite"):
        weighted_mean(BASE[:2], weights)


def test_parts_that_cancel_out() -> None:
    with pytest.raises(QueryError, match="cancel"):
        weighted_mean(np.stack([BASE[0], -BASE[0]]), [1, 1])
