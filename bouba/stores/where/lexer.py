"""Filter text -> tokens, and the error that points into the text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bouba.errors import WhereError
from bouba.stores.where.tree import KEYWORDS

MAX_CHARACTERS = 10_000
_WINDOW = 60  # characters shown around an error


class Kind(StrEnum):
    KEYWORD = "keyword"  # text is lower-cased
    NAME = "field name"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    SYMBOL = "symbol"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    kind: Kind
    text: str  # what it stands for: quotes and escapes removed
    start: int  # position of its first character
    source: str  # as written


# A quote ends a literal unless it is doubled or, in text, has a backslash before it.
_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}
        (?:[T\ ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?)(?![\w.-])
    | (?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?![\w.])
    | (?P<name>[^\W\d]\w*)
    | (?P<backquoted>`(?:[^`]|``)+`)
    | (?P<double>"(?:[^"\\]|\\.|"")*")
    | (?P<single>'(?:[^'\\]|\\.|'')*')
    | (?P<symbol><=|>=|!=|==|<>|[=<>(),])
    """,
    re.VERBOSE | re.DOTALL,
)
_SAME = {"==": "=", "<>": "!="}


def tokenize(text: str) -> list[Token]:
    """All tokens, with one `Kind.END` last. Raises WhereError at what is no token."""
    if len(text) > MAX_CHARACTERS:
        raise WhereError(f"This filter has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}. Shorten it.")
    if broken := re.search("[\ud800-\udfff]", text):
        raise error(text.encode(errors="replace").decode(), broken.start(), "this character is not valid Unicode")
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise error(text, at, _why_no_token(text, at))
        if found.lastgroup != "space":
            tokens.append(_token(str(found.lastgroup), found.group(), at))
        at = found.end()
    return [*tokens, Token(Kind.END, "", len(text), "")]


def _token(group: str, source: str, start: int) -> Token:
    match group:
        case "name" if source.lower() in KEYWORDS:
            return Token(Kind.KEYWORD, source.lower(), start, source)
        case "name":
            return Token(Kind.NAME, source, start, source)
        case "backquoted":
            return Token(Kind.NAME, source[1:-1].replace("``", "`"), start, source)
        case "double" | "single":
            return Token(Kind.TEXT, _unquote(source), start, source)
        case "symbol":
            return Token(Kind.SYMBOL, _SAME.get(source, source), start, source)
        case _:
            return Token(Kind(group), source, start, source)


def _unquote(source: str) -> str:
    """Only a quote and a backslash can be escaped, so that Windows paths and LIKE escapes read as written."""
    quote = source[0]
    return re.sub(rf"{quote}{quote}|\\([\\'\"])", lambda m: m.group(1) or quote, source[1:-1])


def _why_no_token(text: str, at: int) -> str:
    character = text[at]
    if character in "\"'":
        return f"this text has no closing {character} (a quote inside is doubled, or has a backslash before it)"
    if character == "`":
        return "this field name has no closing `" if "`" not in text[at + 1 :] else "a field name cannot be empty"
    if character.isdigit() or character in "+-.":
        return "this is neither a number such as 49.5 nor a date such as 2024-05-01"
    return f"{character!r} means nothing here"


def error(text: str, at: int, reason: str) -> WhereError:
    """The reason, then the filter with a caret under position `at` (long filters: the part around it)."""
    first = max(0, min(at - _WINDOW // 2, len(text) - _WINDOW))
    shown = "".join(c if c.isprintable() else " " for c in text[first : first + _WINDOW])
    head, tail = "…" * (first > 0), "…" * (first + _WINDOW < len(text))
    caret = " " * (len(head) + at - first) + "^"
    return WhereError(f"Filter, character {at + 1}: {reason}.\n  {head}{shown}{tail}\n  {caret}")
