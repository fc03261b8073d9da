"""What is particular to galleries on Milvus, on the real server and in a Lite file."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from milvus_here import new_place, running

from bouba.errors import GalleryMissing, StoreError, StoreUnavailable
from bouba.stores.milvus import MilvusStore, connection, reading, schema, store, table
from bouba.stores.place import Place
from bouba.stores.where import parse_where
from bouba.types import ITEM_FIELDS, AttributeType, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

DIM = 4


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(params=["milvus-lite", "milvus"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_place() if request.param == "milvus" else f"milvus://{tmp_path}/demo.db?collection=g"


Opener = Callable[..., MilvusStore]


@pytest.fixture
def opened() -> Iterator[Opener]:
    """opened(place, dim=DIM): a store that is closed at the end."""
    stores: list[MilvusStore] = []

    def opened(place: str, dim: int | None = DIM) -> MilvusStore:
        stores.append(MilvusStore(Place.of(place), dim))
        return stores[-1]

    yield opened
    for one in stores:
        one.close()


def item(number: int, **attributes: float | str) -> Item:
    return Item(f"{number:032d}", f"/p/{number}.jpg", 640, 480, 9000, "image/jpeg", attributes=attributes)


def vectors(count: int, seed: int = 0) -> Vectors:
    made: Vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return made


def noise(characters: int) -> str:
    """Text that does not compress."""
    return "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz0123456789äöü日本語", k=characters))


def test_long_records_come_back_whole_and_too_long_ones_are_refused(opened: Opener, place: str) -> None:
    one = opened(place)
    long = item(1, caption=noise(300_000))
    one.upsert([long, item(2)], vectors(2))
    assert one.get([long.id])[0] == [long]
    fields = {**ITEM_FIELDS, "caption": AttributeType.TEXT}
    assert one.count(parse_where(f"caption = '{long.attributes['caption'][:200]}'", fields)) == 0  # type: ignore[index]
    with pytest.raises(StoreError, match=r"its record takes 1,1\d\d,\d\d\d characters; Milvus keeps 1,024,000"):
        one.upsert([item(3), item(4, caption=noise(1_100_000))], vectors(2))
    with pytest.raises(StoreError, match=r"what can be filtered on of it takes .* Milvus keeps 65,000"):
        one.upsert([item(5, **{f"a{n}": "x" * 100 for n in range(400)})], vectors(1))
    assert one.count() == 2


def test_a_long_description_is_kept_and_a_too_long_one_refused(opened: Opener, place: str) -> None:
    one = opened(place)
    long = {"concepts": noise(600_000)}
    one.write_meta(long)
    assert opened(place).read_meta() == long
    with pytest.raises(StoreError, match=r"description takes .* bytes, Milvus keeps 1,000,000"):
        one.write_meta({"concepts": noise(1_500_000)})
    assert one.read_meta() == long


def test_answers_that_do_not_fit_into_one_message_come_in_parts(
    opened: Opener, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened(place)
    items = [item(n, caption=noise(200)) for n in range(50)]
    one.upsert(items, vectors(50))
    asked = table.Table._query

    def short(self: table.Table, expression: str, fields: object, options: object, strong: bool) -> object:
        rows = asked(self, expression, fields, options, strong)  # type: ignore[arg-type]
        if len(rows) > 7:
            raise connection.TooBig("too big")
        return rows

    monkeypatch.setattr(table.Table, "_query", short)
    assert sorted(found.id for batch, _ in one.scan() for found in batch) == [one.id for one in items]
    assert one.get([one.id for one in items])[0] == items
    monkeypatch.setattr(table, "SEND_BYTES", 3000)
    one.upsert([item(n) for n in range(40, 60)], vectors(20))
    assert one.count() == 60


def test_more_hits_than_a_search_can_give(opened: Opener, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_HITS", 20)
    one = opened(place)
    rows = vectors(60)
    one.upsert([item(n, price=float(n)) for n in range(60)], rows)
    best = [f"{n:032d}" for n in np.argsort(-(rows @ rows[0]))]
    assert [found.item.id for found in one.search(rows[0], 40)] == best[:40]
    dear = parse_where("price >= 50", {**ITEM_FIELDS, **one.fields()})
    assert [found.item.id for found in one.search(rows[0], 40, dear)] == [id for id in best if int(id) >= 50]


def test_two_stores_that_change_the_description_lose_no_change(opened: Opener, place: str) -> None:
    first, second = opened(place), opened(place)
    first.write_meta({"a": 0, "b": 0})

    def often(one: MilvusStore, name: str) -> None:
        for _ in range(10):
            one.update_meta(lambda meta: {**meta, name: meta[name] + 1})

    threads = [threading.Thread(target=often, args=pair) for pair in ((first, "a"), (second, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.read_meta() == {"a": 10, "b": 10}


def test_a_change_from_another_machine_is_noticed_and_done_over(opened: Opener, place: str) -> None:
    """Another machine has no part in this one's lock: here it writes between our writing and our look."""
    one = opened(place)
    one.write_meta({"n": 0, "theirs": 0})
    interrupted = [True]
    write = one._catalog.write_meta

    def meanwhile(collection: str, meta: dict[str, int], stamp: str) -> None:
        write(collection, meta, stamp)
        if interrupted:
            interrupted.clear()
            write(collection, {"n": 0, "theirs": 1}, "another")

    one._catalog.write_meta = meanwhile  # type: ignore[method-assign, assignment]
    one.update_meta(lambda meta: {**meta, "n": meta["n"] + 1})
    assert one.read_meta() == {"n": 1, "theirs": 1}


