"""An item as one text, for stores that read it back faster than column by column."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from bouba.types import AttributeValue, Item


def to_record(item: Item) -> str:
    """JSON, all but the id."""
    attributes = {
        name: {"date": value.isoformat()} if isinstance(value, datetime) else value
        for name, value in item.attributes.items()
    }
    record = {**item.to_dict(), "attributes": attributes}
    del record["id"]
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def from_record(id: str, text: str | bytes) -> Item:
    record = json.loads(text)
    taken = record["taken"]
    attributes = {name: _value(value) for name, value in record["attributes"].items()}
    return Item(
        id,
        record["path"],
        record["width"],
        record["height"],
        record["bytes"],
        record["media_type"],
        datetime.fromisoformat(taken) if taken else None,
        record["phash"],
        attributes,
    )


def _value(value: Any) -> AttributeValue:
    match value:
        case {"date": str(moment)}:
            return datetime.fromisoformat(moment)
        case list():
            return tuple(value)
    kept: AttributeValue = value
    return kept
