"""Text files as numbered rows. Whatever is wrong is a ManifestError with the file and the line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bouba.errors import ManifestError


@dataclass(frozen=True, slots=True)
class Record:
    """One picture with its texts and recordings, as a file has it."""

    origin: str  # "pairs.jsonl, line 12"
    image: str  # as written: relative to the file's folder, or absolute
    texts: tuple[str, ...]  # empty for a picture without a text
    split: str | None = None
    languages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    audio: tuple[str, ...] = ()  # relative to the file's folder, or absolute


@dataclass(frozen=True, slots=True)
class Table:
    """Every record of a file, and the column (or key) that its texts come from."""

    column: str  # empty where recordings ask, and no texts
    records: tuple[Record, ...]


def read_text(path: Path) -> str:
    """The file as UTF-8, with or without a byte order mark."""
    try:
        if not path.is_file():
            raise ManifestError(f"{path}: no such file. Give a .jsonl, .csv, .tsv or .json file.")
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{path.name}, line {line} is not UTF-8: {error.reason}. Save the file as UTF-8."
        ) from error


def text_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(origin, line) of every line that is not blank."""
    # Not splitlines(): it would also cut at U+2028, which JSON strings may hold.
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path.name}, line {number}", line.rstrip("\r")


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for origin, line in text_lines(path):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"{origin} is not JSON: {error}.") from error
        if not isinstance(row, dict):
            raise ManifestError(f"{origin} is not a JSON object like {{'image': ..., 'captions': [...]}}.")
        yield origin, row


def csv_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows under the names of the first line, split at tabs in `.tsv`, else at the commonest of comma, `;` and tab."""
    text = read_text(path)
    first = text.partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    read = 0  # lines: the reader counts a bad one only sometimes
    try:
        names = ", ".join(reader.fieldnames or ())
        read = reader.line_num
        for row in reader:
            read = reader.line_num
            origin = f"{path.name}, line {read}"
            if None in row or None in row.values():
                raise ManifestError(f"{origin} does not have the cells that the first line names: {names}.")
            yield origin, row
    except csv.Error as error:
        way = "A cell that holds quotes stands in quotes, its own doubled"
        raise ManifestError(f"{path.name}, line {read + 1} is not CSV: {error}. {way}.") from error


def one_text(value: object, origin: str, column: str) -> str:
    """A text without the white space around it; empty for none."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ManifestError(f"{origin}: {column} holds {_short(value)}, not text.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ManifestError(f"{origin}: {column} holds half a character (a lone surrogate): {value!a:.60}.") from error
    return value.strip()


def opened_list(value: object) -> object:
    """A CSV cell that holds a JSON list of texts is that list."""
    if isinstance(value, str) and value.startswith('["') and value.endswith('"]'):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def some_texts(value: object, origin: str, column: str) -> tuple[str, ...]:
    """A text or a list of texts, without empty ones."""
    values = value if isinstance(value, list) else [value]
    return tuple(text for v in values if (text := one_text(v, origin, column)))


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