def test_what_another_store_wrote_is_seen(opened: Opener, place: str) -> None:
    first, second = opened(place), opened(place)
    first.upsert([item(1)], vectors(1))
    assert second.count() == 1
    first.upsert([item(2)], vectors(1))
    time.sleep(1.0)  # the promise for a store that read before
    assert second.count() == 2
    with pytest.raises(GalleryMissing, match="holds no gallery"):
        opened(place.replace("gallery", "other").replace("=g", "=other"), dim=None).count()


def test_earlier_generations_go_when_nobody_can_be_reading_them(
    opened: Opener, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = opened(place)
    one.write_meta({"model": "old"})
    one.upsert([item(1)], vectors(1))
    with one.shadow(3) as shadow:
        shadow.write_meta({"model": "new"})
        shadow.put([item(1)], np.ones((1, 3), np.float32))
        with shadow.exclusive():
            shadow.promote()
    one._looked = 0.0
    new = one.successor()
    assert new is not None
    assert new.count() == 1
    new.maintain()
    assert one.count() == 1
    monkeypatch.setattr(store, "KEEP_S", -1.0)
    new.maintain()
    assert (new.count(), new._catalog.describe(one._table().collection)) == (1, None)  # type: ignore[union-attr]
    new.close()


def test_a_collection_of_somebody_else_is_left_alone(opened: Opener, place: str) -> None:
    one = opened(place)
    client = one._connection._opened()
    client.create_collection(one._address.name, dimension=DIM)
    for use in (one.read_meta, lambda: one.upsert([item(1)], vectors(1))):
        with pytest.raises(StoreError, match="bouba did not make"):
            use()
    client.drop_collection(one._address.name)


def test_an_index_is_what_was_asked_for_or_refused(opened: Opener, place: str) -> None:
    joint = "&" if "?" in place else "?"
    one = opened(f"{place}{joint}index=ivf_sq8")
    one.upsert([item(1)], vectors(1))
    assert one._table().index_type == "IVF_SQ8"  # type: ignore[union-attr]
    assert opened(place)._stored_dim() == DIM


def test_lite_is_not_believed_that_it_builds_everything(opened: Opener, tmp_path: Path) -> None:
    one = opened(f"milvus://{tmp_path}/demo.db?index=diskann")
    with pytest.raises(StoreError, match="Milvus Lite has no DISKANN index"):
        one.upsert([item(1)], vectors(1))
    opened(f"milvus://{tmp_path}/demo.db?index=hnsw_sq").upsert([item(1)], vectors(1))


def test_a_server_is_not_believed_that_it_builds_everything(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r"Milvus 2\.3\.5 has no HNSW_SQ index"):
        opened(f"{new_place()}?index=hnsw_sq").upsert([item(1)], vectors(1))
    monkeypatch.setattr(schema, "TRIAL_S", 3.0)
    refused = opened(f"{new_place()}?index=diskann")
    with pytest.raises(StoreError, match="takes the index DISKANN, but has not built it"):
        refused.upsert([item(1)], vectors(1))
    monkeypatch.setattr(schema, "NEEDED_VERSION", (9, 0))
    with pytest.raises(StoreError, match=r"the server is Milvus 2\.3\.5; bouba needs"):
        opened(new_place()).upsert([item(1)], vectors(1))
    left = refused._connection.call(lambda client: client.list_collections())
    assert not [name for name in left if name.startswith("bouba_trial_")]


def test_a_released_collection_is_loaded_again(opened: Opener) -> None:
    one = opened(new_place())
    one.upsert([item(1)], vectors(1))
    assert one.count() == 1
    one._connection.call(lambda client: client.release_collection(one._table().collection))  # type: ignore[union-attr]
    assert one.count() == 1


def test_databases_do_not_see_each_other(opened: Opener) -> None:
    server = running().uri
    with pytest.raises(StoreUnavailable, match=r"Milvus refuses.*database"):
        opened(f"{server}/g?db=nowhere").read_meta()
    here = opened(f"{server}/twice")
    here._connection._opened().create_database("shop")
    there = opened(f"{server}/twice?db=shop")
    for one in (here, there):
        one.write_meta({"model": "old"})
        one.upsert([item(1)], vectors(1))
    with there.shadow(3) as shadow:
        shadow.write_meta({"model": "new"})
        with shadow.exclusive():
            shadow.promote()
    for one in (here, there):
        one._looked = 0.0
    new = there.successor()
    assert new is not None
    assert (new.read_meta(), here.read_meta(), here.successor()) == ({"model": "new"}, {"model": "old"}, None)
    new.close()


@pytest.mark.parametrize("level", ["strong", "bounded", "eventually"])
def test_another_level_of_consistency(opened: Opener, level: str) -> None:
    one = opened(f"{new_place()}?consistency={level}")
    one.upsert([item(1)], vectors(1))
    deadline = time.monotonic() + 30  # all but "strong" may see it later; "bounded" is 5 s behind
    while level != "strong" and one.count() == 0:
        assert time.monotonic() < deadline
    assert one.count() == 1


def test_wrong_dimensions_are_refused(opened: Opener, place: str) -> None:
    opened(place).upsert([item(1)], vectors(1))
    with pytest.raises(StoreError, match=r"holds vectors of length 4; it was opened for length 5"):
        opened(place, 5).count()
    with pytest.raises(StoreError, match="2 to 32,768 numbers"):
        opened(f"{place.replace('gallery', 'long').replace('=g', '=long')}", 40_000).write_meta({})


def test_without_pymilvus_the_message_names_the_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pymilvus'] = None; from bouba.cli import main; main()"
    search = [sys.executable, "-c", code, "info", "-g", f"milvus://{tmp_path}/demo.db"]
    done = subprocess.run(search, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "pip install 'bouba[milvus]'" in done.stderr
    assert "Traceback" not in done.stderr
