from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.errors import WhereError
from bouba.stores.lance.names import column_of, name_of
from bouba.stores.where import And, Compare, Field, Has, In, IsNull, Like, Not, Or, Where, parse_where
from bouba.types import AttributeType

FIELDS = {
    "price": AttributeType.NUMBER,
    "brand": AttributeType.TEXT,
    "in_stock": AttributeType.BOOLEAN,
    "tags": AttributeType.TEXTS,
    "taken": AttributeType.DATE,
    "price in €": AttributeType.NUMBER,
    "größe": AttributeType.NUMBER,
    "in": AttributeType.TEXT,
    "a`b": AttributeType.TEXT,
    "Brand": AttributeType.TEXT,
}
PRICE, BRAND, STOCK, TAGS, TAKEN = (
    Field(name, FIELDS[name]) for name in ("price", "brand", "in_stock", "tags", "taken")
)
EURO, IN = Field("price in €", AttributeType.NUMBER), Field("in", AttributeType.TEXT)
CHEAP, A, SALE = Compare(PRICE, "<", 50.0), Compare(BRAND, "=", "A"), Compare(STOCK, "=", True)
MAY = datetime(2024, 5, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price < 50", CHEAP),
        ("price<50", CHEAP),
        ("  price\n<\t5e1 ", CHEAP),
        ("price <= +50.0", Compare(PRICE, "<=", 50.0)),
        ("price = .5", Compare(PRICE, "=", 0.5)),
        ("price == -1.5E-3", Compare(PRICE, "=", -0.0015)),
        ("price <> 3", Compare(PRICE, "!=", 3.0)),
        ("price != 3.", Compare(PRICE, "!=", 3.0)),
        ("price > 0", Compare(PRICE, ">", 0.0)),
        ("price >= 0", Compare(PRICE, ">=", 0.0)),
        ("brand = 'A'", A),
        ('brand = "A"', A),
        ("Brand = 'A'", Compare(Field("Brand", AttributeType.TEXT), "=", "A")),
        ("brand = 'it''s'", Compare(BRAND, "=", "it's")),
        (r"brand = 'it\'s'", Compare(BRAND, "=", "it's")),
        ('brand = "say ""hi"""', Compare(BRAND, "=", 'say "hi"')),
        (r'brand = "C:\new\\dir"', Compare(BRAND, "=", r"C:\new\dir")),
        ("brand = ''", Compare(BRAND, "=", "")),
        ("brand = '日本 🙈'", Compare(BRAND, "=", "日本 🙈")),
        ("brand = 'x\ny'", Compare(BRAND, "=", "x\ny")),
        ("brand = '; DROP TABLE items; --'", Compare(BRAND, "=", "; DROP TABLE items; --")),
        ('brand IN ("A", "B")', In(BRAND, ("A", "B"))),
        ("brand not in ('A')", Not(In(BRAND, ("A",)))),
        ("price in (1,2,-3)", In(PRICE, (1.0, 2.0, -3.0))),
        ("in_stock in (true, FALSE)", In(STOCK, (True, False))),
        ("price between 1 and 2", And((Compare(PRICE, ">=", 1.0), Compare(PRICE, "<=", 2.0)))),
        ("price not between 1 and 2", Not(And((Compare(PRICE, ">=", 1.0), Compare(PRICE, "<=", 2.0))))),
        (
            "price between 1 and 2 and in_stock",
            And((And((Compare(PRICE, ">=", 1.0), Compare(PRICE, "<=", 2.0))), SALE)),
        ),
        ("brand like 'bei%'", Like(BRAND, "bei%")),
        (r"brand not like '100\%'", Not(Like(BRAND, r"100\%"))),
        ('tags has "red"', Has(TAGS, "red")),
        ("tags NOT HAS 'red'", Not(Has(TAGS, "red"))),
        ("not tags has 'red'", Not(Has(TAGS, "red"))),
        ("tags is null", IsNull(TAGS)),
        ("price is not null", Not(IsNull(PRICE))),
        ("in_stock", SALE),
        ("not in_stock", Not(SALE)),
        ("in_stock != true", Compare(STOCK, "!=", True)),
        ("in_stock = False", Compare(STOCK, "=", False)),
        ("not not in_stock", Not(Not(SALE))),
        ("taken >= 2024-05-01", Compare(TAKEN, ">=", MAY)),
        ("taken >= '2024-05-01'", Compare(TAKEN, ">=", MAY)),
        ("taken < 2024-05-01T18:30", Compare(TAKEN, "<", datetime(2024, 5, 1, 18, 30))),
        ("taken < 2024-05-01 18:30:01.25", Compare(TAKEN, "<", datetime(2024, 5, 1, 18, 30, 1, 250000))),
        ("taken = 2024-05-01T02:00+02:00", Compare(TAKEN, "=", MAY)),
        ("taken = 2024-05-01T00:00:00Z", Compare(TAKEN, "=", MAY)),
        ("taken in (2024-05-01, '2024-05-01T00:00')", In(TAKEN, (MAY, MAY))),
        ("`price in €` < 50", Compare(EURO, "<", 50.0)),
        ("größe < 50", Compare(Field("größe", AttributeType.NUMBER), "<", 50.0)),
        ("`in` in ('a')", In(IN, ("a",))),
        ("`a``b` = 'A'", Compare(Field("a`b", AttributeType.TEXT), "=", "A")),
        ("price < 50 and brand = 'A' or in_stock", Or((And((CHEAP, A)), SALE))),
        ("price < 50 or brand = 'A' and in_stock", Or((CHEAP, And((A, SALE))))),
        ("(price < 50 or brand = 'A') and in_stock", And((Or((CHEAP, A)), SALE))),
        ("price < 50 AND brand = 'A' And in_stock", And((CHEAP, A, SALE))),
        ("not (price < 50 and brand = 'A')", Not(And((CHEAP, A)))),
        ("not price < 50 and in_stock", And((Not(CHEAP), SALE))),
        ("((in_stock))", SALE),
    ],
)
def test_a_filter_is_read_and_written_back(text: str, expected: Where) -> None:
    where = parse_where(text, FIELDS)
    assert where == expected
    assert parse_where(str(where), FIELDS) == expected


