"""Parquet: media as paths, as binary cells, or as Hugging Face's struct {bytes, path}. Cells stay in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bouba.errors import ManifestError
from bouba.training.data.formats.table import Row, Table
from bouba.training.data.media import Cell


def read_parquet(path: Path) -> Table:
    with _opened(path) as file:
        names, rows = tuple(file.schema_arrow.names), file.metadata.num_rows
    return Table(names if rows else (), lambda wanted: _rows(path, wanted))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (OSError, pyarrow.ArrowException) as error:
        words = " ".join(str(error).split())[:200]
        raise ManifestError(f"{path} is not a Parquet file that can be read: {words}") from error


def _rows(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    with _opened(path) as file:
        schema = file.schema_arrow
        cells = [name for name in wanted if _holds_bytes(schema.field(name).type)]
        plain = [name for name in wanted if name not in cells]
        number = 0
        for group in range(file.num_row_groups):
            columns = {name: _media(file, path, group, name, number) for name in cells}
            table = file.read_row_group(group, columns=plain, use_threads=False)
            columns |= {name: table.column(name).to_pylist() for name in plain}
            for row in range(file.metadata.row_group(group).num_rows):
                number += 1
                yield f"{path.name}, row {number}", {name: values[row] for name, values in columns.items()}


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _media(file: Any, path: Path, group: int, column: str, before: int) -> list[Cell | str | None]:
    """One a row: a cell where there are bytes, else the struct's path."""
    is_struct = hasattr(file.schema_arrow.field(column).type, "get_field_index")
    has_bytes = _not_null(file, group, f"{column}.bytes" if is_struct else column)
    paths = _paths(file, group, column) if is_struct else [None] * len(has_bytes)
    return [
        Cell(str(path), group, row, column, named or f"{path.name}, row {before + row + 1}") if there else named
        for row, (there, named) in enumerate(zip(has_bytes, paths, strict=True))
    ]


def _paths(file: Any, group: int, column: str) -> list[str | None]:
    if file.schema_arrow.field(column).type.get_field_index("path") < 0:
        return [None] * file.metadata.row_group(group).num_rows
    values = file.read_row_group(group, columns=[f"{column}.path"], use_threads=False).column(column)
    return [value and value["path"] for value in values.to_pylist()]


def _not_null(file: Any, group: int, leaf: str) -> list[bool]:
    """Which rows have bytes: by the statistics where they settle it, else by reading the column."""
    row_group = file.metadata.row_group(group)
    chunks = (row_group.column(i) for i in range(row_group.num_columns))
    statistics = next(chunk.statistics for chunk in chunks if chunk.path_in_schema == leaf)
    nulls = statistics.null_count if statistics and statistics.has_null_count else None
    if nulls in (0, row_group.num_rows):
        return [nulls == 0] * row_group.num_rows
    values = file.read_row_group(group, columns=[leaf], use_threads=False).column(0).combine_chunks()
    inner = values.field("bytes") if hasattr(values, "field") else values
    valid: list[bool] = inner.is_valid().to_pylist()
    return valid
