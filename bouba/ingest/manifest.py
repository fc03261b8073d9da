"""Tables that name pictures: `.jsonl`, `.csv`, `.tsv`, `.parquet`, with an image column and attribute columns.

A table is read twice, row by row: first for its columns and their types, then for its rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from posixpath import basename, splitext
from typing import Any

from bouba.errors import BoubaError, ManifestError, MediaError
from bouba.ingest.attributes import ColumnType, convert, field_name, normalise
from bouba.media.blob import Blob
from bouba.media.packed import opened_parquet
from bouba.types import AttributeType, AttributeValue

MANIFEST_SUFFIXES = frozenset({".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"})
# `jpg` is where img2dataset's Parquet files have their pictures, beside the `url` that they came from.
IMAGE_COLUMNS = tuple(
    "image image_path img jpg path file file_path filepath filename file_name image_link image_url url".split()
)
_MAX_CELL = 16 * 2**20  # characters
_BATCH_ROWS = 256  # of Parquet without pictures
_RawRow = tuple[str, dict[str, Any] | BoubaError]


class NoPictures(ManifestError):
    """A table without a column that names pictures."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a path relative to the manifest, a URL or the picture's bytes; or why the line is of no use."""

    origin: str  # "catalogue.csv, line 12"
    image: str | bytes | BoubaError
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the pictures are, and the one type of each attribute that fits all its values."""

    image: str
    types: Mapping[str, AttributeType]

    def row(self, origin: str, row: Mapping[str, Any]) -> Row:
        image = row.get(self.image)
        if isinstance(image, Mapping):  # Hugging Face's image feature
            image = image.get("bytes") or image.get("path")
        if not isinstance(image, str | bytes) or not image:
            return Row(origin, ManifestError(f"{origin}: the image column holds {image!r}, not a path, URL or bytes."))
        try:
            return Row(origin, image, self._attributes(row))
        except (ValueError, KeyError) as error:
            return Row(origin, ManifestError(f"{origin} changed while it was read: {error}."))

    def _attributes(self, row: Mapping[str, Any]) -> dict[str, AttributeValue]:
        settled = ((field_name(name), normalise(value)) for name, value in row.items() if name and name != self.image)
        return {name: convert(value, self.types[name]) for name, value in settled if value is not None}


def read_manifest(blob: Blob, image_column: str | None = None) -> Iterator[Row]:
    """Every line of a manifest.

    Raises ManifestError for a file that is no manifest at all; a bad line is a Row with its error."""
    columns = survey(blob, image_column)
    for origin, row in _raw(blob):
        yield Row(origin, row) if isinstance(row, BoubaError) else columns.row(origin, row)


def survey(blob: Blob, image_column: str | None = None) -> Columns:
    """Columns and types of a manifest; pictures that lie in it are not read. Raises ManifestError."""
    from_text = blob.name.lower().endswith((".csv", ".tsv"))
    names: dict[str, None] = {}
    types: dict[str, ColumnType] = {}
    first: BoubaError | None = None
    for _, row in _raw(blob):
        if isinstance(row, BoubaError):
            first = first or row
            continue
        names |= dict.fromkeys(row)
        for name, value in row.items():
            types.setdefault(name, ColumnType(from_text)).add(normalise(value))
    if first and not names:
        raise ManifestError(f"No line of {blob.name} can be read; the first: {first}")
    if blob.name.lower().endswith(".parquet"):
        names = dict.fromkeys(parquet_columns(blob)) if types else {}
    image = image_column_of(blob.name, list(names), image_column) if names else IMAGE_COLUMNS[0]
    return Columns(image, {field_name(name): kind.type for name, kind in types.items() if name != image})


def image_column_of(name: str, columns: Sequence[str], wanted: str | None) -> str:
    """Raises NoPictures where none is known to name pictures."""
    candidates = (wanted,) if wanted else IMAGE_COLUMNS
    lower = {c.lower(): c for c in reversed(columns)}
    for candidate in candidates:
        if candidate in columns or candidate.lower() in lower:
            return candidate if candidate in columns else lower[candidate.lower()]
    raise NoPictures(
        f"{name}: none of its columns ({', '.join(columns)}) is called {' or '.join(candidates)}. "
        "Name the one with the pictures with --image-column."
    )


def parquet_columns(blob: Blob) -> dict[str, bool]:
    """Column -> whether it holds bytes, by themselves or as Hugging Face's struct {bytes, path}."""
    with _translated(blob.name), blob.open() as file, opened_parquet(file, blob.name) as table:
        return {column.name: _holds_bytes(column.type) for column in table.schema_arrow}


def parquet_rows(blob: Blob, columns: Sequence[str], batch_rows: int) -> Iterator[tuple[str, dict[str, Any]]]:
    number = 0
    with _translated(blob.name), blob.open() as file, opened_parquet(file, blob.name) as table:
        groups = ([group] for group in range(table.num_row_groups))  # one by one, for what comes before a damaged one
        for group in groups:
            for batch in table.iter_batches(batch_rows, group, list(columns), use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{basename(blob.name)}, row {number}", row


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(inner.name == "bytes" and _holds_bytes(inner.type) for inner in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _raw(blob: Blob) -> Iterator[_RawRow]:
    """Rows without the columns that hold bytes."""
    suffix = splitext(blob.name)[1].lower()
    if suffix == ".parquet":
        plain = [name for name, has_bytes in parquet_columns(blob).items() if not has_bytes]
        yield from parquet_rows(blob, plain, _BATCH_ROWS)
        return
    lines: Callable[[str, TextIOWrapper], Iterable[_RawRow]] = _json_rows if "json" in suffix else _csv_rows
    with _translated(blob.name), blob.open() as file:
        text = TextIOWrapper(file, encoding="utf-8-sig", newline="" if lines is _csv_rows else None)
        yield from lines(blob.name, text)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{name} cannot be read: {error}.") from error
    except MediaError as error:
        raise ManifestError(f"{name} cannot be read: {str(error).removeprefix(name).lstrip(': ')}") from error


def _json_rows(name: str, lines: TextIOWrapper) -> Iterator[_RawRow]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        origin = f"{basename(name)}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield origin, ManifestError(f"{origin} is not JSON: {error}.")
            continue
        yield origin, row if isinstance(row, dict) else ManifestError(f"{origin} is not a JSON object.")


def _csv_rows(name: str, file: TextIOWrapper) -> Iterator[_RawRow]:
    csv.field_size_limit(_MAX_CELL)
    first = file.readline()
    file.seek(0)
    delimiter = "\t" if name.lower().endswith(".tsv") else max(",;\t", key=first.count)
    reader = csv.DictReader(file, delimiter=delimiter)
    for row in reader:
        origin = f"{basename(name)}, line {reader.line_num}"
        if None in row or None in row.values():
            count = len(reader.fieldnames or ())
            yield origin, ManifestError(f"{origin} does not have {count} cells like the first line.")
        else:
            yield origin, row
