"""A gallery as Parquet: for other programs to read, and whole or refused when it is read back."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from copied_gallery import contents, fill
from tiny_model import DIM

import bouba
from bouba.copying import copy
from bouba.encoders import Model
from bouba.errors import BoubaError, GalleryBroken, GalleryMissing, StoreError, StoreUnavailable
from bouba.export import export_parquet

ITEMS = 60
MANIFEST = "_bouba.json"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouba.copying.stored.SCAN_ROWS", 8)
    monkeypatch.setattr("bouba.copying.parquet.folder.PART_ROWS", 16)


@pytest.fixture
def source(tmp_path: Path, tiny_model: Model) -> Path:
    fill(tmp_path / "source", tiny_model, ITEMS)
    return tmp_path / "source"


@pytest.fixture
def archive(source: Path, tmp_path: Path) -> Path:
    copy(source, tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


@pytest.fixture
def exported(source: Path, tmp_path: Path) -> Path:
    with bouba.open(source) as gallery:
        assert export_parquet(gallery, tmp_path / "one.parquet") == ITEMS
    return tmp_path / "one.parquet"


def test_other_programs_read_it(archive: Path, source: Path) -> None:
    """The folder is one table, whose vectors are the unit vectors."""
    table = pq.read_table(archive)
    assert table.num_rows == ITEMS
    assert {"id", "path", "taken", "title", "tags", "price in €.cent", "vector", "bias", "thumbnail", "files"} <= set(
        table.column_names
    )
    assert table["vector_"].to_pylist().count("an attribute") == ITEMS // 5
    vectors = np.array(table["vector"].to_pylist(), np.float32)
    assert vectors.shape == (ITEMS, DIM)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert sum(jpeg is not None for jpeg in table["thumbnail"].to_pylist()) == ITEMS // 2
    assert table.schema.metadata[b"bouba.model"] == b"tiny 0.1"


def test_an_export_is_a_gallery_without_thumbnails(exported: Path, source: Path, tmp_path: Path) -> None:
    report = copy(exported, tmp_path / "back")
    assert (report.items, report.thumbnails, report.files) == (ITEMS, 0, 0)
    here, there = contents(source), contents(tmp_path / "back")
    assert here["meta"] == there["meta"]
    assert {id: one[:2] for id, one in here["items"].items()} == {id: one[:2] for id, one in there["items"].items()}


def test_an_export_of_some_items(source: Path, tmp_path: Path) -> None:
    with bouba.open(source) as gallery:
        cheap = {item.id for item in gallery.items("price < 2")}
        assert export_parquet(gallery, tmp_path / "cheap.parquet", "price < 2") == len(cheap) == 2 * ITEMS // 5
    copy(tmp_path / "cheap.parquet", tmp_path / "cheap")
    assert set(contents(tmp_path / "cheap")["items"]) == cheap


def test_an_export_of_a_gallery_that_nothing_was_added_to(tmp_path: Path, tiny_model: Model) -> None:
    with bouba.open("memory://", tiny_model) as gallery:
        assert export_parquet(gallery, tmp_path / "none.parquet") == 0
    assert copy(tmp_path / "none.parquet", tmp_path / "none").items == 0


def test_an_export_appears_whole_or_not_at_all(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bouba.open(source) as gallery:
        with pytest.raises(StoreUnavailable, match=r"such\.parquet cannot be written"):
            export_parquet(gallery, tmp_path / "no" / "such.parquet")
        monkeypatch.setattr(pq.ParquetWriter, "write_table", _full_disk)
        with pytest.raises(StoreUnavailable, match="No space left"):
            export_parquet(gallery, tmp_path / "full.parquet")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def _full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_while_copying(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(pq.ParquetWriter, "write_table", _full_disk)
        with pytest.raises(StoreUnavailable, match=r"part-00000\.parquet cannot be written: No space left"):
            copy(source, tmp_path / "a.parquet")
    assert copy(source, tmp_path / "a.parquet").items == ITEMS
    assert not list((tmp_path / "a.parquet").glob("*.partial"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_file(exported: Path, tmp_path: Path, share: float) -> None:
    data = exported.read_bytes()
    exported.write_bytes(data[: int(share * len(data))])
    _refused(exported, tmp_path)


def test_any_byte_that_changed(exported: Path, tmp_path: Path) -> None:
    """Found by the checksums of pages or of items, or as it makes no sense; never taken for good."""
    copy(exported, tmp_path / "good")
    good = contents(tmp_path / "good")["items"]
    data = exported.read_bytes()
    rng = np.random.default_rng(0)
    for place in [4, len(data) - 6, *rng.integers(0, len(data), 60).tolist()]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        exported.write_bytes(damaged)
        with contextlib.suppress(BoubaError):
            copy(exported, tmp_path / f"back{place}")
            # Not refused: a part of the footer that says nothing of the items.
            assert contents(tmp_path / f"back{place}")["items"] == good


def test_a_part_that_was_cut(archive: Path, tmp_path: Path) -> None:
    part = sorted(archive.glob("*.parquet"))[2]
    part.write_bytes(part.read_bytes()[:-50])
    _refused(archive, tmp_path, part.name)


def test_items_that_are_not_those_of_the_checksum(exported: Path, tmp_path: Path) -> None:
    """Somebody wrote the file again with another program, which kept the metadata."""
    table = pq.read_table(exported)
    with pq.ParquetFile(exported) as file:
        footer = file.metadata.metadata
    schema = table.schema.with_metadata({**table.schema.metadata, **footer})
    pq.write_table(table.slice(1).cast(schema), exported)
    _refused(exported, tmp_path, "its items are not those of its checksum")


def test_parts_that_are_missing_or_strange(archive: Path, exported: Path, tmp_path: Path) -> None:
    strange = exported.rename(archive / "part-99999.parquet")
    _refused(archive, tmp_path, "part-99999.parquet is not one of its files")
    strange.unlink()
    (archive / "part-00001.parquet").unlink()
    _refused(archive, tmp_path, "part-00001.parquet is missing")


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 1, "gallery": 3, "parts": []}'])
def test_a_damaged_description(archive: Path, tmp_path: Path, text: str) -> None:
    (archive / MANIFEST).write_text(text)
    _refused(archive, tmp_path, MANIFEST)


def test_a_newer_format(archive: Path, tmp_path: Path) -> None:
    content = json.loads((archive / MANIFEST).read_text())
    (archive / MANIFEST).write_text(json.dumps({**content, "format": 2}))
    _refused(archive, tmp_path, "newer bouba")


def test_parquet_of_something_else(archive: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["http://a/b.jpg"]}), tmp_path / "list.parquet")
    with pytest.raises(StoreError, match=r"list\.parquet is not a gallery.*bouba add"):
        copy(tmp_path / "list.parquet", tmp_path / "back")
    (archive / MANIFEST).unlink()
    with pytest.raises(StoreError, match=rf"no {MANIFEST}"):
        copy(archive, tmp_path / "back")
    (tmp_path / "text.parquet").write_text("hello")
    _refused(tmp_path / "text.parquet", tmp_path)


def test_what_is_there_is_never_overwritten(source: Path, archive: Path, exported: Path, tmp_path: Path) -> None:
    before = exported.read_bytes()
    with pytest.raises(StoreError, match="is there already"):
        copy(source, exported)
    assert exported.read_bytes() == before
    with pytest.raises(StoreError, match="holds a gallery already"):
        copy(source, archive)
    (tmp_path / "notes.parquet").mkdir()
    (tmp_path / "notes.parquet" / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="has other files in it"):
        copy(source, tmp_path / "notes.parquet")


def test_from_parquet_to_parquet(archive: Path, source: Path, tmp_path: Path) -> None:
    copy(archive, tmp_path / "b.parquet")
    copy(tmp_path / "b.parquet", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)


def test_an_attribute_that_came_late(source: Path, tmp_path: Path, tiny_model: Model) -> None:
    """After a stop the parts that are written next have a column more."""

    def stop(stage: str, done: int, total: int) -> None:
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, tmp_path / "a.parquet", stop)
    with bouba.open(source) as gallery:
        items, rows = gallery._store.get(list(contents(source)["items"])[:1])
        items[0].attributes["late"] = 1.0  # type: ignore[index]
        gallery._store.upsert(items, rows)
    copy(source, tmp_path / "a.parquet")
    copy(tmp_path / "a.parquet", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(source)


def _refused(archive: Path, tmp_path: Path, told: str = "") -> None:
    with pytest.raises((GalleryBroken, GalleryMissing)) as caught:
        copy(archive, tmp_path / "refused")
    assert archive.name in str(caught.value)
    assert told in str(caught.value)
    if (tmp_path / "refused").exists():
        with pytest.raises(GalleryBroken, match="unfinished copy"):
            bouba.open(tmp_path / "refused")
