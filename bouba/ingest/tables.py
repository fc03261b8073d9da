"""Parquet files that hold the pictures themselves: bytes, or Hugging Face's struct {bytes, path}."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bouba.errors import BoubaError, ManifestError
from bouba.ingest.entries import Entry, recipe_of
from bouba.ingest.manifest import image_column_of, parquet_columns, parquet_rows, survey
from bouba.ingest.report import Failure
from bouba.media.blob import Blob, State
from bouba.media.packed import cell_path, opened_parquet

if TYPE_CHECKING:
    from bouba.types import AttributeValue

_BATCH_ROWS = 16  # pictures that are decoded from the file at once


@dataclass(frozen=True, slots=True)
class PictureTable:
    """One such file; every row is an entry."""

    blob: Blob
    state: State
    column: str
    count: int
    given: Mapping[str, AttributeValue] | None = None

    @property
    def recipe(self) -> str:
        return recipe_of("table", self.column, sorted((self.given or {}).items()))

    def entries(self) -> Iterator[Entry | Failure]:
        columns = survey(self.blob, self.column)
        holds_bytes = parquet_columns(self.blob)
        wanted = [name for name in holds_bytes if name == self.column or not holds_bytes[name]]
        for number, (origin, raw) in enumerate(parquet_rows(self.blob, wanted, _BATCH_ROWS), 1):
            row = columns.row(origin, raw)
            if isinstance(row.image, bytes):
                path = cell_path(self.blob.name, self.column, number)
                attributes = {**row.attributes, **(self.given or {})}
                yield Entry(row.image, path, attributes or None, self.state, self.blob.name)
            else:
                error = row.image if isinstance(row.image, BoubaError) else _elsewhere(origin, row.image)
                yield Failure.of(f"{self.blob.name}, row {number}", error, self.blob.name)


def picture_table(
    blob: Blob, image_column: str | None, given: Mapping[str, AttributeValue] | None
) -> PictureTable | None:
    """None for a table whose pictures lie elsewhere, by path or URL. Raises ManifestError where it has none at all, and
    what the blob raises."""
    state = blob.state()
    columns = parquet_columns(blob)
    with blob.open() as file, opened_parquet(file, blob.name) as table:
        rows = table.metadata.num_rows
    if not rows:
        return None
    column = image_column_of(blob.name, list(columns), image_column)
    return PictureTable(blob, state, column, rows, given) if columns[column] else None


def _elsewhere(origin: str, path: str) -> ManifestError:
    return ManifestError(f"{origin}: no bytes, only the path {path!r:.200}; in this table the pictures are bytes.")
