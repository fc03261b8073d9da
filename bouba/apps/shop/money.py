"""Amounts of money as feeds and shoppers write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

SIGNS: Mapping[str, str] = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW", "₺": "TRY"}
NAMES: Mapping[str, str] = {
    "euro": "EUR", "euros": "EUR", "dollar": "USD", "dollars": "USD", "bucks": "USD", "buck": "USD", "pound": "GBP",
    "pounds": "GBP", "quid": "GBP", "yen": "JPY", "rupee": "INR", "rupees": "INR", "rs": "INR", "francs": "CHF",
    "kr": "SEK", "kroner": "NOK", "kronor": "SEK", "zloty": "PLN",
}  # fmt: skip
CODES = frozenset(
    "EUR USD GBP JPY INR CHF SEK NOK DKK PLN CZK HUF RON BGN AUD CAD NZD CNY HKD SGD KRW TRY BRL MXN ZAR AED "
    "ILS".split()
)
MOST = 1e9  # beyond, it is a mistake of a feed

NUMBER = r"\d+(?:[.,'’ \u00a0\u202f]\d{3})*(?:[.,]\d{1,2})?(?!\d)"
_ONE = re.compile(
    r"\s*(?P<minus>-)?\s*(?P<before>[^\d\s.,-]{1,4})?\s*(?P<number>\d[\d.,'’\s]*)\s*(?P<after>\D{1,8}?)?\s*"
)


def amount(value: Any) -> tuple[float, str]:
    """A price and its currency's ISO 4217 code, empty where none stands there. Raises ValueError with the reason."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _sensible(float(value)), ""
    found = _ONE.fullmatch(str(value))
    if not found or found["minus"]:
        raise ValueError(f"{str(value)[:40]!r} is no price")
    marks = [currency(mark) for mark in (found["before"], found["after"]) if mark]
    if None in marks:
        raise ValueError(f"{str(value)[:40]!r} is no price with a currency that is known")
    return _sensible(number(found["number"])), next((mark for mark in marks if mark), "")


def currency(mark: str) -> str | None:
    """ISO 4217 code of a sign, a name or a code; None for what is none."""
    plain = mark.strip().rstrip(".")
    if plain in SIGNS:
        return SIGNS[plain]
    return plain.upper() if plain.upper() in CODES else NAMES.get(plain.casefold())


def number(text: str) -> float:
    """`1,299.50`, `1.299,50`, `1 299` and `12,5`. A lone comma before three digits parts thousands, a lone full stop
    never does. Raises ValueError."""
    plain = re.sub(r"[\s'’]", "", text)
    marks = [c for c in plain if c in ".,"]
    if len(set(marks)) == 2:
        last = marks[-1]
        plain = plain.replace("." if last == "," else ",", "").replace(last, ".")
    elif marks and (len(marks) > 1 or (marks[0] == "," and len(plain.partition(",")[2]) == 3)):
        plain = plain.replace(marks[0], "")
    return float(plain.replace(",", "."))


def _sensible(value: float) -> float:
    if not math.isfinite(value) or not 0 <= value <= MOST:
        raise ValueError(f"{value:g} is no price: it must lie between 0 and {MOST:,.0f}")
    return value
