"""What a migration relies on, for every store: a second generation beside the first, and the switch."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from milvus_here import empty_store, forget

from bouba.errors import GalleryMissing, StoreError, StoreUnavailable
from bouba.stores import Shadow, Store, Superseded
from bouba.stores.lance import LanceStore, upkeep
from bouba.stores.memory import MemoryStore
from bouba.stores.milvus import MilvusStore
from bouba.stores.place import Place
from bouba.stores.zvec import ZvecStore
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

OLD, NEW = 8, 5
MAKERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(OLD),
    "lance": lambda folder: LanceStore(folder, OLD),
    "zvec": lambda folder: ZvecStore(folder, OLD),
    "milvus-lite": lambda folder: MilvusStore(Place.of(f"milvus://{folder}.db"), OLD),
    "milvus": lambda _: empty_store(OLD),
}


@pytest.fixture(params=MAKERS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MAKERS[request.param](tmp_path / "gallery")


@pytest.fixture
def store(empty: Store) -> Iterator[Store]:
    """Ten items, the first three with an attribute."""
    empty.write_meta({"model": "old"})
    empty.upsert([item(n, **({"price": float(n)} if n < 3 else {})) for n in range(10)], vectors(range(10), OLD))
    yield empty
    if isinstance(empty, MilvusStore):
        forget(empty)
    empty.close()


def item(number: int, **attributes: float | str) -> Item:
    return Item(f"{number:032d}", f"/p/{number}.jpg", 640, 480, 9000, "image/jpeg", attributes=attributes)


def vectors(numbers: object, dim: int) -> Vectors:
    """A vector that tells its item's number and the model."""
    rows = np.stack([np.random.default_rng([n, dim]).normal(size=dim) for n in numbers])  # type: ignore[attr-defined]
    made: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def put(store: Store, shadow: Shadow, ids: list[str]) -> None:
    if ids:
        items, _ = store.get(ids)
        shadow.put(items, vectors([int(one.id) for one in items], NEW))


def switch(store: Store) -> Store:
    with store.shadow(NEW) as shadow:
        shadow.write_meta({"model": "new"})
        with shadow.exclusive():
            put(store, shadow, shadow.sync())
            shadow.promote()
    successor = store.successor()
    assert successor is not None
    return successor


def records(store: Store) -> dict[str, tuple[Item, tuple[float, ...]]]:
    return {i.id: (i, tuple(v)) for items, rows in store.scan() for i, v in zip(items, rows.tolist(), strict=True)}


def test_without_a_gallery_there_is_nothing_to_migrate(empty: Store) -> None:
    with pytest.raises(GalleryMissing), empty.shadow(NEW):
        pass
    assert empty.successor() is None


def test_the_gallery_does_not_see_what_is_made_beside_it(store: Store) -> None:
    before = records(store)
    with store.shadow(NEW) as shadow:
        assert shadow.read_meta() is None
        shadow.write_meta({"model": "new"})
        assert sorted(shadow.sync()) == sorted(before)
        put(store, shadow, sorted(before)[:4])
        assert sorted(shadow.sync()) == sorted(before)[4:]
        shadow.maintain()
    assert (records(store), store.read_meta(), store.successor()) == (before, {"model": "old"}, None)


def test_it_waits_for_the_next_who_asks(store: Store) -> None:
    with store.shadow(NEW) as shadow:
        shadow.write_meta({"model": "new", "n": 1})
        put(store, shadow, shadow.sync()[:4])
        shadow.write_meta({"model": "new", "n": 2})
    with store.shadow(NEW) as shadow:
        assert shadow.read_meta() == {"model": "new", "n": 2}
        assert len(shadow.sync()) == 6


def test_only_one_has_it(store: Store) -> None:
    with store.shadow(NEW), pytest.raises(StoreUnavailable, match="being migrated"), store.shadow(NEW):
        pass
    with store.shadow(NEW):
        pass


def test_dropped_it_leaves_nothing(store: Store) -> None:
    before = records(store)
    with store.shadow(NEW) as shadow:
        shadow.write_meta({"model": "new"})
        put(store, shadow, shadow.sync())
        assert shadow.drop() is True
        assert shadow.drop() is False
        assert shadow.read_meta() is None
    with store.shadow(3) as shadow:  # of another length, so nothing of the first is left
        shadow.write_meta({"model": "third"})
        assert len(shadow.sync()) == 10
        shadow.put([item(1)], vectors([1], 3))
        assert len(shadow.sync()) == 9
        shadow.drop()
    assert (records(store), store.read_meta()) == (before, {"model": "old"})


