"""Attribute names <-> column names, without loss and without a second table to keep.

A column is `attr_` and the name in which every character but a-z, 0-9 and _ stands as `_x` + hexadecimal code
point + `_`. So no two names fall together in an engine that ignores letter case, none is a keyword, and dots,
quotes, spaces and every script are safe. An underscore before an x is escaped too, which keeps it reversible.
"""

from __future__ import annotations

import re

_PREFIX = "attr_"


def column_of(name: str) -> str:
    return _PREFIX + re.sub(r"[^a-z0-9_]|_(?=x)", lambda m: f"_x{ord(m.group()):x}_", name)


def name_of(column: str) -> str | None:
    """The attribute that a column holds; None for a column of bouba's own."""
    if not column.startswith(_PREFIX):
        return None
    return re.sub(r"_x([0-9a-f]+)_", lambda m: chr(int(m.group(1), 16)), column.removeprefix(_PREFIX))
