"""What zvec knows of an item beside its vector, and the condition on it that every item fulfils which fits a filter.

zvec can add no column of text to a table, and each column costs it files and time, so a few stand for all fields:

facts            short codes: "this field has a value", and for text, lists of text and booleans "it is this one"
taken            as a double, like
n0 to n6         the first 7 attributes that are numbers or dates; `slots` says which is where

A condition may let too many items through (SQLite sorts them out), but never one too few: doubles are compared with a
margin, as zvec reads literals by its own rules, and what cannot be said is left out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bouba.stores.where.tree import And, Compare, Field, Has, In, IsNull, Not, Operator, Or, Scalar, Where
from bouba.stores.zvec.columns import microseconds
from bouba.types import ITEM_FIELDS, AttributeType, AttributeValue, Item

SLOTS = tuple(f"n{number}" for number in range(7))
OWN = {"taken": "taken"}
FACTS = "facts"
NUMERIC = (AttributeType.NUMBER, AttributeType.DATE)
MAX_TERMS = 100  # of a condition; each costs zvec some 10 µs
CODES_AT_ONCE = 32  # zvec's limit
HEAD_CHARACTERS = 100  # of a text that its code is made of
_UNCODED = frozenset(["id", "path", "phash"])  # differ from item to item: SQLite finds those by itself
_MOST, _LEAST = 1e300, 1e-300  # doubles beyond are taken for these: zvec need not read infinities and denormals
_OPPOSITE: dict[Operator, Operator] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def facts_of(item: Item, slots: Mapping[str, str]) -> dict[str, Any]:
    """The columns of an item with settled values. `slots`: attribute -> one of SLOTS."""
    row: dict[str, Any] = {FACTS: sorted(set(_codes(item)))}
    for name, slot in {**OWN, **slots}.items():
        value = getattr(item, name) if name in ITEM_FIELDS else item.attributes.get(name)
        if value is not None:
            row[slot] = _double(value)
    return row


def condition(where: Where | None, slots: Mapping[str, str]) -> str | None:
    """In zvec's language; None where there is nothing to say."""
    if where is None:
        return None
    said = _Compiler({**OWN, **slots}).compile(where, negated=False)
    return said if said is not None and _terms(said) <= MAX_TERMS else None


class _Compiler:
    def __init__(self, slots: Mapping[str, str]) -> None:
        self._slots = slots

    def compile(self, where: Where, negated: bool) -> str | None:
        """Negations are pushed down to the predicates, which are false of a missing value."""
        match where:
            case Not(operand):
                return self.compile(operand, not negated)
            case And(operands) | Or(operands):
                parts = [self.compile(operand, negated) for operand in operands]
                return _all(parts) if isinstance(where, And) is not negated else _any(parts)
            case IsNull(field):
                return self._present(field) if negated else self._missing(field)
            case Compare(field, op, value):
                return self._compare(field, _OPPOSITE[op] if negated else op, value)
            case In(field, values) if not negated:
                return self._among(field, list(dict.fromkeys(values))) or self._present(field)
            case Has(field, value) if not negated:
                return _coded([code(field.name, value)])
        return self._present(where.field)

    def _compare(self, field: Field, op: Operator, value: Scalar) -> str | None:
        if field.type is AttributeType.BOOLEAN:
            return _coded([code(field.name, value is (op == "="))])
        slot = self._slots.get(field.name)
        if slot is not None and op != "!=":
            sides = [f"{slot} {_side(side, value)}" for side in ((">=", "<=") if op == "=" else (op,))]
            # zvec 0.8 fails at a range that covers all rows of a segment, unless it stands beside another predicate.
            return f"({' and '.join(sides)} and {slot} is not null)"
        if field.type is AttributeType.TEXT and op == "=" and field.name not in _UNCODED:
            return _coded([code(field.name, value)])
        return self._present(field)

    def _among(self, field: Field, values: Sequence[Scalar]) -> str | None:
        if field.type is not AttributeType.TEXT or field.name in _UNCODED:
            return _any([self._compare(field, "=", value) for value in values])
        codes = [code(field.name, value) for value in values]
        return _any([_coded(codes[n : n + CODES_AT_ONCE]) for n in range(0, len(codes), CODES_AT_ONCE)])

    def _present(self, field: Field) -> str | None:
        if field.name in ITEM_FIELDS:
            return f"({OWN[field.name]} is not null)" if field.name in OWN else None
        return _coded([code(field.name)])

    def _missing(self, field: Field) -> str | None:
        if field.name in ITEM_FIELDS:
            return f"({OWN[field.name]} is null)" if field.name in OWN else None
        return f"({FACTS} not contain_any ('{code(field.name)}'))"


def code(name: str, value: AttributeValue | None = None) -> str:
    """Of a value under this name, or without one of there being any: 16 hex digits, which need no quoting."""
    shown = value[:HEAD_CHARACTERS] if isinstance(value, str) else value
    return hashlib.blake2b(repr((name, shown)).encode(), digest_size=8).hexdigest()


def _codes(item: Item) -> Iterator[str]:
    yield code("media_type", item.media_type)
    for name, value in item.attributes.items():
        yield code(name)
        match value:
            case tuple():
                yield from (code(name, text) for text in value)
            case str() | bool():
                yield code(name, value)


def _coded(codes: Sequence[str]) -> str:
    return f"({FACTS} contain_any ({', '.join(map(repr, codes))}))"


def _all(parts: Sequence[str | None]) -> str | None:
    said: list[str] = []
    for part in dict.fromkeys(part for part in parts if part is not None):
        if sum(map(_terms, said)) + _terms(part) <= MAX_TERMS:
            said.append(part)
    return f"({' and '.join(said)})" if len(said) > 1 else said[0] if said else None


def _any(parts: Sequence[str | None]) -> str | None:
    said = list(dict.fromkeys(part for part in parts if part is not None))
    if None in parts or sum(map(_terms, said)) > MAX_TERMS:
        return None
    return f"({' or '.join(said)})" if len(said) > 1 else said[0]


def _terms(said: str) -> int:
    return said.count(" and ") + said.count(" or ") + 1


def _side(op: str, value: Scalar) -> str:
    """`> 1.5` and `>= 1.5` become `>= 1.4999999`, with a margin of one double in the last place."""
    assert not isinstance(value, str)
    double, up = _double(value), op in ("<", "<=")
    edge = math.nextafter(double, math.inf if up else -math.inf)
    if abs(edge) < _LEAST:
        edge = _LEAST if up else -_LEAST
    return f"{'<=' if up else '>='} {edge!r}"


def _double(value: Any) -> float:
    number = microseconds(value) if isinstance(value, datetime) else value
    return min(max(float(number), -_MOST), _MOST)
