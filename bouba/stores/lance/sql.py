"""A typed filter -> the SQL that Lance (DataFusion) evaluates. Every literal and column name is written here.

Negations are pushed down to the predicates and every negated one says IS NOT NULL. Then no NOT stands above
an unknown, and it does not matter whether an index keeps nulls apart from false. Parentheses, which DataFusion's
parser nests at most about 45 deep, appear only around OR inside AND.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bouba.stores.lance.names import column_of
from bouba.stores.where.tree import (
    ANY_ONE,
    ANY_RUN,
    And,
    Compare,
    Field,
    Has,
    In,
    IsNull,
    Like,
    Not,
    Operator,
    Or,
    Scalar,
    Where,
    like_parts,
)
from bouba.types import ITEM_FIELDS, AttributeType

_OPPOSITE: dict[Operator, Operator] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


IDS_AT_ONCE = 500  # in one condition


def where_sql(where: Where) -> str:
    """The filter as a SQL condition, true for exactly the items that fit."""
    return _sql(where, negated=False)


def ids_sql(ids: Iterable[str]) -> str:
    return f"`id` IN ({', '.join(map(_text, ids))})"


def _sql(where: Where, negated: bool) -> str:
    match where:
        case Not(operand):
            return _sql(operand, not negated)
        case And(operands) | Or(operands):
            parts = [_sql(operand, negated) for operand in operands]
            if isinstance(where, Or) is negated:
                # AND binds tighter than OR, so only an OR inside needs parentheses.
                kinds = [_is_or(operand, negated) for operand in operands]
                return " AND ".join(f"({p})" if is_or else p for p, is_or in zip(parts, kinds, strict=True))
            return " OR ".join(parts)
        case IsNull(field):
            return f"{_column(field)} IS {'NOT ' if negated else ''}NULL"
        case Compare(field, op, value):
            return f"{_column(field)} {_OPPOSITE[op] if negated else op} {_literal(value)}"
        case In(field, values):
            return _predicate(field, f"{_column(field)} ", f"IN ({', '.join(map(_literal, values))})", negated)
        case Like(field, pattern):
            return _predicate(field, f"lower({_column(field)}) ", f"LIKE {_text(_like_pattern(pattern))}", negated)
        case Has(field, value):
            return _predicate(field, "", f"array_has({_column(field)}, {_text(value)})", negated)


def _predicate(field: Field, left: str, right: str, negated: bool) -> str:
    return f"{_column(field)} IS NOT NULL AND {left}NOT {right}" if negated else left + right


def _is_or(where: Where, negated: bool) -> bool:
    while isinstance(where, Not):
        where, negated = where.operand, not negated
    return isinstance(where, And) if negated else isinstance(where, Or)


def _column(field: Field) -> str:
    if field.name not in ITEM_FIELDS:
        return f"`{column_of(field.name)}`"
    # Lance refuses to compare an int64 column with a literal that is not a whole number.
    return f"CAST(`{field.name}` AS DOUBLE)" if field.type is AttributeType.NUMBER else f"`{field.name}`"


def _literal(value: Scalar) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case datetime():
            return f"TIMESTAMP '{value.isoformat(' ')}'"
    return repr(float(value))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _like_pattern(pattern: str) -> str:
    wild = {ANY_RUN: "%", ANY_ONE: "_"}
    return "".join(
        wild.get(kind) or ("\\" + text if text in ("%", "_", "\\") else text) for kind, text in like_parts(pattern)
    )
