from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import lance as lance_engine
import numpy as np
import pytest

from bouba.errors import GalleryBroken, GalleryMissing, StoreError, StoreUnavailable
from bouba.stores import open_store
from bouba.stores.lance import LanceStore, nearest, settings, upkeep
from bouba.stores.lance import folder as gallery_folder
from bouba.stores.memory import MemoryStore
from bouba.stores.where import parse_where
from bouba.types import ITEM_FIELDS, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

DIM = 8


def item(number: int, **attributes: float) -> Item:
    return Item(f"{number:032d}", f"/p/{number}.jpg", 640, 480, 9000, "image/jpeg", attributes=attributes)


def unit(count: int, dim: int = DIM, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    vectors: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return vectors


def newest(store: LanceStore) -> lance_engine.LanceDataset:
    dataset = store._table.current(at_once=True)
    assert dataset is not None
    return dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gallery of ten items."""
    store = LanceStore(tmp_path / "gallery", DIM)
    store.write_meta({"model": "m"})
    store.upsert([item(n, n=float(n)) for n in range(10)], unit(10))
    return tmp_path / "gallery"


WRITER = """
import sys
import numpy as np
from bouba.stores.lance import LanceStore
from bouba.types import Item
folder, first, batches, shared = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
store = LanceStore(folder, 8)
print("ready", flush=True)
for batch in range(batches):
    numbers = [*range(shared), *range(first + 20 * batch, first + 20 * batch + 20)]
    items = [Item(f"{n:032d}", "", 1, 1, 1, "", attributes={f"of{first}": 1.0, "both": 2.0}) for n in numbers]
    vectors = np.eye(8, dtype=np.float32)[[n % 8 for n in numbers]]
    store.upsert(items, vectors)
    print(batch, flush=True)
"""
MAINTAINER = """
import sys
from bouba.stores.lance import upkeep
from bouba.stores.lance import LanceStore
upkeep.SMALL_FILES = 2
upkeep.INDEX_FROM_ROWS = 50
upkeep.TAIL_ROWS = 10
store = LanceStore(sys.argv[1])
for _ in range(int(sys.argv[2])):
    store.maintain()
"""


def run(code: str, *arguments: object) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *sys.path])}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        _, problems = process.communicate(timeout=60)
        assert process.returncode == 0, problems


def test_it_is_there_after_reopening(folder: Path) -> None:
    store = open_store(str(folder))
    assert store.read_meta() == {"model": "m"}
    assert store.count() == 10
    hit = store.search(unit(10)[4], 1)[0]
    assert hit.item == item(4, n=4.0)
    assert hit.score == pytest.approx(1.0, abs=1e-6)
    assert store.get(["x"])[1].shape == (0, DIM)


def test_a_file_uri_and_a_tilde_name_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert open_store(f"file://{folder}").count() == 10
    assert open_store("~/gallery").count() == 10


def test_reading_the_description_imports_no_engine(folder: Path) -> None:
    code = (
        "import sys; from bouba.stores import open_store; open_store(sys.argv[1]).read_meta();"
        "assert not {'lance', 'pyarrow', 'lancedb'} & set(sys.modules)"
    )
    finish(run(code, folder))


def test_the_folder_is_a_plain_lance_table(folder: Path) -> None:
    table = lance_engine.dataset(str(folder / "items.lance"))
    assert table.schema.names == [*ITEM_FIELDS, "vector", "record", "attr_n"]


def test_another_length_of_vectors_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match="holds vectors of length 8; it was opened for length 9"):
        LanceStore(folder, 9).count()
    with pytest.raises(StoreError, match=r"\[1, 3\].*\[n, 8\]"):
        LanceStore(folder).upsert([item(1)], unit(1, dim=3))


def test_a_place_without_a_gallery(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert LanceStore(tmp_path).read_meta() is None
    assert LanceStore(tmp_path / "none").read_meta() is None
    assert not (tmp_path / "none").exists()
    with pytest.raises(GalleryMissing, match="holds no gallery"):
        LanceStore(tmp_path).count()
    with pytest.raises(StoreUnavailable, match="is a file; a gallery is a folder"):
        LanceStore(tmp_path / "notes.txt").read_meta()
    with pytest.raises(StoreError, match="length of its vectors"):
        LanceStore(tmp_path / "none").write_meta({})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 1}', '{"format": "1", "gallery": {}}', "\xff", "[" * 9999]
)
def test_a_damaged_description_is_named(folder: Path, text: str) -> None:
    (folder / "gallery.json").write_text(text, encoding="latin-1")
    with pytest.raises(GalleryBroken, match=r"gallery is damaged: gallery\.json .*backup"):
        LanceStore(folder).read_meta()


def test_a_newer_format_asks_for_an_update(folder: Path) -> None:
    (folder / "gallery.json").write_text(json.dumps({"format": 2, "gallery": {}}))
    with pytest.raises(GalleryBroken, match=r"newer bouba \(format 2; this one reads 1\). Update"):
        LanceStore(folder).read_meta()


def test_missing_parts_are_damage_not_an_empty_gallery(folder: Path) -> None:
    (folder / "gallery.json").rename(folder / "away")
    with pytest.raises(GalleryBroken, match=r"gallery\.json is missing"):
        LanceStore(folder).read_meta()
    (folder / "away").rename(folder / "gallery.json")
    (folder / "items.lance").rename(folder / "away")
    with pytest.raises(GalleryBroken, match=r"items\.lance is missing"):
        LanceStore(folder, DIM).count()


def test_a_table_whose_maker_was_killed_before_it_was_described_is_no_gallery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery_folder, "BEGINNING_S", 0.0)
    begun = LanceStore(tmp_path / "new", DIM)
    begun._table.create()
    assert begun.read_meta() is None
    again = LanceStore(tmp_path / "new", DIM)
    again.write_meta({"model": "m"})
    again.upsert([item(1)], unit(1))
    assert LanceStore(tmp_path / "new").count() == 1


@pytest.mark.parametrize("part", ["data", "_versions"])
@pytest.mark.parametrize("damage", ["empty", "noise", "gone"])
def test_damaged_items_are_named(folder: Path, part: str, damage: str) -> None:
    for path in (folder / "items.lance" / part).iterdir():
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(b"" if damage == "empty" else os.urandom(path.stat().st_size))
    with pytest.raises(GalleryBroken, match="gallery is damaged"):
        LanceStore(folder).search(unit(1)[0], 3)


def test_a_description_is_replaced_as_a_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        LanceStore(folder, DIM).write_meta({"model": "other"})
    assert LanceStore(folder).read_meta() == {"model": "m"}
    assert not list(folder.glob(".gallery-*"))


VISITOR = """
import os, sys
import numpy as np
import lance
from bouba.errors import StoreUnavailable
from bouba.stores.lance import records, table
from bouba.stores.lance import LanceStore
from bouba.types import Item
if os.geteuid() == 0:
    os.setuid(65534)
store = LanceStore(sys.argv[1])
assert store.count() == 10 and len(store.search(np.eye(8, dtype=np.float32)[0], 3)) == 3
for change in (lambda: store.upsert([Item("1", "", 1, 1, 1, "")], np.eye(8, dtype=np.float32)[:1]), store.maintain):
    try:
        change()
    except StoreUnavailable as problem:
        assert "no permission" in str(problem), problem
    else:
        raise AssertionError("this was to fail")
"""


@pytest.mark.skipif(os.name == "nt", reason="modes of folders")
def test_a_read_only_folder_is_searched_and_not_written(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:  # tmp_path is closed to others
        shutil.copytree(folder, f"{place}/gallery")
        for path in (Path(place), *Path(place).rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            finish(run(VISITOR, f"{place}/gallery"))
        finally:
            for path in (Path(place), *Path(place).rglob("*")):
                path.chmod(0o755)


def test_two_processes_write_at_once(folder: Path) -> None:
    finish(run(WRITER, folder, 1000, 4, 5), run(WRITER, folder, 2000, 4, 5))
    store = LanceStore(folder)
    assert store.count() == 10 + 2 * 80
    items = [one for batch, _ in store.scan() for one in batch]
    assert len({one.id for one in items}) == len(items)
    assert set(store.fields()) == {"n", "both", "of1000", "of2000"}


def test_a_reader_sees_another_process_within_a_second(folder: Path) -> None:
    reader = LanceStore(folder)
    assert reader.count() == 10
    finish(run(WRITER, folder, 1000, 1, 0))
    time.sleep(1)
    assert reader.count() == 30


def test_readers_and_maintainers_do_not_disturb_a_writer(folder: Path) -> None:
    others = [run(WRITER, folder, 1000, 12, 3), run(MAINTAINER, folder, 6), run(MAINTAINER, folder, 6)]
    reader = LanceStore(folder)
    counts = [reader.count()]
    while any(process.poll() is None for process in others):
        hits = reader.search(unit(1)[0], 5)
        assert len({hit.item.id for hit in hits}) == 5
        counts.append(reader.count())
        time.sleep(0.02)
    finish(*others)
    assert counts == sorted(counts)
    assert LanceStore(folder).count() == 10 + 12 * 20
    assert len(LanceStore(folder).known([item(n).id for n in range(1000, 1240)])) == 240


def test_a_killed_writer_leaves_whole_batches(folder: Path) -> None:
    writer = run(WRITER, folder, 1000, 10_000, 0)
    assert writer.stdout is not None
    while writer.stdout.readline().strip() != "3":
        assert writer.poll() is None
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    store = LanceStore(folder)
    count = store.count()
    assert count >= 10 + 4 * 20
    assert (count - 10) % 20 == 0
    store.upsert([item(7)], unit(1))  # its lock went with it
    assert store.count() == count
    assert len(store.search(unit(1)[0], 500)) == min(count, 500)


def test_small_files_are_merged_and_old_rows_dropped(folder: Path) -> None:
    store = LanceStore(folder)
    for n in range(100, 130):
        store.upsert([item(n)], unit(1, seed=n))
    before = [hit.item for hit in store.search(unit(1)[0], 50)]
    store.maintain()
    dataset = newest(store)
    assert len(dataset.get_fragments()) == 1
    assert [hit.item for hit in store.search(unit(1)[0], 50)] == before
    version = dataset.version
    store.maintain()
    assert newest(store).version == version  # nothing left to do


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[MemoryStore, LanceStore]:
    """6,000 random vectors of length 64, indexed, and the same in memory."""
    memory, lance = MemoryStore(64), LanceStore(tmp_path_factory.mktemp("large") / "gallery", 64)
    items = [item(n, price=float(n % 100), half=float(n % 2)) for n in range(6000)]
    for store in (memory, lance):
        store.upsert(items, unit(6000, 64))
    lance.maintain()
    return memory, lance


def index_names(store: LanceStore) -> set[str]:
    return {index.name for index in newest(store).describe_indices()}


@pytest.mark.parametrize("filter", [None, "price = 7", "price < 10", "half = 1", "not price between 10 and 99"])
def test_an_indexed_search_finds_what_the_exact_one_finds(
    large: tuple[MemoryStore, LanceStore], filter: str | None
) -> None:
    memory, lance = large
    assert index_names(lance) == {upkeep.VECTOR_INDEX, "id_idx", "attr_price_idx", "attr_half_idx"}
    where = parse_where(filter, lance.fields()) if filter else None
    found = 0
    for query in unit(30, 64, seed=1):
        exact, hits = memory.search(query, 100, where), lance.search(query, 10, where)
        scores = {hit.item.id: hit.score for hit in exact}
        assert [hit.score for hit in hits] == [scores.get(hit.item.id) for hit in hits]
        assert len(hits) == 10
        found += len({hit.item.id for hit in exact[:10]} & {hit.item.id for hit in hits})
    assert lance.count(where) == memory.count(where)
    assert found / 300 >= 0.95


def test_rows_outside_the_index_are_found_then_indexed(large: tuple[MemoryStore, LanceStore]) -> None:
    _, lance = large
    fresh = unit(1200, 64, seed=2)
    items = [item(n) for n in range(10_000, 11_200)]
    lance.upsert(items, fresh)
    assert lance.search(fresh[5], 1)[0].item == items[5]
    lance.maintain()
    assert lance.search(fresh[5], 1)[0].item == items[5]
    dataset = newest(lance)
    assert {index.name: len(index.segments) for index in dataset.describe_indices()}[upkeep.VECTOR_INDEX] == 1
    covered = {
        number for index in dataset.describe_indices() for part in index.segments for number in part.fragment_ids
    }
    assert covered >= {fragment.fragment_id for fragment in dataset.get_fragments()}
    assert lance.delete([one.id for one in items]) == 1200
    assert lance.search(fresh[5], 1)[0].item != items[5]


@pytest.fixture(scope="module")
def divided(large: tuple[MemoryStore, LanceStore]) -> Iterator[tuple[MemoryStore, LanceStore]]:
    """The same with an index of so many partitions that a search reads some of them only, as in a large gallery."""
    memory, lance = large
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "ROWS_PER_PARTITION", 20)
        table = lance._table
        table.commit(lambda dataset: dataset.drop_index(upkeep.VECTOR_INDEX))
        lance.maintain()
        assert nearest.probes(6000, None) < 0.4 * settings.partitions(6000)
        yield memory, lance


@pytest.mark.parametrize(("filter", "fitting"), [("price = 7", 60), ("price < 30", 1800)])
def test_of_few_items_that_fit_none_is_missed(
    divided: tuple[MemoryStore, LanceStore], filter: str, fitting: int
) -> None:
    memory, lance = divided
    where = parse_where(filter, lance.fields())
    assert memory.count(where) == fitting
    for query in unit(10, 64, seed=3):
        assert lance.search(query, 20, where) == memory.search(query, 20, where)


def test_a_filter_that_many_fit_goes_through_the_index(
    divided: tuple[MemoryStore, LanceStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, lance = divided
    monkeypatch.setattr(nearest, "FEW", 10)
    for filter in ("half = 1", "price = 7"):  # of the second, fewer fit in the partitions read than are wanted
        where = parse_where(filter, lance.fields())
        found = []
        for query in unit(10, 64, seed=4):
            exact, hits = memory.search(query, 40, where), lance.search(query, 40, where)
            assert len(hits) == 40
            found.append(len({h.item.id for h in exact} & {h.item.id for h in hits}))
        assert np.mean(found) >= 25  # of 40; one query's partitions are where k-means, unseeded, has put them


def test_what_fits_is_found_where_nothing_near_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in (
        (upkeep, "INDEX_FROM_ROWS", 2000), (settings, "ROWS_PER_PARTITION", 20),
        (nearest, "FEW", 1), (nearest, "AMPLE", 1), (nearest, "FILTERED", 1),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    vectors = unit(2000, 16)
    vectors[:, 0] = np.where(np.arange(2000) < 200, -5, 5)  # what fits is on the other side
    store = LanceStore(tmp_path / "gallery", 16)
    store.upsert([item(n, **({"far": 1.0} if n < 200 else {})) for n in range(2000)], vectors)
    store.maintain()
    where, query = parse_where("far = 1", store.fields()), np.eye(16, dtype=np.float32)[0]
    assert nearest._way(2000, 200, 9)["nprobes"] < 90 * 2000 / 20 / 100  # fewer than the partitions of the others
    best = np.lexsort((np.arange(200), -np.round(vectors[:200] @ query, 9)))[:5]
    assert [hit.item for hit in store.search(query, 5, where)] == [item(n, far=1.0) for n in best.tolist()]


def test_a_text_of_few_values_has_a_bitmap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "INDEX_FROM_ROWS", 200)
    store = LanceStore(tmp_path / "gallery", DIM)
    items = [replace(item(n), attributes={"kind": "ab"[n % 2], "title": f"photo {n}"}) for n in range(200)]
    store.upsert(items, unit(200))
    store.maintain()
    kinds = {index.name: index.index_type.lower() for index in newest(store).describe_indices()}
    assert (kinds["attr_kind_idx"], kinds["attr_title_idx"]) == ("bitmap", "btree")
    assert store.count(parse_where('kind = "a"', store.fields())) == 100


def test_files_of_medium_length_are_merged_to_full_ones_that_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, rows in (("SMALL_ROWS", 4), ("FULL_ROWS", 16), ("MEDIUM_FILES", 3)):
        monkeypatch.setattr(upkeep, name, rows)
    store = LanceStore(tmp_path / "gallery", DIM)

    def grow(first: int, last: int) -> list[int]:
        for start in range(first, last, 5):
            store.upsert([item(n) for n in range(start, start + 5)], unit(5, seed=start))
        store.maintain()
        return [fragment.metadata.physical_rows for fragment in newest(store).get_fragments()]

    assert grow(0, 10) == [5, 5]  # as yet too few to be worth it
    assert grow(10, 40) == [20, 20]
    assert grow(40, 45) == [20, 20, 5]
    grown = grow(45, 160)  # a full file of so many rows has 32
    assert max(grown) >= 32
    assert len(grown) <= 2 * upkeep.FULL_FILES
    assert store.count() == 160
