"""Random filters: the zvec store, with its graph and without, answers each like the reference."""

from __future__ import annotations

import random
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bouba.stores.memory import MemoryStore
from bouba.stores.where import And, Compare, Field, Has, In, IsNull, Like, Not, Or, Where
from bouba.stores.zvec import ZvecStore, index, table
from bouba.stores.zvec.facts import condition
from bouba.types import AttributeType, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

pytest.importorskip("zvec")
DIM, ITEMS = 8, 500
TEXTS = ["", "a", "A", "ab", "a%", "\\", "'", '"', "ß", "Σ", "日本", "a\nb", "x" * 150, "x" * 149 + "y", "\x00"]
VALUES: dict[str, list[Any]] = {
    "price": [0.0, -1.5, 1.0, 1e-300, 5e-324, -1e-310, 1e300, float("inf"), float("-inf"), 2.0**53, 0.1, 100.0],
    "Ärger & Co": TEXTS,
    "in_stock": [True, False],
    "made": [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(2024, 5, 1), datetime.max],
    "tags": [(), ("a",), ("A", "ß"), ("", "日本"), ("a", "'", "\\", "\x1f", '"')],
    "width": [-1.0, 0.0, 1.0, 2.0],
    "path": ["", "a", "b/c"],
    "taken": [datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 0, 1)],
}
FIELDS = {
    name: Field(name, AttributeType.NUMBER if name == "width" else AttributeType.of(values[-1]))
    for name, values in VALUES.items()
}


def random_item(chance: random.Random, number: int) -> Item:
    drawn = {name: chance.choice(values) for name, values in VALUES.items() if chance.random() < 0.7}
    own = {name: drawn.pop(name, None) for name in ("width", "path", "taken")}
    width, path = int(own["width"] or 0), own["path"] or ""
    return Item(f"{number:032d}", path, width, 1, 1, "image/png", own["taken"], "", drawn)


def random_where(chance: random.Random, depth: int = 3) -> Where:
    if depth and chance.random() < 0.6:
        operands = tuple(random_where(chance, depth - 1) for _ in range(chance.randint(2, 3)))
        return chance.choice([And(operands), Or(operands), Not(operands[0])])
    field = chance.choice(list(FIELDS.values()))
    values = VALUES[field.name]
    if field.type is AttributeType.TEXTS:
        return chance.choice([Has(field, chance.choice(["a", "ß", "", "\x1f", '"', "none"])), IsNull(field)])
    kinds: list[Where] = [In(field, tuple(chance.choices(values, k=3))), IsNull(field)]
    if field.type is AttributeType.TEXT:
        kinds.append(Like(field, chance.choice(["a%", "%b", "_", "", "%ß%", "a\\%", "%"])))
    operators = ["=", "!="] if field.type is AttributeType.BOOLEAN else ["=", "!=", "<", "<=", ">", ">="]
    kinds += [Compare(field, chance.choice(operators), chance.choice(values)) for _ in range(3)]  # type: ignore[arg-type]
    return chance.choice(kinds)


def unit(count: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    made: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


@pytest.fixture(scope="module", params=["plain", "graph"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryStore, ZvecStore]:
    memory, zvec = MemoryStore(DIM), ZvecStore(tmp_path_factory.mktemp("pair") / "gallery", DIM)
    chance = random.Random(3)
    items, vectors = [random_item(chance, n) for n in range(ITEMS)], unit(ITEMS, 0)
    for store in (memory, zvec):
        store.upsert(items[: ITEMS - 40], vectors[: ITEMS - 40])
    if request.param == "graph":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(index, "TAIL_ROWS", 10)
            zvec.maintain()
    changed = [random_item(chance, n) for n in range(ITEMS - 60, ITEMS)]
    for store in (memory, zvec):
        store.upsert(changed, vectors[ITEMS - 60 :])
        store.delete([one.id for one in items[50:60]])
    return memory, zvec


@pytest.mark.parametrize("seed", range(8))
def test_random_filters(pair: tuple[MemoryStore, ZvecStore], seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "CANDIDATES", ITEMS)  # then the graph finds all
    monkeypatch.setattr(table, "PATIENCE", 100)
    memory, zvec = pair
    chance = random.Random(seed)
    said = 0
    for turn in range(40):
        where, query = random_where(chance), unit(1, turn)[0]
        said += condition(where, zvec_slots(zvec)) is not None
        assert zvec.count(where) == memory.count(where), where
        assert zvec.search(query, 5, where) == memory.search(query, 5, where), where
        assert gathered(zvec, where) == gathered(memory, where), where
    assert said > 10


def zvec_slots(store: ZvecStore) -> dict[str, str]:
    with store._table() as opened:
        assert opened is not None
        return dict(opened.records.slots)


def gathered(store: MemoryStore | ZvecStore, where: Where) -> dict[str, Item]:
    return {found.id: found for items, _ in store.scan(where, batch=7) for found in items}


def test_a_condition_of_many_terms_is_cut_short_or_left_out() -> None:
    number, text = Field("n", AttributeType.NUMBER), Field("t", AttributeType.TEXT)
    slots = {"n": "n0"}
    many = [Compare(number, "<", float(n)) for n in range(500)]
    assert condition(Or(tuple(many)), slots) is None
    some = condition(And(tuple(many)), slots)
    assert some is not None
    assert some.count("n0") <= 100
    thousand = condition(In(text, tuple(map(str, range(1000)))), slots)
    assert thousand is not None
    assert thousand.count("contain_any") == 32
    assert condition(Compare(Field("width", AttributeType.NUMBER), ">", 3.0), slots) is None
