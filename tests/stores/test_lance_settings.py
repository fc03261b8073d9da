"""The options of a Lance gallery's URI, and what follows from a gallery's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bouba.errors import StoreUnknown
from bouba.stores import open_store
from bouba.stores.lance import LanceStore, Settings, keeper, nearest, settings, upkeep
from bouba.types import Item

ROWS = 256


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery that is large enough for an index."""
    monkeypatch.setattr(upkeep, "INDEX_FROM_ROWS", ROWS)
    rows = np.random.default_rng(0).normal(size=(ROWS, 16)).astype(np.float32)
    store = LanceStore(tmp_path / "gallery", 16)
    store.write_meta({})
    store.upsert([Item(f"{n:032d}", "", 1, 1, 1, "") for n in range(ROWS)], rows)
    store.maintain()
    return tmp_path / "gallery"


def bits(place: Path) -> int:
    dataset = LanceStore(place)._table.current()
    assert dataset is not None
    details = [index.details for index in dataset.describe_indices() if index.name == upkeep.VECTOR_INDEX]
    return int(details[0]["compression"]["num_bits"])


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512_000_000), ("1.5 GiB", 3 << 29), ("64mib", 64 << 20), ("20000000", 20_000_000)]
)
def test_memory_is_a_size(text: str, size: int) -> None:
    held = Settings.of({"memory": text}, "file:///g")
    assert held.memory == size
    assert sum(held.caches().values()) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "1KB", "512 M", "1e9"])
def test_a_memory_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnknown, match=r"memory is .*; give a size of at least 16MiB, such as 512MB"):
        open_store(f"file://{tmp_path}/g?memory={text}")


def test_without_it_the_engine_decides() -> None:
    assert Settings.of({}, "").caches() == {}


def test_the_cache_of_the_index_keeps_to_it(place: Path) -> None:
    store = open_store(f"file://{place}?memory=16MiB")
    assert isinstance(store, LanceStore)
    assert len(store.search(np.ones(16, np.float32), 5)) == 5
    dataset = store._table.current()
    assert dataset is not None
    assert 0 < dataset.session().size_bytes() < 16 << 20


def test_codes_are_those_asked_for_from_then_on(place: Path) -> None:
    assert bits(place) == 4
    open_store(f"file://{place}?codes=8").maintain()
    assert bits(place) == 8
    query = np.ones(16, np.float32)
    before = [hit.item.id for hit in open_store(str(place)).search(query, 5)]
    open_store(str(place)).maintain()  # without the option: as before
    assert bits(place) == 8
    assert [hit.item.id for hit in open_store(f"file://{place}?codes=1").search(query, 5)] == before


@pytest.mark.parametrize("codes", ["3", "16", "four", ""])
def test_other_codes_are_refused(codes: str, tmp_path: Path) -> None:
    with pytest.raises(StoreUnknown, match=r"codes is .* one of \(1, 2, 4, 8\)"):
        open_store(f"file://{tmp_path}/g?codes={codes}")


def test_another_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnknown, match=r"no option 'index'; it has memory, codes"):
        open_store(f"file://{tmp_path}/g?index=hnsw")


def test_partitions_and_probes_grow_with_the_gallery() -> None:
    sizes = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    assert [settings.partitions(n) for n in sizes] == [1, 5, 50, 500, 5000]
    read = [nearest.probes(n, None) for n in sizes]
    shares = [min(1.0, p / settings.partitions(n)) for p, n in zip(read, sizes, strict=True)]
    assert read == sorted(read)
    assert shares == [1, 1, pytest.approx(0.64), pytest.approx(0.18), pytest.approx(0.0566)]
    assert nearest.probes(1_000_000, 9_000) > nearest.probes(1_000_000, 11_000) > nearest.probes(1_000_000, None)


@pytest.mark.parametrize("rows", [1, 16])
def test_large_upkeep_runs_in_a_process_of_its_own(place: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(keeper, "BULK_ROWS", 16)
    monkeypatch.setattr(keeper, "HEAVY_ROWS", ROWS)
    monkeypatch.setattr(upkeep, "tend", lambda *_: pytest.fail("this was to run elsewhere"))
    store = LanceStore(place, settings=Settings(codes=8))
    store.upsert([Item(f"{n:032d}", "", 1, 1, 1, "") for n in range(rows)], np.ones((rows, 16), np.float32))
    store.maintain()
    process = store._keeper._process
    assert process is not None
    waited = process.poll() is not None
    assert process.wait(60) == 0
    assert waited or rows == 1  # who wrote one item does not wait for the upkeep of all


def test_large_upkeep_that_fails_elsewhere_is_done_in_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "HEAVY_ROWS", ROWS)
    monkeypatch.setattr(keeper, "_start", lambda *_: keeper.subprocess.Popen(["false"]))
    LanceStore(place, settings=Settings(codes=8)).maintain()
    assert bits(place) == 8


def test_where_no_process_starts_it_is_done_in_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "HEAVY_ROWS", ROWS)
    monkeypatch.setattr(keeper.sys, "executable", "")
    LanceStore(place, settings=Settings(codes=8)).maintain()
    assert bits(place) == 8


def test_commits_begin_upkeep_by_themselves(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "HEAVY_ROWS", ROWS)
    store = LanceStore(place, settings=Settings(codes=8))
    for n in range(keeper.LOOK_COMMITS):
        assert store._keeper._process is None
        store.upsert([Item(f"{n:032d}", "", 1, 1, 1, "")], np.ones((1, 16), np.float32))
    process = store._keeper._process
    assert process is not None
    assert process.wait(60) == 0
