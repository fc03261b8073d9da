from __future__ import annotations

import pytest

pytest.importorskip("msgspec")

from bouba.training.bank import bank_texts, pick_texts
from bouba.training.config import Data
from bouba.training.data.records import Record

MANY, SOME, FEW = ([f"{name} {n}" for n in range(count)] for name, count in (("m", 900), ("s", 300), ("f", 10)))


def counted(texts: list[str]) -> list[int]:
    return [sum(text.startswith(name) for text in texts) for name in "msf"]


def test_sources_share_by_the_root_of_their_weight_and_small_ones_give_all():
    picked = pick_texts([(16, MANY), (1, SOME), (16, FEW)], size=110)
    assert counted(picked) == [80, 20, 10]
    assert len(set(picked)) == 110


def test_all_is_taken_where_there_is_less_than_asked_for():
    assert counted(pick_texts([(1, MANY), (5, SOME), (2, FEW)], size=9_999)) == [900, 300, 10]


def test_the_same_texts_are_picked_each_time_and_others_with_another_seed():
    sources = [(4.0, MANY), (1.0, SOME)]
    assert pick_texts(sources, size=50) == pick_texts(sources, size=50)
    assert pick_texts(sources, size=50) != pick_texts(sources, size=50, seed=1)


def test_a_text_counts_once_whatever_its_case_and_spaces():
    assert pick_texts([(1, ["A dog", "a  dog ", "a cat"]), (1, ["A CAT", "", "a cow"])], size=9) == [
        "A dog", "a cat", "a cow",
    ]  # fmt: skip


def test_no_sources_give_no_texts():
    assert pick_texts([], size=5) == []
    assert pick_texts([(1, [])], size=5) == []


def test_the_texts_of_a_run_come_from_its_records(tmp_path):
    records = [Record(f"{n}", None, None, (f"m {n}", f"m {n} again")) for n in range(30)]
    other = [Record(f"{n}", None, None, (f"s {n}",)) for n in range(30)]
    data = [Data(path=tmp_path / "a.jsonl", per_step=90), Data(path=tmp_path / "b.jsonl", per_step=10)]
    assert counted(bank_texts([(data[0], records), (data[1], other)], size=40)) == [30, 10, 0]
