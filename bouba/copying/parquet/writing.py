"""One Parquet file, which appears whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from bouba.copying.checksum import Tally, as_metadata
from bouba.copying.parquet.records import to_table
from bouba.errors import StoreUnavailable

if TYPE_CHECKING:
    from bouba.copying.ends import Batch

PARTIAL = ".partial"


class PartWriter:
    """`close` makes the file appear; leaving the `with` by an exception drops it. Raises StoreUnavailable."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self._schema = path, schema
        self.tally = Tally()
        self._partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{PARTIAL}")  # never another process's
        texts = [column.name for column in schema if pa.types.is_string(column.type) and column.name not in ("id",)]
        plain = [column.name for column in schema if not pa.types.is_nested(column.type) and column.name != "thumbnail"]
        try:
            # Dictionaries of vectors and thumbnails would never pay, and their least and greatest say nothing.
            self._writer = pq.ParquetWriter(
                self._partial, schema, use_dictionary=texts, write_statistics=plain, write_page_checksum=True
            )
        except OSError as error:
            raise self._failed(error) from error

    def write(self, batch: Batch) -> None:
        """One row group."""
        if not batch.items:
            return
        self.tally += Tally.of(batch.digests)
        try:
            self._writer.write_table(to_table(batch, self._schema), row_group_size=len(batch.items))
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        try:
            self._writer.add_key_value_metadata(as_metadata(self.tally))
            self._writer.close()
            with self._partial.open("rb+") as file:
                os.fsync(file.fileno())
            self._partial.replace(self.path)
        except OSError as error:
            raise self._failed(error) from error

    def drop(self) -> None:
        self._writer.close()
        self._partial.unlink(missing_ok=True)

    def _failed(self, error: OSError) -> StoreUnavailable:
        self._partial.unlink(missing_ok=True)
        return StoreUnavailable(f"{self.path} cannot be written: {error.strerror or error}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.drop()
