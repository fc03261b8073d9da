"""What filters ask on Milvus: codes that sort as the values do, and conditions that lose nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.stores.milvus.facts import HEAD_BYTES, encoded, facts_of, is_cut, key_of, text
from bouba.stores.milvus.filters import EVERYTHING, NO_ITEM, UNSURE, Condition, condition
from bouba.stores.milvus.keys import Keys
from bouba.stores.where import In, Or, Where, parse_where
from bouba.types import ITEM_FIELDS, AttributeType, Item

FIELDS = {**ITEM_FIELDS, "price": AttributeType.NUMBER, "Name": AttributeType.TEXT, "tags": AttributeType.TEXTS}
numbers = st.floats(allow_nan=False)
dates = st.datetimes()
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.one_of(st.tuples(numbers, numbers), st.tuples(dates, dates), st.tuples(st.booleans(), st.booleans())))
def test_codes_sort_as_values_do(pair: tuple[float, float]) -> None:
    one, other = pair
    assert (encoded(one) < encoded(other), encoded(one) == encoded(other)) == (one < other, one == other)  # type: ignore[operator]


@given(st.one_of(texts, texts.map(lambda t: "x" * 90 + t)), st.one_of(texts, texts.map(lambda t: "x" * 90 + t)))
def test_texts_sort_by_code_point_as_far_as_they_are_kept(one: str, other: str) -> None:
    if one < other:
        assert text(one) <= text(other)
    if not is_cut(text(one)) or not is_cut(text(other)):
        assert (text(one) < text(other), text(one) == text(other)) == (one < other, one == other)


@given(texts, texts, st.lists(texts))
def test_nothing_but_digits_and_safe_names_is_sent(name: str, value: str, tags: list[str]) -> None:
    item = Item("1", value, 1, 2, 3, value, attributes={name or "a": value, "tags": tuple(tags)})
    for key, code in facts_of(item).items():
        assert re.fullmatch(r"[a-z0-9_]{1,64}", key)
        assert all(re.fullmatch(r"[0-9a-f]*~?", one) for one in (code if isinstance(code, list) else [code]))
    assert key_of("Name") != key_of("name") != key_of("NAME")
    assert re.fullmatch(r"(x[0-9a-f]*|[0-9a-f]{32})", Keys().of(value))
    assert Keys().id(Keys().of(value)) == value
    assert Keys("ann").id(Keys("ann").of(value)) == value


def asked(filter: str, *, json_in: bool = True) -> Condition:
    return condition(parse_where(filter, FIELDS), Keys(), json_in=json_in)


@pytest.mark.parametrize(
    ("filter", "exact"),
    [
        ("price < 50 and not Name = 'a'", True),
        ("Name like 'ab%'", True),
        ("Name like '%ab'", False),
        ("Name = 'ab' or Name like 'a_'", False),
        ("not Name like 'ab%'", False),
        ("tags not has 'x' or price is null", True),
        (f"Name < '{'x' * HEAD_BYTES}'", True),
        (f"Name < '{'x' * HEAD_BYTES}y'", False),
        ("id in ('a', 'b')", True),
        ("id like '00ff%'", False),
    ],
)
def test_it_is_known_what_the_server_says_exactly(filter: str, exact: bool) -> None:
    made = asked(filter)
    assert made.exact is exact
    assert made.expression


def test_what_needs_no_server_is_not_asked_of_it() -> None:
    assert condition(None, Keys(), json_in=True) == EVERYTHING
    assert asked("id is null") == NO_ITEM
    assert asked("id is not null") == EVERYTHING
    assert asked("id > 'a g'") == UNSURE
    assert asked("id > 'a g' and price = 1") == Condition(asked("price = 1").expression, False)
    assert asked("id > 'a g' or price = 1") == UNSURE


def test_the_order_of_hashes_is_asked_of_the_server() -> None:
    assert asked("id < '00c4'") == Condition('(pk < "00c4" or pk like "x%")', False)
    assert asked("not id < '00c4'") == Condition('(pk >= "00c4" or pk like "x%")', False)


def test_long_lists_become_a_span_where_they_cannot_be_asked_for() -> None:
    few, many = (f"price in ({', '.join(map(str, range(n)))})" for n in (3, 500))
    assert asked(few, json_in=False).exact
    assert not asked(many, json_in=False).exact
    assert len(asked(many, json_in=False).expression) < 200
    assert asked(many).exact


def test_a_condition_that_a_server_would_choke_on_is_not_sent() -> None:
    price = parse_where("price = 1", FIELDS)
    assert isinstance(price, Where)
    field = price.field  # type: ignore[union-attr]
    wide = Or(tuple(In(field, (float(n), n + 0.5)) for n in range(1000)))
    assert condition(wide, Keys(), json_in=True) == UNSURE
