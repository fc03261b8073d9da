"""A gallery as one Parquet file: a column for each field, and the vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bouba.gallery import parts
from bouba.origin import new_meta

if TYPE_CHECKING:
    from bouba.gallery import Gallery


def export_parquet(gallery: Gallery, path: Path, where: str | None = None) -> int:
    """Write every item that fits the filter, its attributes and its vector; returns how many.

    The file appears whole or not at all, and can be copied back into a gallery (`bouba.copying`), where it brings no
    thumbnails. Raises StoreUnavailable where it cannot be written."""
    from bouba.copying.ends import SCAN_ROWS, Batch
    from bouba.copying.parquet import PartWriter
    from bouba.copying.parquet.records import schema_of
    from bouba.copying.stored import StoreSource

    _, store, _ = parts(gallery)
    condition = gallery.where(where)
    meta = store.read_meta() or new_meta(gallery.model)
    with PartWriter(path, schema_of(StoreSource(gallery).shape(), meta, extras=False)) as writer:
        for items, rows in store.scan(condition, SCAN_ROWS):
            writer.write(Batch(items, rows))
    return writer.tally.items
