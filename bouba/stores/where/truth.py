"""What a filter says of one item: the meaning that every engine's own compiler has to keep."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any

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
from bouba.types import ITEM_FIELDS, Item


def fits(where: Where | None, item: Item) -> bool:
    """Whether the whole filter is true of an item with settled values; unknown is not true."""
    return where is None or truth(where, item) is True


def truth(where: Where, item: Item) -> bool | None:
    """SQL's three-valued logic; None is unknown."""
    match where:
        case And(operands):
            truths = {truth(operand, item) for operand in operands}
            return False if False in truths else None if None in truths else True
        case Or(operands):
            truths = {truth(operand, item) for operand in operands}
            return True if True in truths else None if None in truths else False
        case Not(operand):
            inner = truth(operand, item)
            return None if inner is None else not inner
        case IsNull(field):
            return _value(field, item) is None
    value = _value(where.field, item)
    return None if value is None else _holds(where, value)


def _holds(where: Compare | In | Like | Has, value: Any) -> bool:
    match where:
        case Compare(_, op, other):
            return _compare(op, value, other)
        case In(_, values):
            return value in values
        case Like(_, pattern):
            return _like(pattern).fullmatch(value.lower()) is not None
        case Has(_, text):
            return text in value


def _compare(op: Operator, value: Any, other: Scalar) -> bool:
    match op:
        case "=":
            return bool(value == other)
        case "!=":
            return bool(value != other)
        case "<":
            return bool(value < other)
        case "<=":
            return bool(value <= other)
        case ">":
            return bool(value > other)
        case ">=":
            return bool(value >= other)


@lru_cache(maxsize=64)
def _like(pattern: str) -> re.Pattern[str]:
    wild = {ANY_RUN: ".*", ANY_ONE: "."}
    return re.compile("".join(wild.get(kind) or re.escape(text) for kind, text in like_parts(pattern)), re.DOTALL)


def _value(field: Field, item: Item) -> str | float | bool | datetime | tuple[str, ...] | None:
    return getattr(item, field.name) if field.name in ITEM_FIELDS else item.attributes.get(field.name)
