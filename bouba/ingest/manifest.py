"""Tables that name pictures: `.jsonl`, `.csv`, `.tsv`, `.parquet`, with an image column and attribute columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bouba.errors import BoubaError, ManifestError
from bouba.ingest.attributes import column_type, convert, field_name, normalise
from bouba.types import AttributeValue

MANIFEST_SUFFIXES = frozenset({".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"})
IMAGE_COLUMNS = tuple(
    "image image_path img path file file_path filepath filename file_name image_link image_url url".split()
)
_MAX_CELL = 16 * 2**20  # characters


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a path relative to the manifest, a URL or the picture's bytes; or why the line is of no use."""

    origin: str  # "catalogue.csv, line 12"
    image: str | bytes | BoubaError
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


def read_manifest(path: Path, image_column: str | None = None) -> list[Row]:
    """Every line of a manifest. A column has one type: the one that fits all its values.

    Raises ManifestError for a file that is no manifest at all; a bad line is a Row with its error."""
    reader = {".parquet": _parquet_rows, ".csv": _csv_rows, ".tsv": _csv_rows}.get(path.suffix.lower(), _json_rows)
    try:
        raw = list(reader(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} cannot be read: {error}.") from error
    good = [r for _, r in raw if not isinstance(r, BoubaError)]
    if raw and not good:
        raise ManifestError(f"No line of {path} can be read; the first: {raw[0][1]}")
    column = _image_column(path, good, image_column)
    typed = _typed(good, column, from_text=path.suffix.lower() in {".csv", ".tsv"})
    return [
        Row(origin, row) if isinstance(row, BoubaError) else _row(origin, row.get(column), next(typed))
        for origin, row in raw
    ]


def _row(origin: str, image: Any, attributes: Mapping[str, AttributeValue]) -> Row:
    if isinstance(image, Mapping):  # Hugging Face's image feature
        image = image.get("bytes") or image.get("path")
    if not isinstance(image, str | bytes) or not image:
        return Row(origin, ManifestError(f"{origin}: the image column holds {image!r}, not a path, URL or bytes."))
    return Row(origin, image, attributes)


def _image_column(path: Path, rows: Sequence[Mapping[str, Any]], wanted: str | None) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    candidates = (wanted,) if wanted else IMAGE_COLUMNS
    lower = {c.lower(): c for c in reversed(columns)}
    for name in candidates:
        if name in columns or name.lower() in lower:
            return name if name in columns else lower[name.lower()]
    if not rows:
        return IMAGE_COLUMNS[0]
    raise ManifestError(
        f"{path}: none of its columns ({', '.join(columns)}) is called {' or '.join(candidates)}. "
        "Name the one with the pictures with --image-column."
    )


def _typed(rows: Sequence[Mapping[str, Any]], image: str, from_text: bool) -> Iterator[dict[str, AttributeValue]]:
    values = [{field_name(k): normalise(v) for k, v in row.items() if k != image and k} for row in rows]
    names = dict.fromkeys(name for row in values for name in row)
    types = {name: column_type((row.get(name) for row in values), from_text) for name in names}
    for row in values:
        yield {name: convert(value, types[name]) for name, value in row.items() if value is not None}


_RawRows = Iterable[tuple[str, dict[str, Any] | BoubaError]]


def _json_rows(path: Path) -> _RawRows:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            origin = f"{path.name}, line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield origin, ManifestError(f"{origin} is not JSON: {error}.")
                continue
            if isinstance(row, dict):
                yield origin, row
            else:
                yield origin, ManifestError(f"{origin} is not a JSON object.")


def _csv_rows(path: Path) -> _RawRows:
    csv.field_size_limit(_MAX_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
        reader = csv.DictReader(file, delimiter=delimiter)
        for row in reader:
            origin = f"{path.name}, line {reader.line_num}"
            if None in row or None in row.values():
                count = len(reader.fieldnames or ())
                yield origin, ManifestError(f"{origin} does not have {count} cells like the first line.")
            else:
                yield origin, row


def _parquet_rows(path: Path) -> _RawRows:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name}, row {number}", row
    except pyarrow.ArrowException as error:
        raise ManifestError(f"{path} is not a Parquet file that can be read: {error}.") from error
