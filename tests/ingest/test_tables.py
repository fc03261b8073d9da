"""Parquet files with pictures inside, or with their addresses."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from packed_files import picture

import bouba
from bouba.errors import ManifestError
from bouba.ingest.reading import content_id
from bouba.media import read_source


def write(path: Path, rows: list[dict], **settings: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, **settings)
    return path


def img2dataset(numbers: range) -> list[dict]:
    return [
        {"url": f"https://example.com/{n}.png", "caption": f"number {n}", "key": f"{n:06}", "status": "success",
         "width": 24, "since": f"2024-01-{n % 28 + 1:02}", "jpg": picture(n)}
        for n in numbers
    ]  # fmt: skip


def test_img2dataset_with_bytes(gallery: bouba.Gallery, tmp_path: Path) -> None:
    table = write(tmp_path / "00000.parquet", img2dataset(range(40)), row_group_size=16)
    report = gallery.add(table)
    assert (report.added, report.failures) == (40, [])
    (item,) = gallery.find(f"{table}/jpg/18")
    assert item.id == content_id(picture(17))
    assert item.attributes == {
        "url": "https://example.com/17.png", "caption": "number 17", "key": "000017", "status": "success",
        "width_": 24.0, "since": datetime(2024, 1, 18),
    }  # fmt: skip
    assert content_id(read_source(item.path)) == item.id
    with pytest.raises(bouba.errors.MediaMissing, match="no row 41"):
        read_source(f"{table}/jpg/41")
    with pytest.raises(bouba.errors.MediaMissing, match="no column png"):
        read_source(f"{table}/png/4")


def test_second_run_reads_nothing(gallery: bouba.Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write(tmp_path / "a.parquet", img2dataset(range(5)))
    gallery.add(table)
    monkeypatch.setattr("bouba.ingest.tables.parquet_rows", lambda *a: pytest.fail("rows were read"))
    assert gallery.add(table).unchanged == 5


def test_hugging_face_rows_and_bad_ones(gallery: bouba.Gallery, tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": picture(0), "path": "0.png"}, "label": 3},
        {"image": {"bytes": None, "path": "elsewhere.png"}, "label": 4},
        {"image": {"bytes": b"no picture", "path": None}, "label": 5},
        {"image": None, "label": 6},
    ]
    table = write(tmp_path / "a.parquet", rows)
    report = gallery.add(table)
    assert report.added == 1
    assert [(f.source.removeprefix(str(table)), f.kind) for f in report.failures] == [
        (", row 2", "ManifestError"), ("/image/3", "MediaUnsupported"), (", row 4", "ManifestError"),
    ]  # fmt: skip
    again = gallery.add(table)
    assert (again.unchanged, again.failed) == (1, 1)
    assert "3 of its 4 pictures" in again.failures[0].message


def test_other_columns_of_bytes_are_no_attributes(gallery: bouba.Gallery, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [{"image": picture(0), "mask": picture(1), "n": 1}])
    gallery.add(tmp_path / "a.parquet")
    assert gallery.info()["attributes"] == {"n": "number"}


def test_a_folder_of_tables_takes_those_with_pictures(gallery: bouba.Gallery, tmp_path: Path) -> None:
    write(tmp_path / "set/a.parquet", img2dataset(range(3)))
    write(tmp_path / "set/b.parquet", [{"url": "https://example.com/1.png", "caption": "x"}])
    write(tmp_path / "set/c.parquet", [{"price": 1}])
    (tmp_path / "set/d.parquet").write_bytes(b"PAR1 damaged")
    report = gallery.add(tmp_path / "set")
    assert report.added == 3
    assert [(f.source, f.kind) for f in report.failures] == [(str(tmp_path / "set/d.parquet"), "ManifestError")]


def test_without_a_picture_column(gallery: bouba.Gallery, tmp_path: Path) -> None:
    table = write(tmp_path / "a.parquet", [{"price": 1, "name": "x"}])
    with pytest.raises(ManifestError, match=r"price, name.*--image-column"):
        gallery.add(table)
    assert gallery._store.read_meta() is None, "nothing was made for it"


def test_urls_are_not_fetched_unasked(gallery: bouba.Gallery, tmp_path: Path) -> None:
    table = write(tmp_path / "a.parquet", [{"url": f"https://example.com/{n}.png", "caption": "x"} for n in range(3)])
    assert [f.kind for f in gallery.add(table).failures] == ["FetchRefused"] * 3


def test_rows_may_not_name_buckets(gallery: bouba.Gallery, tmp_path: Path) -> None:
    table = write(tmp_path / "a.parquet", [{"url": "s3://private/a.png"}])
    report = gallery.add(table, fetch=True)
    assert [f.kind for f in report.failures] == ["FetchRefused"]
    assert "of the bucket that it lies in itself" in report.failures[0].message


def test_a_table_that_was_cut(gallery: bouba.Gallery, tmp_path: Path) -> None:
    table = write(tmp_path / "set/a.parquet", img2dataset(range(3)))
    table.write_bytes(table.read_bytes()[:-20])
    report = gallery.add(tmp_path / "set")
    assert [f.kind for f in report.failures] == ["ManifestError"]
    assert "not a Parquet file that can be read" in report.failures[0].message


def test_a_page_that_is_damaged(gallery: bouba.Gallery, tmp_path: Path) -> None:
    table = write(tmp_path / "a.parquet", img2dataset(range(60)), row_group_size=20, compression="zstd")
    data = bytearray(table.read_bytes())
    group = pyarrow.parquet.read_metadata(table).row_group(2)
    column = next(group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == "jpg")
    data[column.data_page_offset : column.data_page_offset + 200] = b"\xff" * 200
    table.write_bytes(data)
    report = gallery.add(table)
    assert report.added == 40
    assert [f.kind for f in report.failures] == ["ManifestError"]
