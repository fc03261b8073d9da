from __future__ import annotations

import torch

from bouba.training.guard import SHARES, blended, choose


def test_ends_and_middle_of_a_blend() -> None:
    old = {"w": torch.zeros(3), "count": torch.tensor(1)}
    new = {"w": torch.full((3,), 4.0), "count": torch.tensor(9)}
    assert blended(old, new, 0.0)["w"].tolist() == [0, 0, 0]
    assert blended(old, new, 0.25)["w"].tolist() == [1, 1, 1]
    assert blended(old, new, 1.0)["w"].tolist() == [4, 4, 4]
    assert blended(old, new, 0.0)["count"] == 9


def test_the_best_share_that_keeps_the_general_set() -> None:
    best, tried = choose(lambda share: (share, (0.8 - 0.05 * share,)), max_loss=0.0251)
    assert best.share == 0.5
    assert len(tried) == len(SHARES)


def test_without_general_sets_the_peak_wins_and_of_equals_the_nearer_to_the_old() -> None:
    assert choose(lambda share: (-((share - 0.3) ** 2), ()), 0.01)[0].share == 0.3
    assert choose(lambda share: (0.5, ()), 0.01)[0].share == 0.0


def test_where_every_step_costs_too_much_nothing_is_changed() -> None:
    assert choose(lambda share: (share, (1.0 - share,)), 0.01)[0].share == 0.0
