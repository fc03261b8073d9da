"""What a gallery relies on, for every store; the in-memory one is the reference."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milvus_here import empty_store, forget

from bouba.errors import AttributeTypeError, GalleryMissing, StoreError
from bouba.stores import Store
from bouba.stores.lance import LanceStore, upkeep
from bouba.stores.memory import MemoryStore
from bouba.stores.milvus import MilvusStore
from bouba.stores.place import Place
from bouba.stores.where import And, Compare, Field, Has, In, IsNull, Like, Not, Or, Where, parse_where
from bouba.stores.zvec import ZvecStore
from bouba.types import ITEM_FIELDS, AttributeType, AttributeValue, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

DIM = 8
MAKERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(DIM),
    "lance": lambda folder: LanceStore(folder, DIM),
    "zvec": lambda folder: ZvecStore(folder, DIM),
    "milvus-lite": lambda folder: MilvusStore(Place.of(f"milvus://{folder}.db"), DIM),
    "milvus": lambda _: empty_store(DIM),
}


@pytest.fixture(params=MAKERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = MAKERS[request.param](tmp_path / "gallery")
    yield made
    if isinstance(made, MilvusStore):
        forget(made)
    made.close()


def item(number: int | str, /, **attributes: AttributeValue) -> Item:
    taken = datetime(2024, 5, 1, 12, 30, 15, 123456)
    return Item(f"{number:0>32}", f"/p/{number}.jpg", 640, 480, 9000, "image/jpeg", taken, "00ff" * 4, attributes)


def unit(count: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    vectors: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def fill(store: Store, *items: Item) -> Vectors:
    vectors = unit(len(items))
    store.upsert(items, vectors)
    return vectors


def ids(store: Store, filter: str) -> set[str]:
    where = parse_where(filter, {**ITEM_FIELDS, **store.fields()})
    found = {item.id for items, _ in store.scan(where) for item in items}
    assert store.count(where) == len(found)
    return {id.lstrip("0") for id in found}


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.read_meta() is None
    assert (store.count(), dict(store.fields()), store.known(["a"]), store.delete(["a"])) == (0, {}, set(), 0)
    assert store.search(unit(1)[0], 5) == []
    assert list(store.scan()) == []
    items, vectors = store.get(["a"])
    assert (items, vectors.shape) == ([], (0, DIM))
    store.maintain()


def test_meta_comes_back_and_is_replaced(store: Store) -> None:
    store.write_meta({"model": "m", "größe": [1, 2.5, None]})
    assert store.read_meta() == {"model": "m", "größe": [1, 2.5, None]}
    store.write_meta({"model": "n"})
    assert store.read_meta() == {"model": "n"}


def test_meta_is_changed_by_one_at_a_time(store: Store) -> None:
    with pytest.raises(GalleryMissing):
        store.update_meta(lambda meta: meta)
    store.write_meta({"count": 0, "model": "m"})

    def often() -> None:
        for _ in range(10):
            store.update_meta(lambda meta: {**meta, "count": meta["count"] + 1})

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read_meta() == {"count": 40, "model": "m"}


def test_a_change_of_meta_that_fails_leaves_it_as_it_was(store: Store) -> None:
    store.write_meta({"model": "m"})
    with pytest.raises(AttributeTypeError):
        store.update_meta(_refused)
    assert store.read_meta() == {"model": "m"}


def _refused(meta: dict[str, Any]) -> dict[str, Any]:
    raise AttributeTypeError("no")


def test_what_was_put_in_comes_out(store: Store) -> None:
    full = item(1, price=3.5, brand="A", sale=True, made=datetime(2020, 2, 29), tags=("red", "blue"), none=())
    bare = Item("b", "", 0, 0, 0, "")
    vectors = fill(store, full, bare)
    items, back = store.get([bare.id, "missing", full.id, bare.id])
    assert items == [bare, full, bare]
    np.testing.assert_array_equal(back, vectors[[1, 0, 1]])
    assert back.dtype == np.float32
    types = AttributeType
    assert store.fields() == {
        "price": types.NUMBER,
        "brand": types.TEXT,
        "sale": types.BOOLEAN,
        "made": types.DATE,
        "tags": types.TEXTS,
        "none": types.TEXTS,
    }


def test_an_item_replaces_the_one_with_its_id_and_all_its_attributes(store: Store) -> None:
    fill(store, item(1, price=1.0, brand="old"), item(2))
    store.upsert([item(1, price=2.0)], unit(1, seed=5))
    items, vectors = store.get([item(1).id])
    assert items == [item(1, price=2.0)]
    np.testing.assert_array_equal(vectors, unit(1, seed=5))
    assert store.count() == 2


def test_of_two_with_one_id_in_a_batch_the_last_stays(store: Store) -> None:
    store.upsert([item(1, n=1.0), item(2), item(1, n=2.0)], unit(3))
    items, vectors = store.get([item(1).id])
    assert (items, store.count()) == ([item(1, n=2.0)], 2)
    np.testing.assert_array_equal(vectors[0], unit(3)[2])


def test_nothing_is_an_empty_upsert(store: Store) -> None:
    store.upsert([], np.empty((0, DIM), np.float32))
    assert store.count() == 0


def test_delete_says_how_many_were_there(store: Store) -> None:
    fill(store, *(item(n) for n in range(5)))
    assert store.delete([item(1).id, item(3).id, item(3).id, "missing"]) == 2
    assert store.known([item(n).id for n in range(5)]) == {item(n).id for n in (0, 2, 4)}
    assert store.delete([item(1).id]) == 0
    assert store.delete([]) == 0
    assert {hit.item.id for hit in store.search(unit(1)[0], 9)} == {item(n).id for n in (0, 2, 4)}


def test_thousands_of_ids_at_once(store: Store) -> None:
    fill(store, *(item(n) for n in range(1500)))
    asked = [item(n).id for n in range(3000)]
    assert len(store.known(asked)) == 1500
    assert [found.id for found in store.get(asked)[0]] == asked[:1500]
    assert store.delete(asked) == 1500
    assert store.count() == 0


def test_scores_are_inner_products_best_first_and_ties_go_by_id(store: Store) -> None:
    vectors = unit(40)
    vectors[10:30] = vectors[3]
    items = [item(n) for n in range(40)]
    store.upsert(items[::-1], vectors[::-1])
    hits = store.search(vectors[3], 12)
    assert [hit.item.id for hit in hits] == [item(n).id for n in (3, *range(10, 21))]
    np.testing.assert_allclose([hit.score for hit in hits], 1.0, atol=1e-6)
    np.testing.assert_array_equal([hit.row for hit in hits], vectors[[3, *range(10, 21)]])
    every = store.search(unit(1, seed=9)[0], 1000)
    exact = np.sort(vectors @ unit(1, seed=9)[0])[::-1]
    np.testing.assert_allclose([hit.score for hit in every], exact, atol=1e-6)
    longer = 3 * unit(1, seed=9)[0]  # neither rows nor queries need to have length 1
    np.testing.assert_allclose([hit.score for hit in store.search(longer, 1000)], 3 * exact, atol=1e-5)
    assert store.search(vectors[0], 0) == []


def test_wrong_shapes_are_refused_with_both_lengths(store: Store) -> None:
    with pytest.raises(StoreError, match=r"\[1, 9\].*\[n, 8\]"):
        store.upsert([item(1)], np.ones((1, 9), np.float32))
    with pytest.raises(StoreError, match=r"2 items came with 1 vectors"):
        store.upsert([item(1), item(2)], unit(1))
    fill(store, item(1))
    with pytest.raises(StoreError, match=r"\[9\].*\[8\]"):
        store.search(np.ones(9, np.float32), 1)
    with pytest.raises(StoreError, match="not finite"):
        store.upsert([item(7)], np.full((1, DIM), np.nan, np.float32))
    assert store.count() == 1


def test_an_attribute_keeps_its_type_and_a_refused_batch_leaves_nothing(store: Store) -> None:
    fill(store, item(1, price=1.0))
    with pytest.raises(AttributeTypeError, match=r"'price'.*'cheap'.*type text.*as number"):
        store.upsert([item(2, price=2.0, extra=True), item(3, price="cheap")], unit(2))
    with pytest.raises(AttributeTypeError, match=r"'x'.*number.*boolean"):
        store.upsert([item(4, x=True), item(5, x=1.0)], unit(2))
    assert (store.count(), dict(store.fields())) == (1, {"price": AttributeType.NUMBER})


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", 1.0), ("", 1.0), ("n" * 201, 1.0), ("a", {"b": 1}), ("a", (1, 2)), ("a", "caf\udce9"), ("a", 10**400)],
)
def test_what_no_attribute_can_be_is_refused(store: Store, name: str, value: AttributeValue) -> None:
    with pytest.raises(AttributeTypeError, match="Attribute"):
        store.upsert([item(1, **{name: value})], unit(1))


def test_an_undecodable_path_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="valid Unicode"):
        store.upsert([Item("1", "/caf\udce9.jpg", 1, 1, 1, "image/jpeg")], unit(1))


def test_values_are_settled_the_same_way_everywhere(store: Store) -> None:
    berlin = timezone(timedelta(hours=2))
    odd: dict[str, Any] = {
        "nan": float("nan"),
        "none": None,
        "whole": 7,
        "zero": -0.0,
        "list": ["a"],
        "inf": float("inf"),
    }
    odd["when"] = datetime(2024, 6, 1, 1, 0, tzinfo=berlin)
    store.upsert([item(1, **odd)], unit(1))
    (back,), _ = store.get([item(1).id])
    expected = {"whole": 7.0, "zero": 0.0, "list": ("a",), "inf": float("inf"), "when": datetime(2024, 5, 31, 23)}
    assert back.attributes == expected
    assert ids(store, "zero = -0.0 and zero >= 0 and inf > 1e300") == {"1"}


HOSTILE = [
    "price in €", "Price", "PRICE", "select", "'; DROP TABLE items; --", 'a"b', "a`b", "a.b", "a\\b", "tags[0]", "%_",
    "_x41_", "attr_a", "日本語", "new\nline", "\x00", " ",
    "vector", "_distance", "_rowid", "é", "e\u0301", "in", "x" * 200,
]  # fmt: skip


def test_hostile_names_and_values(store: Store) -> None:
    values = [*HOSTILE, "", "10 kB " * 1700, "🙈", "100%", "\\", "\\'", "''"]
    stored = [item(n, **dict.fromkeys(HOSTILE, value)) for n, value in enumerate(values, 1)]
    fill(store, *stored)
    assert set(store.fields()) == set(HOSTILE)
    assert store.get([one.id for one in stored])[0] == stored
    for name in HOSTILE:
        field = Field(name, AttributeType.TEXT)
        for one, value in zip(stored[::6], values[::6], strict=True):
            where = Compare(field, "=", value)
            assert [hit.item.id for hit in store.search(unit(1)[0], 99, where)] == [one.id]
    for value in values:
        assert store.count(In(Field("select", AttributeType.TEXT), (value, "other"))) == 1


def test_hostile_values_in_lists(store: Store) -> None:
    lists = [item(n, tags=(value, "x")) for n, value in enumerate(HOSTILE, 1)]
    fill(store, *lists)
    for one, value in zip(lists, HOSTILE, strict=True):
        where = Has(Field("tags", AttributeType.TEXTS), value)
        assert [hit.item.id for hit in store.search(unit(1)[0], 99, where)] == [one.id]


def test_ids_are_only_text(store: Store) -> None:
    odd = ["' OR 1=1 --", "a'b", "", "\\", "日本"]
    store.upsert([Item(id, "", 1, 1, 1, "") for id in odd], unit(len(odd)))
    assert store.known([*odd, "x"]) == set(odd)
    assert [found.id for found in store.get(odd)[0]] == odd
    assert store.delete(["' OR 1=1 --"]) == 1
    assert store.count() == len(odd) - 1


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("price < 50", "1"),
        ("not price < 50", "2"),
        ("price != 10", "2"),
        ("price < 50 or not price < 50", "12"),
        ("price is null", "34"),
        ("price is not null and not (price is null)", "12"),
        ("price in (10, 11)", "1"),
        ("price not in (10, 11)", "2"),
        ("not (price < 50 and brand = 'A')", "23"),
        ("not (price > 50 or brand = 'A')", ""),
        ("price < 50 or brand = 'B'", "123"),
        ("brand like 'a%'", "1"),
        ("brand not like 'a%'", "23"),
        ("tags has 'red'", "1"),
        ("tags not has 'red'", "2"),
        ("tags is null", "34"),
        ("sale", "1"),
        ("not sale", "2"),
        ("sale in (true)", "1"),
        ("price between 10 and 99.5", "12"),
        ("width = 640.0 and width < 640.5 and bytes >= 9e3", "1234"),
        ("taken > 2024-05-01T12:30:15.123455 and taken <= '2024-05-01T14:30:15.123456+02:00'", "1234"),
        ("id like '%1'", "1"),
        ("path = '/p/2.jpg'", "2"),
        ("made >= 2024-01-01", "2"),
        ("media_type in ('image/png')", ""),
    ],
)
def test_filters_follow_three_valued_logic(store: Store, filter: str, expected: str) -> None:
    fill(
        store,
        item(1, price=10.0, brand="A", tags=("red",), sale=True, made=datetime(2023, 1, 1)),
        item(2, price=99.5, brand="B", tags=(), sale=False, made=datetime(2024, 1, 1)),
        item(3, brand="B"),
        item(4),
    )
    assert ids(store, filter) == set(expected)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("100%", "123"), (r"100\%", "1"), ("100_", "12"), ("STRA_E", "4"), ("a%z", "5"), (r"%\\%", "6"), ("%", "1234567"),
     ("", "7"), ("Σας", ""), ("%ß%", "4"), ("100", "")],
)  # fmt: skip
def test_like(store: Store, pattern: str, expected: str) -> None:
    texts = ["100%", "100x", "100\n\n", "Straße", "A\r\nz", "back\\slash", ""]
    fill(store, *(item(n, t=text) for n, text in enumerate(texts, 1)))
    where = Like(Field("t", AttributeType.TEXT), pattern)
    assert {found.id.lstrip("0") for items, _ in store.scan(where) for found in items} == set(expected)


def test_scan_comes_in_batches(store: Store) -> None:
    fill(store, *(item(n) for n in range(10)))
    store.upsert([item(n) for n in range(10, 17)], unit(7, seed=3))
    batches = list(store.scan(batch=4))
    assert [len(items) for items, _ in batches] == [4, 4, 4, 4, 1]
    assert all(vectors.shape == (len(items), DIM) for items, vectors in batches)
    assert len({found.id for items, _ in batches for found in items}) == 17


def test_a_filter_of_ten_thousand_characters(store: Store) -> None:
    fill(store, *(item(n, n=float(n)) for n in range(5)))
    assert ids(store, " or ".join(["n=3"] * 1400)) == {"3"}
    assert ids(store, "(" * 50 + "n = 3" + ")" * 50) == {"3"}
    nested = "n = 3"
    for level in range(49):
        nested = f"({nested} {('or n = 77', 'and n < 9')[level % 2]})"
    assert ids(store, nested) == {"3"}
    assert ids(store, f"n in ({', '.join(map(str, range(3, 1003)))})") == {"3", "4"}


def test_several_threads_at_once(store: Store) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(4):
                one = item(f"{number}{turn}", thread=float(number))
                store.upsert([one], unit(1, seed=number))
                assert store.known([one.id]) == {one.id}
                assert store.search(unit(1, seed=number)[0], 3)
                store.count()
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, store.count()) == ([], 16)


def test_it_can_be_used_again_after_close(store: Store) -> None:
    fill(store, item(1))
    store.close()
    assert store.count() == 1


# The same random gallery in both stores answers every random filter the same.

FIELDS = {
    "price": AttributeType.NUMBER,
    "Ärger & Co": AttributeType.TEXT,
    "in_stock": AttributeType.BOOLEAN,
    "made": AttributeType.DATE,
    "tags": AttributeType.TEXTS,
    "width": AttributeType.NUMBER,
}
TEXTS = ["", "a", "A", "ab", "a%", "a_b", "\\", "'", '"', "ß", "SS", "İ", "ς", "Σ", "日本", "a\nb", "🙈"]
DATES = [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2024, 5, 1), datetime.max]
NUMBERS = [0.0, -1.5, 1.0, 1e-300, 1e300, 2.0**53, 0.1, 100.0]
texts = st.sampled_from(TEXTS)
VALUES: dict[AttributeType, st.SearchStrategy[AttributeValue]] = {
    AttributeType.TEXT: texts,
    AttributeType.NUMBER: st.sampled_from(NUMBERS),
    AttributeType.BOOLEAN: st.booleans(),
    AttributeType.DATE: st.sampled_from(DATES),
}
TAGS = [(), ("a",), ("A", "ß"), ("", "日本"), ("a", "'", "\\")]


def predicates(name: str) -> st.SearchStrategy[Where]:
    field = Field(name, FIELDS[name])
    if field.type is AttributeType.TEXTS:
        return st.one_of(st.builds(Has, st.just(field), texts), st.just(IsNull(field)))
    value = VALUES[field.type]
    operators = st.sampled_from(
        ["=", "!="] if field.type is AttributeType.BOOLEAN else ["=", "!=", "<", "<=", ">", ">="]
    )
    kinds: list[st.SearchStrategy[Where]] = [
        st.builds(Compare, st.just(field), operators, value),
        st.builds(In, st.just(field), st.lists(value, min_size=1, max_size=4).map(tuple)),
        st.just(IsNull(field)),
    ]
    if field.type is AttributeType.TEXT:
        patterns = st.text(alphabet="aAb%_\\ßςΣ'İ\n", max_size=4)
        kinds.append(st.builds(Like, st.just(field), patterns))
    return st.one_of(kinds)


wheres: st.SearchStrategy[Where] = st.recursive(
    st.sampled_from(sorted(FIELDS)).flatmap(predicates),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


def random_items(count: int) -> list[Item]:
    draw = np.random.default_rng(7)
    pools: dict[str, Sequence[Any]] = {
        "price": NUMBERS,
        "Ärger & Co": TEXTS,
        "in_stock": [True, False],
        "made": DATES,
        "tags": TAGS,
    }

    def one(number: int) -> Item:
        kept = {name: pool[int(draw.integers(len(pool)))] for name, pool in pools.items() if draw.random() < 0.7}
        return replace(item(number, **kept), width=int(draw.integers(-1, 3)))

    return [one(number) for number in range(count)]


@pytest.fixture(scope="module", params=["plain", "indexed"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryStore, LanceStore]:
    """Both stores with the same items; "indexed" has the field indexes of a large gallery and rows outside them."""
    memory, lance = MemoryStore(DIM), LanceStore(tmp_path_factory.mktemp("pair") / "gallery", DIM)
    items, vectors = random_items(400), unit(400)
    for store in (memory, lance):
        store.upsert(items[:380], vectors[:380])
    if request.param == "indexed":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(upkeep, "INDEX_FROM_ROWS", 10)
            patch.setattr(upkeep, "_index_vectors", lambda dataset: None)  # search stays exact
            lance.maintain()
    for store in (memory, lance):
        store.upsert(items[370:], vectors[370:])
        store.delete([one.id for one in items[50:60]])
    return memory, lance


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(where=wheres, seed=st.integers(0, 1000))
def test_lance_answers_like_memory(pair: tuple[MemoryStore, LanceStore], where: Where, seed: int) -> None:
    memory, lance = pair
    query = unit(1, seed)[0]
    assert parse_where(str(where), FIELDS) == where
    assert lance.count(where) == memory.count(where)
    assert lance.search(query, 5, where) == memory.search(query, 5, where)
    assert gathered(lance, where) == gathered(memory, where)


@pytest.fixture(scope="module", params=["milvus-lite", "milvus"])
def milvus_pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MemoryStore, MilvusStore]:
    memory, milvus = MemoryStore(DIM), MAKERS[request.param](tmp_path_factory.mktemp("pair") / "gallery")
    assert isinstance(milvus, MilvusStore)
    items, vectors = random_items(400), unit(400)
    for store in (memory, milvus):
        store.upsert(items, vectors)
        store.delete([one.id for one in items[50:60]])
    return memory, milvus


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(where=wheres, seed=st.integers(0, 1000))
def test_milvus_answers_like_memory(milvus_pair: tuple[MemoryStore, MilvusStore], where: Where, seed: int) -> None:
    memory, milvus = milvus_pair
    query = unit(1, seed)[0]
    table = milvus._table()
    assert table is not None
    assert table.count(milvus._reader(table)._condition(where)) >= memory.count(where), "the server understands it"
    assert milvus.count(where) == memory.count(where)
    assert milvus.search(query, 5, where) == memory.search(query, 5, where)
    assert gathered(milvus, where) == gathered(memory, where)


def gathered(store: Store, where: Where) -> dict[str, Item]:
    return {found.id: found for items, _ in store.scan(where, batch=7) for found in items}


def test_dates_keep_utc(store: Store) -> None:
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    store.upsert([Item("1", "", 1, 1, 1, "", taken=moment)], unit(1))
    assert store.get(["1"])[0][0].taken == moment.replace(tzinfo=None)
