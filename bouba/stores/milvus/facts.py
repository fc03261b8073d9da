"""What a filter can ask of an item, as text that Milvus compares exactly: one JSON object beside each vector.

Every value is a string of the digits 0-9a-f whose order is the order of the values, so that no server's own ideas of
numbers, dates, nulls, letter case or escapes matter, and no literal of a user's ever stands in an expression. A text
longer than HEAD_BYTES ends in "~", which sorts behind all digits. A missing value has no key.

    number   the bits of the double, made to sort      text     its UTF-8; under "l_" + KEY again in lower case
    date     microseconds since the year 1                      where that differs, for `like`
    boolean  0 or 1                                    texts    a list of such
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from bouba.types import ITEM_FIELDS, AttributeValue, Item

HEAD_BYTES = 96  # of a text's UTF-8
CUT = "~"
_FIRST = datetime(1, 1, 1)
_PLAIN = re.compile(r"[a-z0-9_]{1,40}")


def facts_of(item: Item) -> dict[str, Any]:
    """Of an item with settled values; `id` is not among them, as it is the primary key."""
    facts: dict[str, Any] = {}
    for name, value in _values(item):
        key = key_of(name)
        facts[key] = encoded(value)
        if isinstance(value, str) and (lower := value.lower()) != value:
            facts[lower_key_of(name)] = encoded(lower)
    return facts


def key_of(name: str) -> str:
    """Of a field of bouba's, or an attribute: of 64 characters at most, and safe inside quotes."""
    if name in ITEM_FIELDS:
        return name
    return f"a_{name}" if _PLAIN.fullmatch(name) else f"h_{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def lower_key_of(name: str) -> str:
    return f"l_{key_of(name)}"


def encoded(value: AttributeValue) -> str | list[str]:
    match value:
        case bool():
            return "1" if value else "0"
        case str():
            return text(value)
        case datetime():
            return f"{(value - _FIRST) // timedelta(microseconds=1):016x}"
        case tuple():
            return [text(one) for one in value]
    return _number(value)


def text(value: str) -> str:
    raw = value.encode()
    return raw.hex() if len(raw) <= HEAD_BYTES else raw[:HEAD_BYTES].hex() + CUT


def is_cut(code: str) -> bool:
    return code.endswith(CUT)


def _number(value: float) -> str:
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
    return f"{bits ^ (0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else 1 << 63):016x}"


def _values(item: Item) -> Iterator[tuple[str, AttributeValue]]:
    for name in ITEM_FIELDS:
        value = getattr(item, name)
        if name != "id" and value is not None:
            yield name, value
    yield from item.attributes.items()
