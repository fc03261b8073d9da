"""Items <-> rows of Arrow. The schema alone says which attributes there are and of which type.

Columns are what filters read. A search reads `record`, the item whole: of a dozen rows in a million the engine takes
about as long for each column, longer where all its values are equal. Galleries made before there was one are read by
columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bouba.stores.lance.names import column_of, name_of
from bouba.stores.record import from_record, to_record
from bouba.types import ITEM_FIELDS, AttributeType, AttributeValue, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

_ARROW: Mapping[AttributeType, pa.DataType] = {
    AttributeType.TEXT: pa.utf8(),
    AttributeType.NUMBER: pa.float64(),
    AttributeType.DATE: pa.timestamp("us"),
    AttributeType.BOOLEAN: pa.bool_(),
    AttributeType.TEXTS: pa.list_(pa.utf8()),
}


RECORD = "record"
# Stored row by row, where the engine would else decode thousands of rows to reach one.
_BY_ROW = {"lance-encoding:structural-encoding": "fullzip", "lance-encoding:compression": "zstd"}


def new_schema(dim: int) -> pa.Schema:
    """The columns of a gallery without attributes."""
    types = {name: pa.int64() if kind is AttributeType.NUMBER else _ARROW[kind] for name, kind in ITEM_FIELDS.items()}
    columns = [pa.field(name, kind, nullable=name != "id") for name, kind in types.items()]
    record = pa.field(RECORD, pa.binary(), metadata=_BY_ROW)
    return pa.schema([*columns, pa.field("vector", pa.list_(pa.float32(), dim)), record])


def item_columns(schema: pa.Schema) -> list[str]:
    """What has to be read for `to_items`."""
    return ["id", RECORD] if RECORD in schema.names else [name for name in schema.names if name != "vector"]


def columns_for(fields: Mapping[str, AttributeType]) -> list[pa.Field]:
    return [pa.field(column_of(name), _ARROW[kind]) for name, kind in fields.items()]


def fields_of(schema: pa.Schema) -> dict[str, AttributeType]:
    kinds = {arrow: kind for kind, arrow in _ARROW.items()}
    named = {name_of(column.name): kinds.get(column.type) for column in schema}
    # list<item> and list<element> differ in nothing but the name of the child
    lists = {name_of(c.name): AttributeType.TEXTS for c in schema if pa.types.is_list(c.type)}
    return {name: kind for name, kind in (named | lists).items() if name is not None and kind is not None}


def dim_of(schema: pa.Schema) -> int:
    return int(schema.field("vector").type.list_size)


def to_table(items: Sequence[Item], vectors: Vectors, schema: pa.Schema) -> pa.Table:
    """One row an item, with every column of the schema; what an item lacks is null."""
    columns: list[pa.Array] = []
    for column in schema:
        if column.name == "vector":
            flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, type=column.type))
        else:
            columns.append(pa.array(_values(items, column.name), type=column.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _values(items: Sequence[Item], column: str) -> list[Any]:
    if column == RECORD:
        return [to_record(item).encode() for item in items]
    name = name_of(column)
    return [getattr(item, column) if name is None else item.attributes.get(name) for item in items]


def to_items(table: pa.Table) -> list[Item]:
    if RECORD in table.column_names:
        return list(map(from_record, table["id"].to_pylist(), table[RECORD].to_pylist()))
    columns = {name: table[name].to_pylist() for name in table.column_names if name in ITEM_FIELDS}
    attributes = {name: table[column_of(name)].to_pylist() for name in fields_of(table.schema)}
    return [
        Item(**{name: values[row] for name, values in columns.items()}, attributes=_present(attributes, row))
        for row in range(table.num_rows)
    ]


def _present(attributes: Mapping[str, Sequence[Any]], row: int) -> dict[str, AttributeValue]:
    values = ((name, column[row]) for name, column in attributes.items())
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values if v is not None}


def to_vectors(table: pa.Table) -> Vectors:
    """float32 [rows, dim]."""
    dim = dim_of(table.schema)
    chunks: Iterable[pa.FixedSizeListArray] = table["vector"].chunks
    blocks = [chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim) for chunk in chunks]
    return np.concatenate(blocks) if blocks else np.empty((0, dim), np.float32)
