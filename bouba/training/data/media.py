"""A picture or a sound that is read when it is needed: only where it lies is kept.

`name` is how a person would find it and does not change when the set moves to another folder or machine; `key` tells
it from any other on this machine, for caches. Neither changes with the content."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.errors import MediaCorrupt, MediaEmpty, MediaMissing, MediaTooLarge
from bouba.media import DEFAULT_LIMITS, read_source

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLUMNS_KEPT = 4  # decoded Parquet column chunks, which rows that follow each other share


@dataclass(frozen=True, slots=True)
class File:
    """A file of its own. The folder is one string that all records of a set share."""

    folder: str
    name: str  # as the pair file writes it: relative to `folder`, or absolute

    @property
    def path(self) -> Path:
        return Path(self.folder, self.name)

    @property
    def key(self) -> str:
        return os.path.join(self.folder, self.name)

    def read(self) -> bytes:
        """Raises MediaMissing, MediaEmpty or MediaTooLarge."""
        return read_source(self.key)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a tar shard that is not compressed, so that it is read by its place."""

    shard: str
    offset: int  # bytes
    size: int
    name: str  # "00000/000012": shard and sample

    @property
    def key(self) -> str:
        return f"{self.shard}#{self.offset}+{self.size}"

    def read(self) -> bytes:
        """Raises MediaMissing without the shard, MediaCorrupt where the shard has been cut short since."""
        if self.size > DEFAULT_LIMITS.max_bytes:
            raise MediaTooLarge(f"{self.name}: {self.size:,} bytes, the limit is {DEFAULT_LIMITS.max_bytes:,}.")
        try:
            with open(self.shard, "rb") as file:
                file.seek(self.offset)
                data = file.read(self.size)
        except OSError as error:
            raise MediaMissing(f"{self.shard}: {error.strerror or error}.") from error
        if len(data) != self.size:
            raise MediaCorrupt(f"{self.name}: {self.shard} ends before it does. Copy the shard again.")
        return _not_empty(data, self.name)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a Parquet file: binary, or the struct {bytes, path} of Hugging Face's image and audio features.

    Parquet has no access to one row: a read decodes the column of the whole row group, and the last few such columns
    are kept. In file order that costs nothing; at random it is slow, unless row groups are small (100 rows)."""

    file: str
    group: int  # row group
    row: int  # in the group
    column: str
    name: str  # the struct's path, else "pairs.parquet, row 12"

    @property
    def key(self) -> str:
        return f"{self.file}#{self.group}/{self.row}/{self.column}"

    def read(self) -> bytes:
        """Raises MediaMissing without the file, MediaCorrupt where it cannot be decoded."""
        chunk = _column_chunk(self.file, self.group, self.column)
        if self.row >= len(chunk):
            raise MediaCorrupt(f"{self.name}: {self.file} has fewer rows than when it was listed.")
        value = chunk[self.row].as_py()
        return _not_empty(value["bytes"] if isinstance(value, dict) else value, self.name)


Media = File | Member | Cell


@lru_cache(maxsize=_COLUMNS_KEPT)
def _column_chunk(path: str, group: int, column: str) -> Sequence[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            chunk: Sequence[Any] = file.read_row_group(group, columns=[column], use_threads=False).column(column)
    except FileNotFoundError as error:
        raise MediaMissing(f"{path}: there is no such file.") from error
    except (OSError, LookupError, pyarrow.ArrowException) as error:
        raise MediaCorrupt(f"{path}, row group {group}: {' '.join(str(error).split())[:200]}") from error
    return chunk


def _not_empty(data: bytes | None, name: str) -> bytes:
    if not data:
        raise MediaEmpty(f"{name}: empty, 0 bytes.")
    return data
