"""What the caller names -> files to be imported: folders, ZIP archives, single files, and manifests with reports."""

from __future__ import annotations

import csv
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bouba.errors import BoubaError, ManifestError, MediaCorrupt, MediaMissing, MediaTooLarge

MOST_BYTES = 2**30  # of one file; the same as `ScanLimits.max_bytes`
MANIFESTS = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
COLUMNS = frozenset(
    {"image", "study", "series", "patient", "report", "findings", "impression", "history", "modality", "body_part"}
    | {"date", "age", "sex"}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, by the name that the caller would know it by."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a manifest: a picture, a report, or both; or why it is of no use."""

    name: str  # "cases.csv, line 12"
    cells: Mapping[str, str]
    image: Entry | None
    fault: BoubaError | None = None


def listed(sources: Iterable[str | os.PathLike[str]]) -> Iterator[Entry | Row]:
    """In the order given, folders in that of their names. Raises MediaMissing for a source that is not there."""
    for source in sources:
        path = Path(source)
        if path.is_dir():
            yield from _below(path)
        elif not path.is_file():
            raise MediaMissing(f"{path}: no such file or folder.")
        elif path.suffix.lower() in MANIFESTS:
            yield from _rows(path)
        else:
            yield from _file(path, path.name)


def _below(folder: Path) -> Iterator[Entry]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith("."):
                yield from _file(path, path.relative_to(folder).as_posix())


def _file(path: Path, name: str) -> Iterator[Entry]:
    if path.suffix.lower() == ".zip":
        yield from _packed(path, name)
    else:
        yield Entry(name, lambda: _read(path))


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise MediaMissing("not a regular file.")
        if (size := path.stat().st_size) > MOST_BYTES:
            raise MediaTooLarge(f"{size:,} bytes, the limit of one file is {MOST_BYTES:,}.")
        return path.read_bytes()
    except OSError as error:
        raise MediaMissing(f"cannot be read: {error.strerror}.") from None


def _packed(path: Path, name: str) -> Iterator[Entry]:
    """The files of a ZIP archive; nothing is unpacked to a disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [one for one in archive.infolist() if not one.is_dir()]
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        fault = MediaCorrupt(f"no ZIP archive that can be read ({type(error).__name__}).")
        yield Entry(name, lambda: _raise(fault))
        return
    for one in inside:
        if not PurePosixPath(one.filename).name.startswith("."):
            yield Entry(f"{name}/{one.filename}", lambda one=one: _unpacked(path, one))  # type: ignore[misc]


def _unpacked(path: Path, inside: zipfile.ZipInfo) -> bytes:
    if inside.file_size > MOST_BYTES:
        raise MediaTooLarge(f"{inside.file_size:,} bytes unpacked, the limit of one file is {MOST_BYTES:,}.")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(inside) as file:
            data = file.read(MOST_BYTES + 1)
    except Exception as error:  # zipfile and zlib raise anything for damaged or encrypted members
        raise MediaCorrupt(f"it cannot be unpacked ({type(error).__name__}).") from None
    if len(data) > MOST_BYTES:
        raise MediaTooLarge(f"more than {MOST_BYTES:,} bytes unpacked, the limit of one file.")
    return data


def _raise(fault: BoubaError) -> bytes:
    raise fault


def _rows(path: Path) -> Iterator[Row]:
    """Raises ManifestError for a file that is no table of this kind."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path.name}: it cannot be read as UTF-8 text ({type(error).__name__}).") from None
    lines = _json_lines(text) if path.suffix.lower() in {".jsonl", ".ndjson"} else _table(path, text)
    for line, found in lines:
        yield _row(path, f"{path.name}, line {line}", found)


def _json_lines(text: str) -> Iterator[tuple[int, Any]]:
    for line, one in enumerate(text.split("\n"), 1):
        if one.strip():
            try:
                yield line, json.loads(one)
            except (ValueError, RecursionError):
                yield line, None


def _table(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    lines = csv.DictReader(text.splitlines(keepends=True), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    try:
        known = COLUMNS & set(lines.fieldnames or ())
        if not known & {"image", "report", "findings", "impression"}:
            raise ManifestError(f"{path.name}: its first line names no column of: {', '.join(sorted(COLUMNS))}.")
        for row in lines:
            yield lines.line_num, row
    except csv.Error as error:
        raise ManifestError(f"{path.name}, line {lines.line_num}: {error}.") from None


def _row(path: Path, name: str, found: Any) -> Row:
    if not isinstance(found, dict):
        return Row(name, {}, None, ManifestError("no JSON object."))
    given = {key: value for key, value in found.items() if key in COLUMNS and value not in (None, "")}
    if wrong := [key for key, value in given.items() if not isinstance(value, str | int | float)]:
        return Row(name, {}, None, ManifestError(f"{wrong[0]} is neither text nor a number."))
    cells = {key: str(value).strip() for key, value in given.items()}
    image = cells.get("image")
    if image is None and not ("study" in cells and {"report", "findings", "impression"} & set(cells)):
        return Row(name, cells, None, ManifestError("it names no image; a report alone needs the study it is of."))
    entry = None if image is None else Entry(name, lambda: _read(path.parent / image))
    return Row(name, cells, entry)
