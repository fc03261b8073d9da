"""Parquet of bouba's, read back and checked against its own count and checksum."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bouba.copying.checksum import Tally, as_metadata
from bouba.copying.ends import SCAN_ROWS, Batch, Shape
from bouba.copying.parquet.records import DESCRIPTION, EXTRAS, FORMAT, shape_of, to_batch
from bouba.errors import GalleryBroken, GalleryMissing, StoreError, StoreUnavailable
from bouba.origin import made_by

MANIFEST = "_bouba.json"


class ParquetSource:
    """One file of `bouba export`, or a folder of `bouba copy`."""

    def __init__(self, path: Path) -> None:
        self.uri, self._path = str(path), path

    def meta(self) -> dict[str, Any]:
        if not self._path.exists():
            raise GalleryMissing(f"{self._path}: there is no such file or folder.")
        meta = read_manifest(self._path)[0] if self._path.is_dir() else description_of(self._path)
        made_by(self.uri, meta)
        return meta

    def shape(self) -> Shape:
        shapes = [shape_of(schema_in(part)) for part in self._parts()]
        if len({(shape.length, shape.dim) for shape in shapes}) != 1:
            raise GalleryBroken(f"{self._path} is damaged: its files have vectors of different lengths.")
        fields = {name: kind for shape in shapes for name, kind in shape.fields.items()}
        return Shape(fields, shapes[0].length, shapes[0].dim)

    def count(self) -> int:
        return sum(rows_in(part) for part in self._parts())

    def scan(self, extras: bool = False) -> Iterator[Batch]:
        for part in self._parts():
            yield from read_part(part, extras)

    def close(self) -> None:
        """Nothing is open."""

    def _parts(self) -> list[Path]:
        """Raises GalleryBroken where files are missing, or others lie between them."""
        if not self._path.is_dir():
            return [self._path]
        listed = {self._path / name for name in read_manifest(self._path)[1]}
        there = set(self._path.glob("*.parquet"))
        if listed != there:
            missing = sorted(part.name for part in listed - there)
            other = sorted(part.name for part in there - listed)
            told = f"{missing[0]} is missing" if missing else f"{other[0]} is not one of its files"
            raise GalleryBroken(f"{self._path} is damaged: {told}. Restore it from a backup, or copy the gallery anew.")
        return sorted(listed)


def read_manifest(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The description in a folder, and the names of its files."""
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
        written, meta, parts = content["format"], dict(content["gallery"]), list(content["parts"])
    except FileNotFoundError:
        raise StoreError(
            f"{folder} is no gallery in Parquet: it has no {MANIFEST}. Pictures that a Parquet file lists are added: "
            f"bouba add {folder}"
        ) from None
    except OSError as error:
        raise StoreUnavailable(f"{folder / MANIFEST} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise GalleryBroken(f"{folder / MANIFEST} is damaged. Copy the gallery anew.") from error
    _check_format(folder, written)
    return meta, parts


def description_of(part: Path) -> dict[str, Any]:
    text = (schema_in(part).metadata or {}).get(DESCRIPTION)
    if text is None:
        raise StoreError(
            f"{part} is not a gallery: it says nothing of a model. `bouba export` of this version writes one that can "
            f"be copied; pictures that a Parquet file lists are added: bouba add {part}"
        )
    try:
        content = json.loads(text)
        written, meta = content["format"], dict(content["gallery"])
    except (ValueError, KeyError, TypeError) as error:
        raise GalleryBroken(f"{part} is damaged: its description cannot be read. Write it anew.") from error
    _check_format(part, written)
    return meta


def _check_format(path: Path, written: object) -> None:
    if written != FORMAT:
        raise GalleryBroken(f"{path} was written by a newer bouba (format {written!r}). Update bouba.")


def schema_in(part: Path) -> pa.Schema:
    with reading(part):
        return pq.read_schema(part)


def rows_in(part: Path) -> int:
    with reading(part):
        return int(pq.read_metadata(part).num_rows)


def read_part(part: Path, extras: bool) -> Iterator[Batch]:
    """Its items; raises GalleryBroken at their end if they are not those that were written."""
    tally = Tally()
    with reading(part), pq.ParquetFile(part, page_checksum_verification=True) as file:
        wanted = [name for name in file.schema_arrow.names if extras or name not in EXTRAS]
        for table in file.iter_batches(SCAN_ROWS, columns=wanted):
            batch = to_batch(table)
            tally += Tally.of(batch.digests)
            yield batch
        footer = {name.decode(): value.decode() for name, value in (file.metadata.metadata or {}).items()}
    if any(footer.get(name) != value for name, value in as_metadata(tally).items()):
        raise _broken(part, "its items are not those of its checksum")


@contextmanager
def reading(part: Path) -> Iterator[None]:
    """What the engine raises becomes a StoreError that names the file."""
    try:
        yield
    except FileNotFoundError as error:
        raise GalleryMissing(f"{part}: there is no such file.") from error
    except PermissionError as error:
        raise StoreUnavailable(f"{part} cannot be read: {error.strerror}.") from error
    except (OSError, ValueError, KeyError, AttributeError, UnicodeError, pa.ArrowException) as error:
        raise _broken(part, (str(error) or type(error).__name__).splitlines()[0][:200]) from error


def _broken(part: Path, why: str) -> GalleryBroken:
    return GalleryBroken(f"{part} is damaged: {why}. Restore it from a backup, or write it anew.")