def test_items_stay_and_vectors_change(store: Store) -> None:
    before, fields = records(store), store.fields()
    new = switch(store)
    after = records(new)
    assert {id: one for id, (one, _) in after.items()} == {id: one for id, (one, _) in before.items()}
    assert (new.read_meta(), new.fields(), new.successor()) == ({"model": "new"}, fields, None)
    np.testing.assert_array_equal(new.get([item(7).id])[1], vectors([7], NEW))
    assert new.search(vectors([7], NEW)[0], 1)[0].item == item(7)
    new.upsert([item(77)], vectors([77], NEW))
    assert new.count() == 11


def test_the_old_generation_still_answers_and_takes_nothing(store: Store) -> None:
    before = records(store)
    switch(store)
    assert records(store) == before
    assert store.search(vectors([7], OLD)[0], 1)[0].item == item(7)
    changes: list[Callable[[], object]] = [
        lambda: store.upsert([item(1)], vectors([1], OLD)),
        lambda: store.delete([item(1).id]),
        lambda: store.write_meta({}),
        store.read_meta,
    ]
    for change in changes:
        with pytest.raises(Superseded, match=r"migrated to another model.*open it again"):
            change()
    with pytest.raises(Superseded), store.shadow(NEW):
        pass
    store.maintain()


def test_again_and_again(store: Store) -> None:
    second = switch(store)
    with second.shadow(OLD) as shadow:
        assert (shadow.read_meta(), len(shadow.sync())) == (None, 0)
        shadow.write_meta({"model": "third"})
        assert len(shadow.sync()) == 10
        shadow.put([item(3)], vectors([3], OLD))
        with shadow.exclusive():
            shadow.promote()
    third = second.successor()
    assert third is not None
    assert (third.count(), third.read_meta()) == (1, {"model": "third"})


def test_changes_are_followed(store: Store) -> None:
    with store.shadow(NEW) as shadow:
        shadow.write_meta({"model": "new"})
        put(store, shadow, shadow.sync())
        store.delete([item(1).id, item(2).id])
        changed = [item(0, price=9.0, brand="B"), item(5, brand="A"), item(20)]
        store.upsert(changed, vectors([0, 5, 20], OLD))
        assert shadow.sync() == [item(20).id]
        put(store, shadow, [item(20).id])
        store.upsert([item(6, gone=1.0)], vectors([6], OLD))
        store.delete([item(6).id])
        assert shadow.sync() == []
        with shadow.exclusive():
            shadow.promote()
    new = store.successor()
    assert new is not None
    found, rows = new.get([one.id for one in changed])
    assert found == changed
    np.testing.assert_array_equal(rows, vectors([0, 5, 20], NEW))
    assert (new.count(), new.fields()) == (8, store.fields())


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_both_have_the_same_items(store: Store, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SMALL_FILES", 3)  # so that rows move to other files
    chance = random.Random(seed)
    for _ in range(3):  # runs of one migration
        with store.shadow(NEW) as shadow:
            if shadow.read_meta() is None:
                shadow.write_meta({"model": "new"})
            for _ in range(6):
                numbers = chance.sample(range(15), chance.randint(1, 4))
                match chance.choice(["change", "change", "delete", "maintain", "put", "put"]):
                    case "change":
                        price = float(chance.randint(0, 9))
                        store.upsert([item(n, price=price) for n in numbers], vectors(numbers, OLD))
                    case "delete":
                        store.delete([item(n).id for n in numbers])
                    case "maintain":
                        store.maintain()
                        shadow.maintain()
                    case "put":
                        put(store, shadow, shadow.sync()[:5])
    before = records(store)
    after = records(switch(store))
    assert {id: one for id, (one, _) in after.items()} == {id: one for id, (one, _) in before.items()}
    assert all(row == tuple(vectors([int(id)], NEW)[0].tolist()) for id, (_, row) in after.items())


def test_writers_wait_at_the_end_and_readers_do_not(store: Store) -> None:
    outcome: list[BaseException | None] = []

    def write() -> None:
        try:
            store.upsert([item(50)], vectors([50], OLD))
            outcome.append(None)
        except StoreError as problem:
            outcome.append(problem)

    with store.shadow(NEW) as shadow:
        shadow.write_meta({"model": "new"})
        writer = threading.Thread(target=write)
        with shadow.exclusive():
            put(store, shadow, shadow.sync())
            writer.start()
            writer.join(0.3)
            assert writer.is_alive()
            assert store.count() == 10
            shadow.promote()
        writer.join(30)
    assert [type(one) for one in outcome] == [Superseded]
    new = store.successor()
    assert new is not None
    assert new.known([item(50).id]) == set()


def test_a_failure_at_the_end_switches_nothing(store: Store) -> None:
    with store.shadow(NEW) as shadow:
        shadow.write_meta({"model": "new"})
        with pytest.raises(ValueError, match="mine"), shadow.exclusive():
            raise ValueError("mine")
    assert (store.successor(), store.read_meta()) == (None, {"model": "old"})
    store.upsert([item(50)], vectors([50], OLD))
    assert store.count() == 11