@pytest.mark.parametrize(
    ("text", "character", "reason"),
    [
        ("", 1, "expected a field name, found the end"),
        ("price <", 8, "price is a field of type number: expected a number such as 49.5, found the end"),
        ("price << 50", 8, "price is a field of type number: expected a number such as 49.5, found <"),
        ("price < '50'", 9, "price is a field of type number: expected a number such as 49.5, found '50'"),
        ("price < brand", 9, "expected a number such as 49.5, found brand"),
        ("price", 6, "expected =, !=, <, <=, >, >=, in, between or is null, found the end"),
        ("pric < 3", 1, "no field is called 'pric'; the nearest: price"),
        ("price < 3 and BRND = 'x'", 15, "no field is called 'BRND'; the nearest: brand, Brand"),
        ("zzzzz = 3", 1, "no field is called 'zzzzz'; there are Brand, a`b, brand, größe"),
        ("'price' < 3", 1, "a name that is not one word goes in backquotes"),
        ("brand = 3", 9, 'brand is a field of type text: expected "text in quotes", found 3'),
        ("brand = 2024-05-01", 9, "brand is a field of type text"),
        ("brand = null", 9, "nothing equals null; write `brand is null`"),
        ("brand like 3", 12, "expected text in quotes after like"),
        ("price like '3'", 7, "like does not go with price, a field of type number"),
        ("brand has 'x'", 7, "has does not go with brand, a field of type text"),
        ("tags = 'red'", 6, '= does not go with tags, a field of type list of text: expected has "text", or is null'),
        ("tags in ('red')", 6, "in does not go with tags"),
        ("tags has red", 10, "expected text in quotes after has"),
        ("tags", 5, 'expected has "text", or is null, found the end'),
        ("in_stock < true", 10, "< does not go with in_stock, a field of type boolean"),
        ("in_stock = 1", 12, "expected true or false, found 1"),
        ("in_stock between true and false", 10, "between does not go with in_stock"),
        ("taken > 2024", 9, "expected a date such as 2024-05-01, found 2024"),
        ("taken > '2024-13-01'", 9, "'2024-13-01' is no date"),
        ("taken > 2024-02-30", 9, "'2024-02-30' is no date"),
        ("taken > 0001-01-01T00:00+01:00", 9, "is no date"),
        ("price < 1e999", 9, "1e999 is beyond the range of numbers"),
        ("price < 12abc", 9, "this is neither a number such as 49.5 nor a date"),
        ("price < 1.2.3", 9, "this is neither a number such as 49.5 nor a date"),
        ("price in ()", 11, "expected a number such as 49.5, found )"),
        ("price in 3", 10, "expected ( and a list of values, found 3"),
        ("price in (1 2)", 13, "expected , or ), found 2"),
        ("price in (1,", 13, "found the end"),
        ("price between 1 or 2", 17, "expected and, found or"),
        ("price is 3", 10, "expected null or not null, found 3"),
        ("price is not 3", 14, "expected null, found 3"),
        ("price not < 3", 11, "expected in, like, between or has after not, found <"),
        ("(price < 3", 11, "expected and, or, or ), found the end"),
        ("price < 3)", 10, "expected and, or, or the end of the filter, found )"),
        ("price < 3 brand = 'A'", 11, "expected and, or, or the end of the filter, found brand"),
        ("price < 3 and", 14, "expected a field name, found the end"),
        ("price < 3 && in_stock", 11, "'&' means nothing here"),
        ("price < 3; drop", 10, "';' means nothing here"),
        ("brand = 'A", 9, "this text has no closing '"),
        ("brand = 'C:\\'", 9, "this text has no closing '"),
        ("`brand = 3", 1, "this field name has no closing `"),
        ("`` = 3", 1, "a field name cannot be empty"),
        ("brand = 'caf\udce9'", 13, "this character is not valid Unicode"),
        ("not " * 51 + "in_stock", 201, "more than 50 levels"),
        ("(" * 51 + "in_stock" + ")" * 51, 51, "more than 50 levels"),
        ("price in (" + ",".join(["1"] * 1001) + ")", 10, "this list has 1,001 values; the limit is 1,000"),
    ],
)
def test_an_error_points_at_the_place(text: str, character: int, reason: str) -> None:
    with pytest.raises(WhereError) as caught:
        parse_where(text, FIELDS)
    message, shown, caret = str(caught.value).split("\n")
    assert message.startswith(f"Filter, character {character}: ")
    assert reason in message
    assert caret.strip() == "^"
    under = (shown + " ")[caret.index("^")]
    at = (text + " ")[character - 1]
    assert under == (at if at.isprintable() else "?")


