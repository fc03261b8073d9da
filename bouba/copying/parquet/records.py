"""Batches <-> tables of Arrow. The schema says which columns are attributes, and of which type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bouba.copying.ends import Batch, Shape
from bouba.stores.ledger import FileRow
from bouba.types import ITEM_FIELDS, AttributeType, AttributeValue, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

FORMAT = 1
DESCRIPTION = b"bouba.gallery"
MODEL = b"bouba.model"
_ATTRIBUTE = b"bouba.attribute"  # of a column: the attribute's name

EXTRAS = ("thumbnail", "files")
_OWN = (*ITEM_FIELDS, "vector", "bias", *EXTRAS)
_ARROW: Mapping[AttributeType, pa.DataType] = {
    AttributeType.TEXT: pa.string(),
    AttributeType.NUMBER: pa.float64(),
    AttributeType.DATE: pa.timestamp("us"),
    AttributeType.BOOLEAN: pa.bool_(),
    AttributeType.TEXTS: pa.list_(pa.string()),
}
_FILES = pa.list_(pa.struct([("path", pa.string()), ("size", pa.int64()), ("mtime_ns", pa.int64())]))


def schema_of(shape: Shape, meta: Mapping[str, Any], extras: bool) -> pa.Schema:
    kinds = {name: pa.int64() if kind is AttributeType.NUMBER else _ARROW[kind] for name, kind in ITEM_FIELDS.items()}
    columns = [pa.field(name, kind) for name, kind in kinds.items()]
    taken = set(_OWN)
    for name, kind in shape.fields.items():
        column = _free(name, taken)
        columns.append(pa.field(column, _ARROW[kind], metadata={_ATTRIBUTE: name}))
    columns.append(pa.field("vector", pa.list_(pa.float32(), shape.dim)))
    if shape.length > shape.dim:
        columns.append(pa.field("bias", pa.list_(pa.float32(), shape.length - shape.dim)))
    columns += [pa.field("thumbnail", pa.binary()), pa.field("files", _FILES)] if extras else []
    return pa.schema(columns, metadata=_metadata(meta))


def _free(name: str, taken: set[str]) -> str:
    """An attribute may be called `vector`."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _metadata(meta: Mapping[str, Any]) -> dict[bytes, bytes]:
    model = meta.get("model", {})
    text = json.dumps({"format": FORMAT, "gallery": meta}, ensure_ascii=False)
    return {MODEL: f"{model.get('name')} {model.get('version')}".encode(), DESCRIPTION: text.encode()}


def shape_of(schema: pa.Schema) -> Shape:
    """Raises KeyError, ValueError or AttributeError for what no writer of this format made."""
    dim = schema.field("vector").type.list_size
    rest = schema.field("bias").type.list_size if "bias" in schema.names else 0
    return Shape({name: kind for name, kind, _ in _attributes(schema)}, dim + rest, dim)


def _attributes(schema: pa.Schema) -> list[tuple[str, AttributeType, str]]:
    """Name, type and column of each."""
    found = []
    for column in schema:
        if column.metadata and _ATTRIBUTE in column.metadata:
            kind = next((kind for kind, arrow in _ARROW.items() if arrow == column.type), AttributeType.TEXTS)
            found.append((column.metadata[_ATTRIBUTE].decode(), kind, column.name))
    return found


def to_table(batch: Batch, schema: pa.Schema) -> pa.Table:
    shape = shape_of(schema)
    rows = np.ascontiguousarray(batch.rows, np.float32)
    columns = [pa.array([getattr(i, name) for i in batch.items], schema.field(name).type) for name in ITEM_FIELDS]
    for name, _, column in _attributes(schema):
        columns.append(pa.array([i.attributes.get(name) for i in batch.items], schema.field(column).type))
    columns.append(_fixed(rows[:, : shape.dim]))
    if "bias" in schema.names:
        columns.append(_fixed(rows[:, shape.dim :]))
    if "files" in schema.names:
        files: dict[str, list[dict[str, Any]]] = {}
        for row in batch.files:
            files.setdefault(row.id, []).append({"path": row.path, "size": row.size, "mtime_ns": row.mtime_ns})
        columns.append(pa.array([batch.thumbnails.get(item.id) for item in batch.items], pa.binary()))
        columns.append(pa.array([files.get(item.id) for item in batch.items], _FILES))
    return pa.Table.from_arrays(columns, schema=schema)


def _fixed(rows: Vectors) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])


def to_batch(table: pa.RecordBatch) -> Batch:
    names = table.schema.names
    columns = {name: table[name].to_pylist() for name in ITEM_FIELDS}
    attributes = [(name, table[column].to_pylist()) for name, _, column in _attributes(table.schema)]
    items = [
        Item(**{name: values[n] for name, values in columns.items()}, attributes=_present(attributes, n))
        for n in range(table.num_rows)
    ]
    rows = [_flat(table[name]) for name in ("vector", "bias") if name in names]
    thumbnails = dict(zip(columns["id"], table["thumbnail"].to_pylist(), strict=True)) if "thumbnail" in names else {}
    files = table["files"].to_pylist() if "files" in names else []
    return Batch(
        items,
        np.concatenate(rows, axis=1),
        {id: jpeg for id, jpeg in thumbnails.items() if jpeg is not None},
        [FileRow(**row, id=id) for id, held in zip(columns["id"], files, strict=bool(files)) for row in held or ()],
    )


def _present(attributes: Iterable[tuple[str, list[Any]]], row: int) -> dict[str, AttributeValue]:
    values = ((name, column[row]) for name, column in attributes)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values if value is not None}


def _flat(column: pa.FixedSizeListArray) -> Vectors:
    matrix: Vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
    return matrix
