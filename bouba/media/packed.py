"""A picture inside a file of many, named by its path: `shard.tar/000123.jpg`, `table.parquet/image/12` (row 12)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, unquote

from bouba.errors import MediaCorrupt, MediaEmpty, MediaMissing
from bouba.media.blob import LocalBlob, Part, State
from bouba.media.limits import AnyLimits, Limits
from bouba.media.tar import tar_members

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

TAR, PARQUET = ".tar", ".parquet"


def member_path(packed: str, name: str) -> str:
    """Of a member of a tar file. Raises MediaCorrupt for a name that could lead out of it, or cannot be kept."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or not name.isprintable() or "\\" in name:
        raise MediaCorrupt(f"{packed}: a member is called {ascii(name)[1:-1][:200]}, which is no name. Rename it.")
    return "/".join([packed, *parts])


def cell_path(packed: str, column: str, row: int) -> str:
    """Of a cell of a Parquet file; rows are counted from 1."""
    return f"{packed}/{quote(column, safe='')}/{row}"


def container_of(path: str) -> str | None:
    """The tar or Parquet file of this machine that a path leads into; None where it leads into none."""
    at = -1
    lower = path.lower()
    while (at := lower.find("/", at + 1)) >= 0:
        if lower[:at].endswith((TAR, PARQUET)) and os.path.isfile(path[:at]):
            return path[:at]
    return None


def read_packed(path: str, limits: AnyLimits) -> bytes | None:
    """The bytes of such a path of this machine; None where it leads into no tar or Parquet file.

    Raises MediaMissing, MediaEmpty, MediaTooLarge or MediaCorrupt."""
    path = path.replace(os.sep, "/")
    container = container_of(path)
    if container is None:
        return None
    state = LocalBlob(container).state()
    if container.lower().endswith(PARQUET):
        column, _, row = path[len(container) + 1 :].rpartition("/")
        return _cell(container, state, unquote(column), int(row) - 1 if row.isdigit() and len(row) < 16 else -1)
    part = _index(container, state).get(path)
    if part is None:
        raise MediaMissing(f"{path}: there is no such member.")
    return part.load(path, limits if isinstance(limits, Limits) else Limits(max_bytes=limits.max_bytes))


@lru_cache(maxsize=4)
def _index(container: str, state: State) -> Mapping[str, Part]:
    """As far as the file can be read. `state` tells one version of it from the next."""
    found: dict[str, Part] = {}
    place = LocalBlob(container)
    with place.open() as file:
        try:
            for member in tar_members(file, container):
                if not member.sparse:
                    found[_lenient(container, member.name)] = Part(place, member.offset, member.size)
        except MediaCorrupt:
            pass  # what comes before the damage can be read
    return found


def _lenient(container: str, name: str) -> str:
    try:
        return member_path(container, name)
    except MediaCorrupt:
        return ""


@contextmanager
def opened_parquet(file: BinaryIO, name: str) -> Iterator[ParquetFile]:
    """Columns are decoded page by page, not a row group at once. Raises MediaCorrupt."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file, buffer_size=2**20, pre_buffer=False) as table:
            yield table
    except pyarrow.ArrowException as error:
        words = " ".join(str(error).split())[:200]
        raise MediaCorrupt(f"{name} is not a Parquet file that can be read: {words}") from error


def _cell(container: str, state: State, column: str, row: int) -> bytes:
    for group, first, count in _groups(container, state):
        if first <= row < first + count:
            value = _column(container, state, group, column)[row - first].as_py()
            data = value.get("bytes") if isinstance(value, dict) else value
            if not data or not isinstance(data, bytes):
                raise MediaEmpty(f"{cell_path(container, column, row + 1)}: empty, 0 bytes.")
            return data
    raise MediaMissing(f"{container}: there is no row {row + 1}.")


@lru_cache(maxsize=4)
def _groups(container: str, state: State) -> list[tuple[int, int, int]]:
    """Number, first row and rows of each row group."""
    groups, first = [], 0
    with LocalBlob(container).open() as file, opened_parquet(file, container) as table:
        for number in range(table.metadata.num_row_groups):
            count = table.metadata.row_group(number).num_rows
            groups.append((number, first, count))
            first += count
    return groups


@lru_cache(maxsize=2)
def _column(container: str, state: State, group: int, column: str) -> Any:
    with LocalBlob(container).open() as file, opened_parquet(file, container) as table:
        if column not in table.schema_arrow.names:
            raise MediaMissing(f"{container}: there is no column {column}.")
        return table.read_row_group(group, columns=[column], use_threads=False).column(column)
