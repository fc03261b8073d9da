"""Items <-> rows of SQLite. Every field is a column; what an item lacks is NULL.

text TEXT, number REAL or INTEGER, boolean 0 or 1, date microseconds since 1970. A list of text is one text: each
element written as in JSON, which leaves no control character in it, with SEPARATOR before, between and behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bouba.stores.lance.names import column_of
from bouba.types import ITEM_FIELDS, AttributeType, AttributeValue, Item

SEPARATOR = "\x1f"
_AS_THEY_ARE = (AttributeType.TEXT, AttributeType.NUMBER)
_EPOCH, _MICROSECOND = datetime(1970, 1, 1), timedelta(microseconds=1)

SqlValue = str | float | int | None


def column(name: str) -> str:
    """The quoted column of a field of bouba's or of an attribute."""
    return f'"{name if name in ITEM_FIELDS else column_of(name)}"'


def columns(fields: Mapping[str, AttributeType]) -> list[str]:
    """Of an item's fields and then of these attributes."""
    return [column(name) for name in (*ITEM_FIELDS, *fields)]


def to_row(item: Item, fields: Mapping[str, AttributeType]) -> list[SqlValue]:
    """An item with settled values, in the order of `columns`."""
    own = [to_sql(getattr(item, name)) for name in ITEM_FIELDS]
    return own + [to_sql(item.attributes.get(name)) for name in fields]


def to_item(row: Sequence[Any], fields: Mapping[str, AttributeType]) -> Item:
    id, path, width, height, size, media_type, taken, phash, *rest = row
    values = zip(fields.items(), rest, strict=True)
    attributes = {name: _from_sql(value, kind) for (name, kind), value in values if value is not None}
    taken = _from_sql(taken, AttributeType.DATE)
    return Item(id, path, width, height, size, media_type, taken, phash, attributes)


def to_sql(value: AttributeValue | None) -> SqlValue:
    match value:
        case bool():
            return int(value)
        case datetime():
            return microseconds(value)
        case tuple():
            return SEPARATOR + "".join(_element(text) + SEPARATOR for text in value)
    return value


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def element_sql(text: str) -> str:
    """What a list that has this text contains."""
    return f"{SEPARATOR}{_element(text)}{SEPARATOR}"


def _element(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _from_sql(value: Any, kind: AttributeType) -> Any:
    if value is None or kind in _AS_THEY_ARE:
        return value
    if kind is AttributeType.BOOLEAN:
        return bool(value)
    if kind is AttributeType.DATE:
        return _EPOCH + timedelta(microseconds=value)
    return tuple(json.loads(f'"{text}"') for text in value.split(SEPARATOR)[1:-1])
