from __future__ import annotations

import pytest

from bouba.errors import TrainingError
from bouba.training.data.records import Record
from bouba.training.data.splits import split_by_item


def records(count: int, per_item: int = 1) -> list[Record]:
    return [Record(f"item {n // per_item}", None, None, (f"text {n}",)) for n in range(count)]


def test_items_stay_whole_and_the_share_is_about_met() -> None:
    everything = records(3000, per_item=3)
    train, val = split_by_item(everything, 0.2, seed=0)
    assert sorted(r.texts for r in train + val) == sorted(r.texts for r in everything)
    assert {r.item for r in train}.isdisjoint(r.item for r in val)
    assert 0.16 < len(val) / 3000 < 0.24  # over 3 standard deviations of 1,000 draws


def test_more_records_move_no_other() -> None:
    _, few = split_by_item(records(100), 0.3, seed=5)
    _, many = split_by_item(records(1000)[::-1], 0.3, seed=5)
    assert {r.item for r in few} == {r.item for r in many if int(r.item.split()[1]) < 100}
    _, other = split_by_item(records(100), 0.3, seed=6)
    assert {r.item for r in few} != {r.item for r in other}


def test_a_larger_share_holds_the_smaller() -> None:
    _, few = split_by_item(records(500), 0.1, seed=0)
    _, more = split_by_item(records(500), 0.2, seed=0)
    assert {r.item for r in few} < {r.item for r in more}


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_no_share(share: float) -> None:
    with pytest.raises(TrainingError, match="is not a share"):
        split_by_item(records(10), share, 0)


def test_an_empty_side_is_refused() -> None:
    with pytest.raises(TrainingError, match="of 1 item leaves"):
        split_by_item(records(50, per_item=50), 0.5, 0)
