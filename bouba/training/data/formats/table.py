"""What every format becomes: column names first, then rows, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[str, dict[str, Any]]  # origin ("pairs.jsonl, line 12"), values by column; a picture inside is a Media


@dataclass(frozen=True, slots=True)
class Table:
    """A pair file, opened."""

    columns: tuple[str, ...]
    rows: Callable[[Sequence[str]], Iterable[Row]]  # the columns that are wanted; others may come too
