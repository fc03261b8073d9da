"""A typed filter -> an expression that Milvus evaluates, and whether that says all that the filter says.

Negations are pushed down to the predicates, and every predicate is false of a missing value, so that the server's own
treatment of nulls does not matter. What the server cannot say exactly becomes a condition that every fitting item
fulfils, and the items are looked at here again. Literals are the digits of `facts.py`: nothing needs an escape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bouba.stores.milvus.facts import HEAD_BYTES, encoded, is_cut, key_of, lower_key_of
from bouba.stores.milvus.keys import NOTHING, Keys
from bouba.stores.where.tree import (
    ANY_RUN,
    And,
    Compare,
    Has,
    In,
    IsNull,
    Like,
    Not,
    Operator,
    Or,
    Where,
    like_parts,
)

MAX_CHARACTERS = 60_000  # of an expression; a longer one is left to the look here
MAX_TERMS = 400  # predicates in one expression: old servers walk it recursively
FEW = 16  # values that are compared one by one where a server knows no `in` for JSON

_OPPOSITE: dict[Operator, Operator] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Condition:
    """What every item fulfils that fits the filter; "" is no condition. `exact`: and no other item does."""

    expression: str
    exact: bool

    @property
    def terms(self) -> int:
        return len(re.findall(r"\b(?:and|or)\b", self.expression)) + 1


EVERYTHING, NO_ITEM, UNSURE = Condition("", True), Condition(NOTHING, True), Condition("", False)


def condition(where: Where | None, keys: Keys, *, json_in: bool) -> Condition:
    """`json_in`: whether the server knows `in` for what stands in JSON."""
    if where is None:
        return EVERYTHING
    made = _Compiler(keys, json_in).compile(where, negated=False)
    fits = len(made.expression) <= MAX_CHARACTERS and made.terms <= MAX_TERMS
    return made if fits else UNSURE


class _Compiler:
    def __init__(self, keys: Keys, json_in: bool) -> None:
        self._keys, self._json_in = keys, json_in

    def compile(self, where: Where, negated: bool) -> Condition:
        match where:
            case Not(operand):
                return self.compile(operand, not negated)
            case And(operands) | Or(operands):
                parts = [self.compile(operand, negated) for operand in operands]
                return _any(parts) if isinstance(where, Or) is not negated else _all(parts)
        if where.field.name == "id":
            return self._id(where, negated)
        match where:
            case IsNull(field):
                return Condition(_exists(field.name) if negated else f"(not {_exists(field.name)})", True)
            case Compare(field, op, value):
                return self._compare(field.name, _OPPOSITE[op] if negated else op, str(encoded(value)))
            case In(field, values):
                return self._in(field.name, sorted({str(encoded(value)) for value in values}), negated)
            case Like(field, pattern):
                return self._like(field.name, pattern, negated)
            case Has(field, text):
                return self._has(field.name, str(encoded(text)), negated)

    def _compare(self, name: str, op: Operator, code: str) -> Condition:
        fact, exact = _fact(name), not is_cut(code)
        match op:
            case "=":
                return Condition(f'{fact} == "{code}"', exact)
            case "!=":
                there = Condition(_exists(name), exact)
                return _all([there, Condition(f'{fact} != "{code}"', True)]) if exact else there
        # A cut text sorts with its head: what is less than it has a head that is not greater.
        return Condition(f'{fact} {op if exact else op[0] + "="} "{code}"', exact)

    def _in(self, name: str, codes: Sequence[str], negated: bool) -> Condition:
        fact, whole = _fact(name), [code for code in codes if not is_cut(code)]
        exact = len(whole) == len(codes)
        there = Condition(_exists(name), exact)
        if negated and not whole:
            return there
        used = whole if negated else codes
        if self._json_in:
            listed = ", ".join(f'"{code}"' for code in used)
            one_of = Condition(f"{fact} {'not in' if negated else 'in'} [{listed}]", exact)
            return _all([there, one_of]) if negated else one_of
        if len(used) > FEW:
            span = f'{fact} >= "{used[0]}" and {fact} <= "{used[-1]}"'
            return Condition(there.expression if negated else f"({span})", False)
        if negated:
            return _all([there, *(Condition(f'{fact} != "{code}"', True) for code in used)])
        return _any([Condition(f'{fact} == "{code}"', not is_cut(code)) for code in used])

    def _like(self, name: str, pattern: str, negated: bool) -> Condition:
        start, rest = _beginning(pattern)
        anything = not start and rest == [ANY_RUN]
        if negated:
            return NO_ITEM if anything else Condition(_exists(name), False)
        if not start:
            return Condition(_exists(name), anything)
        head = start.encode()[:HEAD_BYTES].hex()
        facts = _fact(name), f'facts["{lower_key_of(name)}"]'
        exact = rest == [ANY_RUN] and len(start.encode()) <= HEAD_BYTES
        return _any([Condition(f'{fact} like "{head}%"', exact) for fact in facts])

    def _has(self, name: str, code: str, negated: bool) -> Condition:
        there, contains = _exists(name), f'json_contains({_fact(name)}, "{code}")'
        if not negated:
            return Condition(contains, not is_cut(code))
        return Condition(there, False) if is_cut(code) else Condition(f"({there} and (not {contains}))", True)

    def _id(self, where: Compare | In | Like | Has | IsNull, negated: bool) -> Condition:
        """Of primary keys only equality, hexadecimal beginnings and the order of hashes can be asked."""
        match where:
            case IsNull():
                return EVERYTHING if negated else NO_ITEM
            case Compare(_, op, value) if op in ("=", "!="):
                return self._among([str(value)], (op == "!=") is not negated)
            case Compare(_, op, value) if re.fullmatch(r"[0-9a-f]+", str(value)):
                return Condition(self._keys.beyond(_OPPOSITE[op] if negated else op, str(value)), False)
            case In(_, values):
                return self._among([str(value) for value in values], negated)
            case Like(_, pattern) if not negated:
                digits = re.match(r"[0-9a-f]*", _beginning(pattern)[0])
                return Condition(self._keys.beginning(digits[0]), False) if digits and digits[0] else UNSURE
        return UNSURE

    def _among(self, ids: Sequence[str], negated: bool) -> Condition:
        expression = self._keys.among(ids)
        return Condition(f"(not ({expression}))" if negated else expression, True)


def _fact(name: str) -> str:
    return f'facts["{key_of(name)}"]'


def _exists(name: str) -> str:
    """In parentheses: some servers take what follows an `exists` for a part of it."""
    return f"(exists {_fact(name)})"


def _beginning(pattern: str) -> tuple[str, list[str]]:
    """A pattern's literal characters up to the first wildcard, and the kinds of all that follows."""
    parts = like_parts(pattern)
    plain = next((n for n, (kind, _) in enumerate(parts) if kind), len(parts))
    return "".join(text for _, text in parts[:plain]), [kind for kind, _ in parts[plain:]]


def _all(parts: Sequence[Condition]) -> Condition:
    kept = list(dict.fromkeys(part.expression for part in parts if part.expression))
    return Condition(_joined(kept, " and "), all(part.exact for part in parts))


def _any(parts: Sequence[Condition]) -> Condition:
    if any(not part.expression for part in parts):
        return Condition("", any(part == EVERYTHING for part in parts))
    return Condition(_joined(list(dict.fromkeys(p.expression for p in parts)), " or "), all(p.exact for p in parts))


def _joined(expressions: Sequence[str], word: str) -> str:
    return expressions[0] if len(expressions) == 1 else f"({word.join(expressions)})" if expressions else ""
