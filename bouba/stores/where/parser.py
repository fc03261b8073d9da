"""The text of a filter -> its typed tree: a recursive-descent parser that checks names and types as it goes."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from bouba.errors import WhereError
from bouba.stores.where.lexer import Kind, Token, error, tokenize
from bouba.stores.where.tree import (
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
)
from bouba.types import AttributeType

MAX_DEPTH = 50
MAX_VALUES = 1000

_OPERATORS = frozenset(("=", "!=", "<", "<=", ">", ">="))
_EXAMPLE = {
    AttributeType.TEXT: '"text in quotes"',
    AttributeType.NUMBER: "a number such as 49.5",
    AttributeType.DATE: "a date such as 2024-05-01",
    AttributeType.BOOLEAN: "true or false",
}


def parse_where(text: str, fields: Mapping[str, AttributeType]) -> Where:
    """The filter as a typed tree. `fields` are the names that may occur, with their types.

    Raises WhereError with a line that points at the place, what was expected there, the nearest field names
    or the type that the field has. Limits: 10,000 characters, 50 levels of nesting, 1,000 values in a list."""
    parser = _Parser(text, fields)
    where = parser.any_of()
    if parser.token.kind is not Kind.END:
        raise parser.unexpected("and, or, or the end of the filter")
    return where


class _Parser:
    """Recursive descent, one method per rule of the grammar, one token of lookahead."""

    def __init__(self, text: str, fields: Mapping[str, AttributeType]) -> None:
        self._text, self._fields = text, fields
        self._tokens = tokenize(text)
        self._at = self._depth = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    def any_of(self) -> Where:
        operands = [self._all_of()]
        while self._accept("or"):
            operands.append(self._all_of())
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def _all_of(self) -> Where:
        operands = [self._negation()]
        while self._accept("and"):
            operands.append(self._negation())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _negation(self) -> Where:
        opening = self.token
        if not (self._accept("not") or self._accept("(")):
            return self._predicate()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise error(self._text, opening.start, f"more than {MAX_DEPTH} levels of `not` and parentheses")
        inner = Not(self._negation()) if opening.text == "not" else self.any_of()
        if opening.text == "(":
            self._expect(")", "and, or, or )")
        self._depth -= 1
        return inner

    def _predicate(self) -> Where:
        field = self._field()
        token = self.token
        if token.kind is Kind.SYMBOL and token.text in _OPERATORS:
            return self._comparison(field, self._next())
        if self._accept("is"):
            negated = self._accept("not")
            self._expect("null", "null" if negated else "null or not null")
            return Not(IsNull(field)) if negated else IsNull(field)
        if self._accept("not"):
            if self.token.text in ("in", "like", "between", "has") and self.token.kind is Kind.KEYWORD:
                return Not(self._keyword_predicate(field, self._next()))
            raise self.unexpected("in, like, between or has after not")
        if token.text in ("in", "like", "between", "has") and token.kind is Kind.KEYWORD:
            return self._keyword_predicate(field, self._next())
        if field.type is AttributeType.BOOLEAN:
            return Compare(field, "=", True)
        raise self.unexpected(_predicates_of(field))

    def _comparison(self, field: Field, operator: Token) -> Where:
        self._require(field, operator, field.type is not AttributeType.TEXTS)
        if field.type is AttributeType.BOOLEAN:
            self._require(field, operator, operator.text in ("=", "!="))
        return Compare(field, cast(Operator, operator.text), self._value(field))

    def _keyword_predicate(self, field: Field, keyword: Token) -> Where:
        match keyword.text:
            case "has":
                self._require(field, keyword, field.type is AttributeType.TEXTS)
                return Has(field, self._plain_text("has"))
            case "like":
                self._require(field, keyword, field.type is AttributeType.TEXT)
                return Like(field, self._plain_text("like"))
            case "in":
                self._require(field, keyword, field.type is not AttributeType.TEXTS)
                return In(field, self._values(field))
        self._require(field, keyword, field.type not in (AttributeType.TEXTS, AttributeType.BOOLEAN))
        low = self._value(field)
        self._expect("and", "and")
        return And((Compare(field, ">=", low), Compare(field, "<=", self._value(field))))

    def _values(self, field: Field) -> tuple[Scalar, ...]:
        opening = self.token
        self._expect("(", "( and a list of values")
        values = [self._value(field)]
        while self._accept(","):
            values.append(self._value(field))
        self._expect(")", ", or )")
        if len(values) > MAX_VALUES:
            reason = f"this list has {len(values):,} values; the limit is {MAX_VALUES:,}"
            raise error(self._text, opening.start, reason)
        return tuple(values)

    def _field(self) -> Field:
        token = self.token
        if token.kind is not Kind.NAME:
            hint = " (a name that is not one word goes in backquotes)" if token.kind is Kind.TEXT else ""
            raise self.unexpected(f"a field name{hint}")
        self._next()
        if token.text not in self._fields:
            raise error(self._text, token.start, f"no field is called {token.text!r}{self._nearest(token.text)}")
        return Field(token.text, self._fields[token.text])

    def _nearest(self, name: str) -> str:
        folded = [known.casefold() for known in self._fields]
        matches = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
        near = [known for known in self._fields if known.casefold() in matches]
        if near:
            return f"; the nearest: {', '.join(near)}"
        listed = ", ".join(sorted(self._fields)[:12])
        return f"; there are {listed}{', …' if len(self._fields) > 12 else ''}"

    def _value(self, field: Field) -> Scalar:
        token = self._next()
        try:
            value = _convert(token, field.type)
        except ValueError as problem:
            raise error(self._text, token.start, str(problem)) from None
        if value is None:
            raise error(self._text, token.start, self._wrong_type(field, token))
        return value

    def _wrong_type(self, field: Field, token: Token) -> str:
        if token.text == "null" and token.kind is Kind.KEYWORD:
            return f"nothing equals null; write `{field} is null`"
        expected = f"{field} is a field of type {field.type}: expected {_EXAMPLE[field.type]}"
        return f"{expected}, found {_shown(token)}"

    def _plain_text(self, keyword: str) -> str:
        if self.token.kind is not Kind.TEXT:
            raise self.unexpected(f'text in quotes after {keyword}, such as "red"')
        return self._next().text

    def _require(self, field: Field, operator: Token, fits: bool) -> None:
        if not fits:
            reason = f"{operator.source} does not go with {field}, a field of type {field.type}"
            raise error(self._text, operator.start, f"{reason}: expected {_predicates_of(field)}")

    def _next(self) -> Token:
        token = self.token
        self._at += token.kind is not Kind.END
        return token

    def _accept(self, text: str) -> bool:
        found = self.token.text == text and self.token.kind in (Kind.KEYWORD, Kind.SYMBOL)
        self._at += found
        return found

    def _expect(self, text: str, wanted: str) -> None:
        if not self._accept(text):
            raise self.unexpected(wanted)

    def unexpected(self, wanted: str) -> WhereError:
        return error(self._text, self.token.start, f"expected {wanted}, found {_shown(self.token)}")


def _shown(token: Token) -> str:
    return "the end" if token.kind is Kind.END else token.source[:40]


def _predicates_of(field: Field) -> str:
    match field.type:
        case AttributeType.TEXTS:
            return 'has "text", or is null'
        case AttributeType.BOOLEAN:
            return "= or != with true or false, in, is null, or the name alone"
        case AttributeType.TEXT:
            return "=, !=, <, <=, >, >=, in, between, like or is null"
        case _:
            return "=, !=, <, <=, >, >=, in, between or is null"


def _convert(token: Token, wanted: AttributeType) -> Scalar | None:
    """The token's value in the wanted type, None if it has another; ValueError if it is out of range."""
    match wanted, token.kind:
        case AttributeType.TEXT, Kind.TEXT:
            return token.text
        case AttributeType.BOOLEAN, Kind.KEYWORD if token.text in ("true", "false"):
            return token.text == "true"
        case AttributeType.NUMBER, Kind.NUMBER:
            return _number(token.text)
        case AttributeType.DATE, (Kind.DATE | Kind.TEXT):
            return _date(token.text)
    return None


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is beyond the range of numbers, ±1.8e308")
    return number + 0.0  # -0.0 becomes 0.0, which engines with a total order tell apart


def _date(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r:.60} is no date; write it as 2024-05-01 or 2024-05-01T18:30:00") from None
