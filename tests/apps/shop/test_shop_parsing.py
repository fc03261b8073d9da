"""Sentences with filters are read as they are meant; what may mean something else stays words."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.apps.shop.filters import Filter, relaxations
from bouba.apps.shop.parsing import parse
from bouba.apps.shop.text import fold
from bouba.apps.shop.vocabulary import Vocabulary, doubted

HEAD, *QUESTIONS = map(json.loads, (Path(__file__).parent / "queries.jsonl").read_text("utf-8").splitlines())
VALUES = [(field, fold(value), value, 1) for field, values in HEAD["vocabulary"].items() for value in values]
WORDS = Vocabulary(VALUES)


def test_there_are_a_hundred_and_each_once() -> None:
    assert len({one["text"] for one in QUESTIONS}) >= 100


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one["text"])
def test_questions_are_read_as_they_are_meant(question: dict[str, Any]) -> None:
    read = parse(question["text"], WORDS)
    chips = [[one.filter.field, one.filter.op, one.filter.to_dict()["value"]] for one in read.chips]
    assert sorted(chips, key=str) == sorted(question["chips"], key=str)
    assert read.words == question["words"]


def test_a_chip_knows_its_words_and_the_sentence_without_it() -> None:
    read = parse("red dress under 50 in stock", WORDS)
    assert [(one.text, one.without) for one in read.chips] == [
        ("red", "dress under 50 in stock"),
        ("dress", "red under 50 in stock"),
        ("under 50", "red dress in stock"),
        ("in stock", "red dress under 50"),
    ]
    assert all(read.sentence[one.start : one.end] == one.text for one in read.chips)


def test_what_can_be_seen_is_still_looked_for() -> None:
    assert parse("cheapest red dress for women under $50, size M, not nike", WORDS).looked_for == "red dress for women"


def test_an_exact_sentence_has_no_filters() -> None:
    read = parse("red dress under 50", WORDS, exact=True)
    assert read.chips == ()
    assert read.looked_for == "red dress under 50"


def test_a_kind_holds_what_ends_in_it() -> None:
    (shoes,) = parse("shoes", WORDS).filters
    assert set(shoes.keys) == {"shoes", "casual shoes", "sports shoes", "formal shoes"}
    (blue,) = parse("something blue", WORDS).filters
    assert set(blue.keys) == {"blue", "navy blue"}


def test_a_currency_is_remembered() -> None:
    assert parse("cheaper than £30", WORDS).currency == "GBP"
    assert parse("under 30 bucks", WORDS).currency == "USD"
    assert parse("under 30", WORDS).currency == ""


def test_a_brand_that_is_an_ordinary_word_of_the_shop_is_none() -> None:
    values = [("brand", "mango", "Mango", 1), ("brand", "acme", "Acme", 1)]
    titles = [(1, {"mango", "dress"}), (2, {"mango", "juice"}), (3, {"mango", "pulp"}), (4, {"acme"})]
    found = doubted(values, titles, {"mango": {1}, "acme": {4}})
    assert found == ["mango"]
    words = Vocabulary(values, found)
    assert [one.filter.field for one in parse("mango", words).chips] == []
    assert [one.filter.field for one in parse("acme", words).chips] == ["brand"]


def test_filters_are_let_go_of_in_the_stated_order() -> None:
    read = parse("new red dress size M under 50 not nike", WORDS)
    tries = relaxations(read.filters)
    assert [[one.field for one in dropped] for dropped in tries[:5]] == [
        ["new"],
        ["size"],
        ["price"],
        ["colour"],
        ["category"],
    ]
    assert [one.field for one in tries[-1]] == ["new", "size", "price", "colour", "category"]
    assert all(one != Filter("brand", "not", ("Nike",), ("nike",)) for dropped in tries for one in dropped)


@given(st.text(max_size=80))
def test_nothing_that_is_written_breaks_it(text: str) -> None:
    read = parse(text, WORDS)
    assert all(0 <= one.start < one.end <= len(read.sentence) for one in read.chips)


@given(
    st.lists(
        st.sampled_from("red under 50 between and 20 not without dress , size M for women € or -".split()), max_size=9
    )
)
def test_spans_never_overlap(pieces: list[str]) -> None:
    spans = sorted((one.start, one.end) for one in parse(" ".join(pieces), WORDS).chips)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
