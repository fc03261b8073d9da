"""A gallery as one Parquet file: a column for each field, and the vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.errors import StoreUnavailable
from bouba.types import ITEM_FIELDS, AttributeType, Item

if TYPE_CHECKING:
    import pyarrow

    from bouba.gallery import Gallery
    from bouba.types import Vectors


def export_parquet(gallery: Gallery, path: Path, where: str | None = None) -> int:
    """Write every item that fits the filter, its attributes and its vector; returns how many.

    The file appears whole or not at all. Raises StoreUnavailable where it cannot be written."""
    import pyarrow
    import pyarrow.parquet

    schema = _schema(gallery.fields, gallery.model.dim)
    schema = schema.with_metadata({"bouba.model": f"{gallery.model.name} {gallery.model.version}"})
    partial = path.with_name(path.name + ".partial")
    count = 0
    try:
        with pyarrow.parquet.ParquetWriter(partial, schema) as writer:
            for items, vectors in gallery.batches(where):
                writer.write_table(_table(items, vectors, schema))
                count += len(items)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreUnavailable(f"{path} cannot be written: {error.strerror or error}.") from error
    return count


def _schema(fields: Mapping[str, AttributeType], dim: int) -> pyarrow.Schema:
    import pyarrow as pa

    types = {
        AttributeType.TEXT: pa.string(),
        AttributeType.NUMBER: pa.float64(),
        AttributeType.DATE: pa.timestamp("us"),
        AttributeType.BOOLEAN: pa.bool_(),
        AttributeType.TEXTS: pa.list_(pa.string()),
    }
    whole = {"width", "height", "bytes"}
    columns = [(name, pa.int64() if name in whole else types[kind]) for name, kind in fields.items()]
    return pa.schema([*columns, ("vector", pa.list_(pa.float32(), dim))])


def _table(items: list[Item], vectors: Vectors, schema: pyarrow.Schema) -> pyarrow.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {
        name: pa.array([_value(item, name) for item in items], schema.field(name).type) for name in schema.names[:-1]
    }
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    return pa.table(columns, schema=schema)


def _value(item: Item, name: str) -> Any:
    return getattr(item, name) if name in ITEM_FIELDS else item.attributes.get(name)
