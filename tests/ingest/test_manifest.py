"""Manifests: rows, types, and everything that can be wrong with them."""

from __future__ import annotations

import itertools
import json
import time
from datetime import datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import bouba
from bouba.errors import ManifestError
from bouba.ingest.reading import Reader

ROWS = [
    {"image": "red.png", "id": 7, "price": 3, "brand": "A", "tags": ["x", "y"], "sale": True, "since": "2024-05-01"},
    {"image": "green.png", "id": 8, "price": 4.5, "brand": None, "tags": [], "sale": False, "since": "2024-06-01"},
    {"image": "below/blue.jpg", "id": 9, "price": 60, "brand": "B", "tags": ["x"], "sale": True, "since": None},
]
TYPES = {
    "id_": "number",
    "price": "number",
    "brand": "text",
    "tags": "list of text",
    "sale": "boolean",
    "since": "date",
}


def write(path: Path, rows: list[dict]) -> Path:
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        case ".parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        case ".csv":
            cells = [["" if v is None else json.dumps(v).strip('"') for v in row.values()] for row in rows]
            lines = [",".join(line) for line in cells]
            path.write_text(",".join(rows[0]) + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_rows_become_items_with_typed_attributes(gallery: bouba.Gallery, photos: Path, suffix: str) -> None:
    rows = [{k: v for k, v in row.items() if suffix != ".csv" or k != "tags"} for row in ROWS]
    report = gallery.add(write(photos / f"list{suffix}", rows))
    assert (report.added, report.failures) == (3, [])
    expected = {k: v for k, v in TYPES.items() if suffix != ".csv" or k != "tags"}
    assert gallery.info()["attributes"] == expected
    (red,) = gallery.items('path like "%red.png"')
    assert red.attributes["since"] == datetime(2024, 5, 1)
    assert red.attributes["price"] == 3.0
    assert red.attributes["id_"] == 7.0
    assert gallery.count("price < 50 and sale") == 1
    assert gallery.count("brand is null") == 1
    assert gallery.count("since >= 2024-06-01") == 1


def test_changed_attributes_are_written_without_encoding(
    gallery: bouba.Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.add(write(photos / "list.jsonl", ROWS))
    monkeypatch.setattr("bouba.encoders.model.Model.encode_pixels", lambda *a: pytest.fail("encoded"))
    rows = [{**row, "price": row["price"] * 2} for row in ROWS]
    report = gallery.add(write(photos / "list.jsonl", rows))
    assert (report.updated, report.unchanged) == (3, 0)
    assert gallery.count("price = 120") == 1
    assert gallery.add(photos / "list.jsonl").unchanged == 3


def test_vectors_survive_an_update(gallery: bouba.Gallery, photos: Path) -> None:
    gallery.add(write(photos / "list.jsonl", ROWS))
    before = [(hit.id, hit.score) for hit in gallery.search("red")]
    gallery.add(write(photos / "list.jsonl", [{**row, "price": 1} for row in ROWS]))
    assert [(hit.id, hit.score) for hit in gallery.search("red")] == before


def test_bad_lines_are_rows_with_their_number(gallery: bouba.Gallery, photos: Path) -> None:
    path = photos / "list.jsonl"
    good = json.dumps(ROWS[0])
    path.write_text(f'{good}\n{{"image": \n[1]\n\n{{"price": 3}}\n{{"image": "none.png"}}\n', encoding="utf-8")
    report = gallery.add(path)
    assert report.added == 1
    assert [f.source for f in report.failures] == [
        "list.jsonl, line 2", "list.jsonl, line 3", "list.jsonl, line 5", str(photos / "none.png"),
    ]  # fmt: skip
    assert [f.kind for f in report.failures] == ["ManifestError"] * 3 + ["MediaMissing"]


def test_ragged_csv_lines(gallery: bouba.Gallery, photos: Path) -> None:
    path = photos / "list.csv"
    path.write_text("image;price\nred.png;3\ngreen.png\nbelow/blue.jpg;5;6\nblue.png;7\n", encoding="utf-8")
    report = gallery.add(path)
    assert report.added == 2
    assert [f.source for f in report.failures] == ["list.csv, line 3", "list.csv, line 4"]


def test_codes_stay_text(gallery: bouba.Gallery, photos: Path) -> None:
    path = photos / "list.csv"
    path.write_text("image,code,ean\nred.png,007,4006381333931\ngreen.png,012,12345678901234567890\n", encoding="utf-8")
    gallery.add(path)
    assert gallery.info()["attributes"] == {"code": "text", "ean": "text"}


def test_type_is_fixed_once_the_gallery_has_it(gallery: bouba.Gallery, photos: Path) -> None:
    gallery.add(write(photos / "list.jsonl", ROWS))
    rows = [{"image": "black.png", "price": "unknown"}, {"image": "white.png", "price": "12"}]
    report = gallery.add(write(photos / "more.jsonl", rows))
    assert report.added == 1
    assert [(f.kind, f.source) for f in report.failures] == [("AttributeTypeError", str(photos / "black.png"))]
    assert "'price' is a number" in report.failures[0].message
    assert gallery.count("price = 12") == 1


def test_of_two_rows_about_one_picture_the_last_counts(gallery: bouba.Gallery, photos: Path) -> None:
    path = write(photos / "list.jsonl", [{"image": "red.png", "price": 1}, {"image": "red.png", "price": 2}])
    gallery.add(path)
    assert [item.attributes for item in gallery.items()] == [{"price": 2.0}]
    again = gallery.add(path)
    assert (again.unchanged, again.updated) == (2, 0)


def test_the_last_row_counts_even_if_it_is_read_first(
    gallery: bouba.Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, calls = Reader.claim, itertools.count()

    def late_first(self: Reader, item_id: str) -> bool:
        if next(calls) == 0:
            time.sleep(0.5)  # the thread of the first row comes after that of the second
        return claim(self, item_id)

    monkeypatch.setattr(Reader, "claim", late_first)
    rows = [{"image": "red.png", "price": 1, "brand": "A"}, {"image": "red.png", "price": 2}]
    report = gallery.add(write(photos / "list.jsonl", rows))
    assert [item.attributes for item in gallery.items()] == [{"brand": "A", "price": 2.0}]
    assert report.added == 1


def test_bytes_in_parquet(gallery: bouba.Gallery, photos: Path) -> None:
    data = (photos / "red.png").read_bytes()
    rows = [{"image": data, "n": 1}, {"image": b"no picture", "n": 2}]
    report = gallery.add(write(photos / "list.parquet", rows))
    assert (report.added, report.failed) == (1, 1)
    hugging_face = [{"image": {"bytes": data, "path": "red.png"}, "n": 1}]
    assert gallery.add(write(photos / "hf.parquet", hugging_face)).duplicates == 1


def test_urls_only_when_asked_for(gallery: bouba.Gallery, photos: Path) -> None:
    report = gallery.add(write(photos / "list.jsonl", [{"image": "https://example.com/a.png"}]))
    assert [f.kind for f in report.failures] == ["FetchRefused"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"\xff\xfe\x00\x01", "cannot be read"),
        ("a.jsonl", b"{\n[", "line 1"),
        ("a.jsonl", b'{"price": 3}\n', "--image-column"),
        ("a.csv", b"price,brand\n3,A\n", "--image-column"),
        ("a.parquet", b"PAR1 not", "Parquet"),
        ("missing.csv", None, "cannot be read"),
    ],
)
def test_what_is_no_manifest(
    gallery: bouba.Gallery, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        gallery.add(tmp_path / name)


def test_image_column_by_name(gallery: bouba.Gallery, photos: Path) -> None:
    path = write(photos / "list.jsonl", [{"photo": "red.png", "url": "https://example.com"}])
    assert gallery.add(path, image_column="photo").added == 1
    assert gallery.info()["attributes"] == {"url": "text"}
    with pytest.raises(ManifestError, match="picture"):
        gallery.add(path, image_column="picture")


def test_empty_manifest_is_nothing_to_do(gallery: bouba.Gallery, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    assert gallery.add(tmp_path / "a.jsonl").ids == []
