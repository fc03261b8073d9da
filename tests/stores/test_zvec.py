"""What is particular to galleries in a zvec index: its graph, its condition language, one process, kills and damage."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bouba.errors import GalleryBroken, GalleryMissing, StoreError, StoreUnavailable, StoreUnknown
from bouba.stores import open_store
from bouba.stores.lance import LanceStore
from bouba.stores.lance.folder import KEEP_S
from bouba.stores.memory import MemoryStore
from bouba.stores.zvec import ZvecStore, index, opened, records, table
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

pytest.importorskip("zvec")
DIM = 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "gallery"


@pytest.fixture
def store(folder: Path) -> ZvecStore:
    made = ZvecStore(folder, DIM)
    made.write_meta({"model": "m"})
    return made


def item(number: int, **attributes: float | str) -> Item:
    return Item(f"{number:032d}", f"/p/{number}.jpg", 640, 480, 9000, "image/jpeg", attributes=attributes)


def unit(count: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, DIM))
    made: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return made


def fill(store: ZvecStore, count: int, start: int = 0) -> Vectors:
    vectors = unit(count, seed=start)
    store.upsert([item(n, price=float(n % 100)) for n in range(start, start + count)], vectors)
    return vectors


def found(store: ZvecStore | MemoryStore, query: Vectors, k: int = 10) -> list[str]:
    return [hit.item.id for hit in store.search(query, k)]


def asked_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each search asks the index for, from now on."""
    asked: list[int] = []
    nearest = index.VectorIndex.nearest

    def watched(self: index.VectorIndex, query: Vectors, wanted: int, *more: object) -> object:
        asked.append(wanted)
        return nearest(self, query, wanted, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(index.VectorIndex, "nearest", watched)
    return asked


# The graph


def test_a_graph_finds_what_comparing_with_all_finds(store: ZvecStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "TAIL_ROWS", 100)
    vectors = fill(store, 3000)
    store.maintain()
    assert _graph_share(store) == 1.0
    more = fill(store, 50, start=3000)
    assert _graph_share(store) < 1.0, "too few to be worth it"
    store.maintain()
    every = np.concatenate([vectors, more])
    right = 0
    for query in unit(30, seed=5):
        best = np.argsort(-(every @ query))[:10]
        right += len(set(found(store, query)) & {item(int(n)).id for n in best})
    assert right / 300 >= 0.97
    assert found(store, more[7], 1) == [item(3007).id]


def _graph_share(store: ZvecStore) -> float:
    with store._table() as table:
        assert table is not None
        return float(table._index._table.stats.index_completeness["vector"])


def test_searches_and_writes_go_on_while_the_graph_is_made(store: ZvecStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "TAIL_ROWS", 100)
    vectors = fill(store, 4000)
    made = threading.Thread(target=store.maintain)
    made.start()
    during = 0
    while made.is_alive():
        assert found(store, vectors[during % 4000], 1) == [item(during % 4000).id]
        store.upsert([item(9000 + during)], unit(1, seed=9000 + during))
        during += made.is_alive()
    made.join()
    assert during > 3
    assert found(store, unit(1, seed=9001)[0], 1) == [item(9001).id]


def test_many_equal_vectors_are_settled_by_id(store: ZvecStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "TAIL_ROWS", 100)
    vectors = unit(400)
    vectors[100:400] = vectors[50]
    store.upsert([item(n) for n in range(399, -1, -1)], vectors[::-1])
    for _ in range(2):
        assert found(store, vectors[50]) == [item(n).id for n in (50, *range(100, 109))]
        store.maintain()


def test_a_deleted_or_replaced_row_is_never_found(store: ZvecStore) -> None:
    vectors = fill(store, 200)
    store.delete([item(n).id for n in range(100)])
    store.upsert([item(150)], -vectors[150:151])
    assert found(store, vectors[50], 200)[:1] != [item(50).id]
    assert found(store, -vectors[150], 1) == [item(150).id]
    assert len(found(store, vectors[0], 500)) == 100


def test_an_item_replaced_between_index_and_record_is_not_missed(
    store: ZvecStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = fill(store, 20)
    nearest, left = index.VectorIndex.nearest, [1]

    def meanwhile(self: index.VectorIndex, *arguments: object) -> object:
        rows = nearest(self, *arguments)  # type: ignore[arg-type]
        if left:
            left.pop()
            store.upsert([item(7, price=1.0)], vectors[7:8])
        return rows

    monkeypatch.setattr(index.VectorIndex, "nearest", meanwhile)
    assert store.search(vectors[7], 1)[0].item == item(7, price=1.0)


# Conditions


@pytest.mark.parametrize(
    "filter",
    ["price = 7", "price in (3, 4) and brand = 'B'", "made < 2001-01-01", "tags has 'red'", "lost is not null",
     "not lost is null and price >= 0", "brand in ('A', 'C') and not sale", f"id in ('{5:032d}')"],
)  # fmt: skip
def test_what_few_items_fit_is_said_to_the_index(
    store: ZvecStore, monkeypatch: pytest.MonkeyPatch, filter: str
) -> None:
    from bouba.stores.where import parse_where
    from bouba.types import ITEM_FIELDS

    memory = MemoryStore(DIM)
    for one in (store, memory):
        one.upsert([_rich(n) for n in range(600)], unit(600))
    where = parse_where(filter, {**ITEM_FIELDS, **store.fields()})
    asked = asked_rows(monkeypatch)
    for query in unit(5, seed=3):
        assert store.search(query, 3, where) == memory.search(query, 3, where)
    assert max(asked) <= 3 + table.SPARE or filter.startswith("id")


def _rich(n: int) -> Item:
    attributes: dict[str, object] = {
        "price": float(n % 100),
        "brand": "ABCD"[n % 4],
        "sale": n % 3 == 0,
        "made": datetime(1990 + n % 40, 1, 1),
        "tags": ("red",) if n % 50 == 0 else ("blue", "green"),
    }
    if n % 90 == 0:
        attributes["lost"] = "yes"
    return Item(f"{n:032d}", f"/p/{n}.jpg", 1, 1, 1, "image/jpeg", attributes=attributes)  # type: ignore[arg-type]


def test_what_the_index_cannot_be_told_is_looked_up(store: ZvecStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from bouba.stores.where import parse_where
    from bouba.types import ITEM_FIELDS

    monkeypatch.setattr(table, "PATIENCE", 50)
    vectors = fill(store, 3000)
    where = parse_where("path like '/p/1_77.jpg'", ITEM_FIELDS)
    best = sorted(range(1077, 2000, 100), key=lambda n: -float(vectors[n] @ vectors[0]))
    assert [hit.item.id for hit in store.search(vectors[0], 3, where)] == [item(n).id for n in best[:3]]


def test_more_numbers_than_the_index_has_columns_for(store: ZvecStore) -> None:
    from bouba.stores.where import parse_where

    names = [f"number{n}" for n in range(12)]
    store.upsert([item(n, **{name: float(n) for name in names}) for n in range(50)], unit(50))
    for name in names:
        where = parse_where(f"{name} >= 40 and {name} < 45", store.fields())
        assert {int(hit.item.id) for hit in store.search(unit(1)[0], 9, where)} == set(range(40, 45))


def test_too_many_attributes_are_refused(store: ZvecStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_FIELDS", 3)
    store.upsert([item(1, a=1.0, b=1.0)], unit(1))
    with pytest.raises(StoreError, match=r"4 attributes with 'c'.*3 at most"):
        store.upsert([item(2, c=1.0, d=1.0)], unit(1))
    assert (store.count(), set(store.fields())) == (1, {"a", "b"})
    store.upsert([item(2, c=1.0)], unit(1))


# One process


HOLD = """
import sys, time, numpy as np
from bouba.stores import open_store
store = open_store("zvec://" + sys.argv[1])
print(store.count(), flush=True)
time.sleep(60)
"""


def test_a_second_process_is_told_who_has_it(store: ZvecStore, folder: Path) -> None:
    fill(store, 5)
    second = subprocess.run(
        [sys.executable, "-c", HOLD, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert f"{folder} is in use by process {os.getpid()}" in second.stderr
    assert "StoreUnavailable" in second.stderr
    store.close()
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "5\n"
    for use in (store.count, lambda: fill(store, 1), store.maintain, lambda: store.search(unit(1)[0], 1)):
        with pytest.raises(StoreUnavailable, match=f"in use by process {other.pid} .*end it"):
            use()
    assert store.read_meta() == {"model": "m"}
    other.kill()
    other.wait()
    assert store.count() == 5


def test_stores_of_one_process_share_a_table_until_the_last_lets_go(store: ZvecStore, folder: Path) -> None:
    fill(store, 5)
    link = folder.parent / "link"
    link.symlink_to(folder)
    second = open_store(f"zvec://{link}")
    assert second.count() == 5
    store.close()
    fill(store, 1, start=5)
    assert second.count() == 6
    store.close()
    assert opened.is_open(folder / "items.zvec")
    del second
    gc.collect()
    assert not opened.is_open(folder / "items.zvec")


@pytest.mark.skipif(os.name == "nt", reason="fork")
def test_a_forked_process_is_refused_too(store: ZvecStore) -> None:
    fill(store, 5)
    child = os.fork()
    if child == 0:
        try:
            store.count()
        except StoreUnavailable:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert store.count() == 5


# Kills and damage


WRITE = """
import os, signal, sys, numpy as np
from bouba.stores import open_store
from bouba.types import Item
store = open_store("zvec://" + sys.argv[1], 16)
store.write_meta({"model": "m"})
rng = np.random.default_rng(1)
for turn in range(40):
    ids = [f"{(turn * 20 + n) % 500:032d}" for n in range(30)]
    store.upsert([Item(id, "", 1, 1, 1, "", attributes={"turn": float(turn)}) for id in ids],
                 rng.normal(size=(30, 16)).astype(np.float32))
    store.delete(ids[:3])
    print(turn, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("after", [3, 17, 40])
def test_what_a_write_returned_from_survives_a_kill(folder: Path, after: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITE, str(folder)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    last = -1
    for line in writer.stdout:
        last = int(line)
        if last + 1 == after:
            writer.kill()
    writer.wait()
    again = ZvecStore(folder)
    kept = {one.id: one.attributes["turn"] for items, _ in again.scan() for one in items}
    # A turn writes 30 ids and deletes the first 3; what comes next may have deleted 3 of them when it was killed.
    assert all(kept[_id(last, n)] >= last for n in range(3, 30) if n not in (20, 21, 22))
    assert not {_id(last, n) for n in range(3)} & set(kept)
    _, vectors = again.get(list(kept))
    assert {hit.item.id for hit in again.search(vectors[0], 1000)} == set(kept)
    with again._table() as table, table.reader() as reader:  # type: ignore[union-attr]
        nearest, _ = table._index.nearest(vectors[0], 2000, None, 500)  # type: ignore[union-attr]
        assert set(reader.by_row(nearest, None).ids) == set(kept), "the index has all of them"


def _id(turn: int, n: int) -> str:
    return f"{(turn * 20 + n) % 500:032d}"


def test_a_write_that_fails_in_the_index_leaves_nothing(store: ZvecStore, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = fill(store, 10)

    def broken(*_: object) -> None:
        raise RuntimeError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(index.VectorIndex, "put", broken)
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            store.upsert([item(3, new="x"), item(70)], unit(2, seed=4))
    assert (store.count(), set(store.fields())) == (10, {"price"})
    assert store.get([item(3).id])[0] == [item(3, price=3.0)]
    store.upsert([item(70, new="x")], unit(1, seed=4))
    assert found(store, unit(1, seed=4)[0], 1) == [item(70).id]
    assert found(store, vectors[3], 1) == [item(3).id]


def test_a_lost_index_is_made_anew_and_a_damaged_one_is_named(store: ZvecStore, folder: Path) -> None:
    vectors = fill(store, 30)
    store.delete([item(5).id])
    store.close()
    place = folder / "items.zvec" / "index"
    for manifest in place.glob("manifest*"):
        manifest.write_bytes(b"nothing")
    with pytest.raises(GalleryBroken, match=r"items\.zvec/index is damaged.*Delete that one folder"):
        store.count()
    shutil.rmtree(place)
    assert store.count() == 29
    assert found(store, vectors[7], 1) == [item(7).id]


def test_a_missing_description_or_table_is_damage(store: ZvecStore, folder: Path) -> None:
    fill(store, 3)
    store.close()
    (folder / "gallery.json").rename(folder / "away")
    with pytest.raises(GalleryBroken, match=r"gallery\.json is missing"):
        ZvecStore(folder).read_meta()
    (folder / "away").rename(folder / "gallery.json")
    shutil.rmtree(folder / "items.zvec")
    with pytest.raises(GalleryBroken, match=r"items\.zvec is missing"):
        ZvecStore(folder).count()


def test_records_that_are_damaged_are_named(store: ZvecStore, folder: Path) -> None:
    fill(store, 3)
    store.close()
    (folder / "items.zvec" / "records.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(GalleryBroken, match="is damaged: file is not a database"):
        ZvecStore(folder).count()
    with pytest.raises(GalleryBroken):
        ZvecStore(folder).count()


def test_galleries_of_the_two_stores_are_told_apart(tmp_path: Path, store: ZvecStore) -> None:
    lance = LanceStore(tmp_path / "lance", DIM)
    lance.write_meta({"model": "m"})
    with pytest.raises(StoreError, match=r"another store \(items\.lance\)\. Open it as file://"):
        open_store(f"zvec://{tmp_path / 'lance'}").read_meta()


# Opening


def test_where_nothing_is_nothing_is_made(tmp_path: Path) -> None:
    store = open_store(f"zvec://{tmp_path / 'none'}")
    with pytest.raises(GalleryMissing, match="holds no gallery"):
        store.count()
    assert not (tmp_path / "none").exists()


def test_another_length_is_refused_with_both(store: ZvecStore, folder: Path) -> None:
    fill(store, 1)
    store.close()
    with pytest.raises(StoreError, match=r"length 16.*opened for length 8"):
        ZvecStore(folder, 8).count()


def test_memory_is_a_setting(folder: Path) -> None:
    store = open_store(f"zvec://{folder}?memory=300MB", DIM)
    store.upsert([item(1)], unit(1))
    assert store.search(unit(1)[0], 1)[0].item == item(1)
    with store._table() as table:  # type: ignore[attr-defined]
        assert table._index._table.option.enable_mmap is False
    for size in ("much", "0MB", "5"):
        with pytest.raises(StoreUnknown, match=r"such as 500MB or 2GB"):
            open_store(f"zvec://{folder}?memory={size}")
    with pytest.raises(StoreUnknown, match="no option 'size'; it has memory"):
        open_store(f"zvec://{folder}?size=1")


def test_without_the_package_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zvec", None)
    with pytest.raises(StoreUnavailable, match=r"pip install 'bouba\[zvec\]'"):
        ZvecStore(folder, DIM).write_meta({})


def test_old_generations_go_once_nobody_reads_them(store: ZvecStore, folder: Path) -> None:
    fill(store, 4)
    with store.shadow(8) as shadow:
        shadow.write_meta({"model": "new"})
        shadow.put([item(1)], np.eye(8, dtype=np.float32)[:1])
        with shadow.exclusive():
            shadow.promote()
    new = store.successor()
    assert new is not None
    then = time.time() - KEEP_S - 1
    os.utime(folder / "gallery.json", (then, then))
    new.maintain()
    assert _tables(folder) == ["items-2.zvec", "items.zvec"], "the first is still open"
    assert store.count() == 4
    store.close()
    new.maintain()
    assert _tables(folder) == ["items-2.zvec"]
    with pytest.raises(StoreUnavailable, match="migrated to another model"):
        store.count()


def _tables(folder: Path) -> Sequence[str]:
    return sorted(path.name for path in folder.glob("*.zvec"))


def test_a_migration_can_be_cancelled_whatever_is_left_of_it(store: ZvecStore, folder: Path) -> None:
    fill(store, 4)
    with store.shadow(8) as shadow:
        shadow.write_meta({"model": "new"})
    shutil.rmtree(folder / "items-2.zvec")
    with store.shadow(8) as shadow:
        with pytest.raises(GalleryBroken, match="Cancel the migration"):
            shadow.sync()
        assert shadow.drop() is True
    assert (store.count(), _tables(folder)) == (4, ["items.zvec"])


BUSY = """
import sys, threading, numpy as np
from bouba.stores import open_store
from bouba.stores.zvec import index
from bouba.types import Item
index.TAIL_ROWS = 100
store = open_store("zvec://" + sys.argv[1], 32)
rng = np.random.default_rng(0)

def add(start, count):
    items = [Item(f"{n:032d}", "", 1, 1, 1, "") for n in range(start, start + count)]
    store.upsert(items, rng.normal(size=(count, 32)).astype(np.float32))

add(0, 600)
store.maintain()
add(600, 300)  # now there are two segments
query = np.ones(32, np.float32)

def ask():
    for _ in range(15):
        assert len(store.search(query, 10)) == 10

threads = [threading.Thread(target=ask) for _ in range(12)]
for thread in threads:
    thread.start()
for start in range(1000, 1500, 50):
    add(start, 50)
store.maintain()
for thread in threads:
    thread.join()
store.close()
"""


@pytest.mark.parametrize("threads", ["1", ""])
def test_searches_in_two_segments_end_on_a_small_machine(folder: Path, threads: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": threads} if threads else dict(os.environ)
    command = [sys.executable, "-c", BUSY, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_much_that_was_removed_is_forgotten(store: ZvecStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "TAIL_ROWS", 100)
    fill(store, 1000)
    store.maintain()
    made: list[object] = []
    optimize = type(_engine_table(store)).optimize
    monkeypatch.setattr(type(_engine_table(store)), "optimize", lambda self: (made.append(1), optimize(self)))
    store.delete([item(n).id for n in range(300)])
    store.maintain()
    assert not made
    store.delete([item(n).id for n in range(300, 500)])
    store.maintain()
    store.maintain()
    assert len(made) == 1
    assert len(found(store, unit(1)[0], 1000)) == 500


def _engine_table(store: ZvecStore) -> Any:
    with store._table() as table:
        assert table is not None
        return table._index._table
