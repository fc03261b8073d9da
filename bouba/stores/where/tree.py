"""The typed tree of a filter: what `parse_where` returns and every store compiles with `match`.

`str(tree)` is the filter as text again, and parses back to an equal tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bouba.types import AttributeType

Scalar = str | float | bool | datetime
Operator = Literal["=", "!=", "<", "<=", ">", ">="]

KEYWORDS = frozenset(["and", "or", "not", "in", "between", "like", "is", "null", "has", "true", "false"])
IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the gallery; its values and those compared with it have this type."""

    name: str
    type: AttributeType

    def __str__(self) -> str:
        plain = IDENTIFIER.fullmatch(self.name) and self.name.lower() not in KEYWORDS
        return self.name if plain else "`" + self.name.replace("`", "``") + "`"


@dataclass(frozen=True, slots=True)
class Compare:
    """`field op value`. Text is ordered by code point; a bare boolean `f` is `f = true`."""

    field: Field
    op: Operator
    value: Scalar

    def __str__(self) -> str:
        return f"{self.field} {self.op} {_literal(self.value)}"


@dataclass(frozen=True, slots=True)
class In:
    """The value is one of these."""

    field: Field
    values: tuple[Scalar, ...]

    def __str__(self) -> str:
        return f"{self.field} in ({', '.join(map(_literal, self.values))})"


@dataclass(frozen=True, slots=True)
class Like:
    """The lower-cased text fits the lower-cased pattern as a whole; `like_parts` reads the pattern."""

    field: Field
    pattern: str

    def __str__(self) -> str:
        return f"{self.field} like {_literal(self.pattern)}"


@dataclass(frozen=True, slots=True)
class Has:
    """The list of text contains this text; an empty list contains nothing, a missing one is null."""

    field: Field
    value: str

    def __str__(self) -> str:
        return f"{self.field} has {_literal(self.value)}"


@dataclass(frozen=True, slots=True)
class IsNull:
    """The item has no value under this name; the one predicate that is never unknown."""

    field: Field

    def __str__(self) -> str:
        return f"{self.field} is null"


@dataclass(frozen=True, slots=True)
class Not:
    operand: Where

    def __str__(self) -> str:
        match self.operand:
            case In(field, values):
                return f"{field} not in ({', '.join(map(_literal, values))})"
            case Like(field, pattern):
                return f"{field} not like {_literal(pattern)}"
            case Has(field, value):
                return f"{field} not has {_literal(value)}"
            case IsNull(field):
                return f"{field} is not null"
            case And() | Or():
                return f"not ({self.operand})"
        return f"not {self.operand}"


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Where, ...]

    def __str__(self) -> str:
        return " and ".join(f"({o})" if isinstance(o, And | Or) else str(o) for o in self.operands)


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Where, ...]

    def __str__(self) -> str:
        return " or ".join(f"({o})" if isinstance(o, Or) else str(o) for o in self.operands)


Where = Compare | In | Like | Has | IsNull | Not | And | Or

ANY_RUN, ANY_ONE = "any run", "any one"


def like_parts(pattern: str) -> list[tuple[str, str]]:
    """A LIKE pattern, lower-cased, as (kind, text): `ANY_RUN` for %, `ANY_ONE` for _, else ("", character).

    A backslash before %, _ or itself takes away their meaning; anywhere else it is an ordinary character."""
    parts: list[tuple[str, str]] = []
    for escaped, plain in re.findall(r"\\([%_\\])|(.)", pattern.lower(), re.DOTALL):
        kind = {"%": ANY_RUN, "_": ANY_ONE}.get(plain, "")
        parts.append((kind, escaped or plain))
    return parts


def _literal(value: Scalar) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case _:
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
