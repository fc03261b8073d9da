"""Pair files, one module a format. Adding one: a function Path -> Table, and a line in FORMATS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from bouba.errors import ManifestError
from bouba.training.data.formats.lines import read_csv, read_json_lines
from bouba.training.data.formats.parquet import read_parquet
from bouba.training.data.formats.shards import read_shard
from bouba.training.data.formats.table import Row, Table

__all__ = ["FORMATS", "Row", "Table", "read_table"]

FORMATS: Mapping[str, Callable[[Path], Table]] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
    ".tar": read_shard,
}


def read_table(path: Path) -> Table:
    """Raises ManifestError for a file that is not there, of no known format, or without rows."""
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        raise ManifestError(
            f"{path}: pairs are read from {', '.join(FORMATS)} (shards not compressed), from a folder of .tar or "
            ".parquet files, or from a pattern like shards/{00000..00099}.tar."
        )
    if not path.is_file():
        raise ManifestError(f"{path}: no such file.")
    table = reader(path)
    if not table.columns:
        raise ManifestError(f"{path} holds no rows.")
    return table
