"""A typed filter -> the SQL that SQLite evaluates, exactly: its three-valued logic is that of the filter language.

Literals are bound, never written into the text. Operands stand in balanced pairs of parentheses, as SQLite's trees must
not be deeper than 1,000.
"""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache

from bouba.stores.where.tree import ANY_ONE, ANY_RUN, And, Compare, Has, In, IsNull, Like, Not, Or, Where, like_parts
from bouba.stores.zvec.columns import SqlValue, column, element_sql, to_sql

LIKE = "bouba_like"  # LIKE of SQLite knows the letter case of a to z only
Condition = tuple[str, list[SqlValue]]


def where_sql(where: Where | None) -> Condition:
    """An expression and what to bind to its question marks; it is true of exactly the items that fit."""
    if where is None:
        return "TRUE", []
    bound: list[SqlValue] = []
    return _sql(where, bound), bound


def add_functions(connection: sqlite3.Connection) -> None:
    connection.create_function(LIKE, 2, _is_like, deterministic=True)


def _sql(where: Where, bound: list[SqlValue]) -> str:
    match where:
        case And(operands):
            return _balanced([_sql(operand, bound) for operand in operands], " AND ")
        case Or(operands):
            return _balanced([_sql(operand, bound) for operand in operands], " OR ")
        case Not(operand):
            return f"NOT ({_sql(operand, bound)})"
        case IsNull(field):
            return f"{column(field.name)} IS NULL"
        case Compare(field, op, value):
            bound.append(to_sql(value))
            return f"{column(field.name)} {op} ?"
        case In(field, values):
            bound += [to_sql(value) for value in values]
            return f"{column(field.name)} IN ({', '.join('?' * len(values))})"
        case Like(field, pattern):
            bound.append(pattern)
            return f"{LIKE}({column(field.name)}, ?)"
        case Has(field, value):
            bound.append(element_sql(value))
            return f"instr({column(field.name)}, ?) > 0"


def _balanced(parts: list[str], joint: str) -> str:
    while len(parts) > 1:
        pairs = [parts[n : n + 2] for n in range(0, len(parts), 2)]
        parts = [f"({joint.join(pair)})" if len(pair) == 2 else pair[0] for pair in pairs]
    return parts[0]


def _is_like(text: str | None, pattern: str) -> bool | None:
    return None if text is None else _compiled(pattern).fullmatch(text.lower()) is not None


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    wild = {ANY_RUN: ".*", ANY_ONE: "."}
    return re.compile("".join(wild.get(kind) or re.escape(text) for kind, text in like_parts(pattern)), re.DOTALL)