def test_limits_are_met_exactly() -> None:
    assert parse_where("(" * 50 + "in_stock" + ")" * 50, FIELDS) == SALE
    assert len(parse_where("price in (" + ",".join(["1"] * 1000) + ")", FIELDS).values) == 1000  # type: ignore[union-attr]
    assert parse_where("in_stock".ljust(10_000), FIELDS) == SALE
    with pytest.raises(WhereError, match=r"10,001 characters; the limit is 10,000"):
        parse_where("in_stock".ljust(10_001), FIELDS)


def parses_or_is_refused(text: str) -> None:
    try:
        where = parse_where(text, FIELDS)
    except WhereError:
        return
    assert parse_where(str(where), FIELDS) == where


@given(st.text(max_size=60))
def test_any_text_parses_or_is_a_where_error(text: str) -> None:
    parses_or_is_refused(text)


@given(st.lists(st.sampled_from(["price", "<", "3", "and", "or", "not", "(", ")", "in", "brand", "'a'", "is", "null"])))
def test_any_tokens_parse_or_are_a_where_error(tokens: list[str]) -> None:
    parses_or_is_refused(" ".join(tokens))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_names_and_literals_survive_being_written(name: str, value: str) -> None:
    name = name or "a"
    where = Compare(Field(name, AttributeType.TEXT), "=", value)
    assert parse_where(str(where), {name: AttributeType.TEXT}) == where


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_being_written(value: float) -> None:
    where = Compare(PRICE, "=", value)
    assert parse_where(str(where), FIELDS) == where


@given(st.text(max_size=20), st.text("_xX5f4é", max_size=12))
def test_column_names_are_reversible_and_safe(any_name: str, tricky: str) -> None:
    for name in (any_name, tricky):
        column = column_of(name)
        assert name_of(column) == name
        assert column.isascii()
        assert column.replace("_", "a").isalnum()
        assert column == column.lower()
