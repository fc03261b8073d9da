"""What a migration leaves in a gallery's folder, and what a kill or damage there does."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from bouba.errors import GalleryBroken, StoreUnavailable
from bouba.stores import Superseded
from bouba.stores.lance import LanceStore
from bouba.stores.lance.folder import KEEP_S
from bouba.types import Item

IDS = [f"{n:032d}" for n in range(4)]
ITEMS = [Item(id, "", 1, 1, 1, "") for id in IDS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = LanceStore(tmp_path / "gallery", 8)
    store.write_meta({"model": "old"})
    store.upsert(ITEMS, np.eye(8, dtype=np.float32)[:4])
    return tmp_path / "gallery"


def begin(store: LanceStore, rows: int = 4) -> None:
    with store.shadow(5) as shadow:
        shadow.write_meta({"model": "new"})
        shadow.put(ITEMS[:rows], np.eye(5, dtype=np.float32)[:rows])


def switch(store: LanceStore) -> None:
    begin(store)
    with store.shadow(5) as shadow, shadow.exclusive():
        shadow.promote()


def tables(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("items*.lance"))


def let_time_pass(folder: Path) -> None:
    then = time.time() - KEEP_S - 1
    os.utime(folder / "gallery.json", (then, then))


def test_model_and_table_are_named_in_one_file(folder: Path) -> None:
    begin(LanceStore(folder))
    assert json.loads((folder / "gallery.json").read_text())["table"] == "items.lance"
    coming = (folder / "next.json").read_bytes()
    switch(LanceStore(folder))
    assert (folder / "gallery.json").read_bytes() == coming
    assert json.loads(coming) == {"format": 1, "gallery": {"model": "new"}, "table": "items-2.lance"}
    assert not (folder / "next.json").exists()


def test_a_description_without_a_table_means_the_first(folder: Path) -> None:
    (folder / "gallery.json").write_text('{"format": 1, "gallery": {"model": "old"}}')
    store = LanceStore(folder)
    assert (store.read_meta(), store.count()) == ({"model": "old"}, 4)


@pytest.mark.parametrize("table", ["../x.lance", "items-1.lance", "items-02.lance", "/etc/items.lance", 3, None])
def test_a_table_of_another_name_is_damage(folder: Path, table: object) -> None:
    content = {"format": 1, "gallery": {}, "table": table}
    (folder / "gallery.json").write_text(json.dumps(content))
    with pytest.raises(GalleryBroken, match=r"gallery\.json is not a description"):
        LanceStore(folder).count()


def test_the_old_table_goes_when_nobody_can_be_reading_it(folder: Path) -> None:
    reader = LanceStore(folder)
    assert reader.count() == 4
    switch(LanceStore(folder))
    assert LanceStore(folder).count() == 4
    assert tables(folder) == ["items-2.lance", "items.lance"]
    let_time_pass(folder)
    assert LanceStore(folder).count() == 4
    assert tables(folder) == ["items-2.lance"]
    time.sleep(0.3)  # until the reader looks for a newer version
    with pytest.raises(Superseded, match="open it again"):
        reader.count()
    with pytest.raises(Superseded):
        reader.upsert(ITEMS[:1], np.eye(8, dtype=np.float32)[:1])
    assert tables(folder) == ["items-2.lance"]


def test_an_old_reader_has_its_time_after_a_migration_that_took_long(folder: Path) -> None:
    begin(LanceStore(folder))
    then = time.time() - 10 * KEEP_S
    os.utime(folder / "next.json", (then, then))
    with LanceStore(folder).shadow(5) as shadow, shadow.exclusive():
        shadow.promote()
    assert LanceStore(folder).count() == 4
    assert "items.lance" in tables(folder)


def test_maintenance_removes_the_old_table_and_leaves_a_half_made_one(folder: Path) -> None:
    switch(LanceStore(folder))
    store = LanceStore(folder)
    begin(store, 2)
    assert tables(folder) == ["items-2.lance", "items-3.lance", "items.lance"]
    let_time_pass(folder)
    store.maintain()
    assert tables(folder) == ["items-2.lance", "items-3.lance"]
    with store.shadow(5) as shadow:
        assert shadow.sync() == IDS[2:]


def test_a_kill_between_table_and_description_is_nothing_begun(folder: Path) -> None:
    begin(LanceStore(folder), 3)
    (folder / "next.json").unlink()
    with LanceStore(folder).shadow(5) as shadow:
        assert shadow.read_meta() is None
        shadow.write_meta({"model": "new"})
        assert shadow.sync() == IDS


def test_a_kill_while_cancelling_is_cleaned_up_by_cancelling_again(folder: Path) -> None:
    begin(LanceStore(folder))
    (folder / "next.json").unlink()
    with LanceStore(folder).shadow() as shadow:
        shadow.drop()
    assert tables(folder) == ["items.lance"]


def test_a_damaged_migration_is_named_and_can_be_cancelled(folder: Path) -> None:
    begin(LanceStore(folder))
    shutil.rmtree(folder / "items-2.lance" / "_versions")
    with LanceStore(folder).shadow(5) as shadow, pytest.raises(GalleryBroken, match="gallery is damaged"):
        shadow.sync()
    (folder / "next.json").write_text("{")
    with LanceStore(folder).shadow(5) as shadow:
        with pytest.raises(GalleryBroken, match=r"next\.json cannot be read"):
            shadow.read_meta()
        assert shadow.drop() is True
    store = LanceStore(folder)
    assert (store.count(), tables(folder)) == (4, ["items.lance"])


def test_a_full_disk_at_the_switch_leaves_the_gallery(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    begin(LanceStore(folder))
    monkeypatch.setattr(os, "fsync", no_space)
    with LanceStore(folder).shadow(5) as shadow, pytest.raises(StoreUnavailable, match="the disk is full"):
        shadow.write_meta({"model": "newer"})
    with LanceStore(folder).shadow(5) as shadow:
        assert shadow.read_meta() == {"model": "new"}
    assert LanceStore(folder).read_meta() == {"model": "old"}
