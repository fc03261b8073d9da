"""JSON lines, CSV and TSV, as `bouba.evaluation` reads them. The file is parsed twice rather than kept as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from bouba.evaluation.data.lines import csv_lines, json_lines
from bouba.training.data.formats.table import Row, Table


def read_json_lines(path: Path) -> Table:
    return _table(path, json_lines)


def read_csv(path: Path) -> Table:
    return _table(path, csv_lines)


def _table(path: Path, lines: Callable[[Path], Iterable[Row]]) -> Table:
    columns = dict.fromkeys(name for _, row in lines(path) for name in row)
    return Table(tuple(columns), lambda wanted: lines(path))
