"""What shoppers say of prices, reductions, stock, age and order, as patterns. Each pattern gives a filter for the
characters that it covers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from bouba.apps.shop.filters import Filter, Op
from bouba.apps.shop.money import CODES, NAMES, NUMBER, SIGNS, currency, number

AROUND = 0.2  # of the price: "about 50" is 40 to 60

_SIGN = rf"(?:[{''.join(SIGNS)}]|(?:{'|'.join(sorted((*CODES, *NAMES), key=len, reverse=True))})\b\.?)"
# What is counted there is no money.
_UNIT = (
    r"(?!\s*(?:cm|mm|m|inch(?:es)?|ft|feet|kg|g|gr|grams?|mg|lbs?|oz|ml|cl|l|lit(?:re|er)s?|years?|yrs?|months?|days?|"
    r"weeks?|hours?|packs?|pcs|pieces?|[gtm]b|mah|w|watts?|v|volts?|k?hz|px|mp|percent|people|persons?|stars?|items?|"
    r"k?cal(?:ories)?|pockets?|pairs?|degrees|left)\b|\s*[%\"″°]|\s*in\b(?!\s+\w)|\s*[x×]\s*\d)"
)


def _money(name: str) -> str:
    return (
        rf"(?P<{name}_before>{_SIGN})?\s*(?P<{name}>{NUMBER})(?P<{name}_k>k\b)?(?![\w])(?![.,]\d)"
        rf"(?:\s*(?P<{name}_after>{_SIGN}))?"
    )


_ASKED = r"(?:(?:priced?|prices?|costs?|costing|budget)\s+(?:is\s+|of\s+|at\s+|range\s+)?|for\s+)?"
_BELOW = r"under|below|less\s+than|cheaper\s+than|lower\s+than|<(?!=)"
_MOST = (
    r"up\s+to|at\s+most|(?:no|not)\s+more\s+than|(?:no|not)\s+(?:over|above)|nothing\s+(?:over|above)|not\s+exceeding|"
    r"max(?:imum|\.)?(?:\s+of)?|within|budget(?:\s+(?:of|is))?|<="
)
_ABOVE = r"over|above|more\s+than|pricier\s+than|upwards?\s+of|>(?!=)"
_LEAST = (
    r"at\s+least|(?:no|not)\s+less\s+than|not\s+(?:under|below)|min(?:imum|\.)?(?:\s+of)?|"
    r"starting\s+(?:at|from)|from|>="
)
_NEAR = r"around|about|roughly|approximately|approx\.?|circa|~"
_LESS_AFTER = r"(?:or\s+(?:less|under|below|cheaper)|and\s+(?:under|below)|max(?:imum)?|at\s+most)\b(?!\s*[\d€$£])"
_MORE_AFTER = r"(?:or\s+(?:more|above|over|up)|and\s+(?:up|above|over))\b(?!\s*[\d€$£])"
_NO_SIZE = r"(?<!size )(?<!sizes )(?<!uk )(?<!us )(?<!eu )"


@dataclass(frozen=True, slots=True)
class Said:
    """A filter, or an order (`sort`), and where it stands in the sentence."""

    filter: Filter
    start: int
    end: int
    currency: str = ""


def said(text: str, conditions: Mapping[str, str], free: Callable[[int, int], bool]) -> Iterator[Said]:
    """All that patterns find, from left to right within each; `free` tells whether characters are not yet taken, and
    what was yielded has to be taken before the next is asked for."""
    for pattern, meant in _PATTERNS:
        for found in _compiled(pattern).finditer(text):
            start, end = found.span()
            if free(start, end) and (told := meant(found)) is not None:
                yield Said(told[0], start, end, told[1])
    patterns = {label: _CONDITIONS.get(n, rf"\b{re.escape(n)}\b") for n, label in conditions.items() if n != "new"}
    any_of = "|".join(patterns.values())
    for found in (
        re.finditer(rf"(?:{any_of})(?:\s*(?:,|/|or|and)\s*(?:{any_of}))*", text, re.IGNORECASE) if any_of else ()
    ):
        labels = tuple(label for label, one in patterns.items() if re.search(one, found.group(), re.IGNORECASE))
        if free(*found.span()):
            yield Said(Filter("condition", "is", labels), *found.span())


Meant = tuple[Filter, str] | None


def _value(found: re.Match[str], name: str) -> float:
    return number(found[name]) * (1000 if found[f"{name}_k"] else 1)


def _mark(found: re.Match[str], *names: str) -> str:
    told = (found[f"{name}_{side}"] for name in names for side in ("before", "after"))
    return next((code for mark in told if mark and (code := currency(mark))), "")


def _range(found: re.Match[str]) -> Meant:
    low, high = sorted((_value(found, "low"), _value(found, "high")))
    return Filter("price", "between", (low, high)), _mark(found, "low", "high")


def _marked_range(found: re.Match[str]) -> Meant:
    return _range(found) if _mark(found, "low", "high") else None


def _compared(op: Op) -> Callable[[re.Match[str]], Meant]:
    return lambda found: (Filter("price", op, _value(found, "one")), _mark(found, "one"))


def _near(found: re.Match[str]) -> Meant:
    value = _value(found, "one")
    return Filter("price", "between", (round(value * (1 - AROUND), 2), round(value * (1 + AROUND), 2))), _mark(
        found, "one"
    )


def _marked(meant: Callable[[re.Match[str]], Meant]) -> Callable[[re.Match[str]], Meant]:
    """Only with a currency: a number alone may be anything."""
    return lambda found: meant(found) if _mark(found, "one") else None


def _flag(field: str, value: str = "yes") -> Callable[[re.Match[str]], Meant]:
    return lambda _: (Filter(field, "is", (value,)), "")


def _off(found: re.Match[str]) -> Meant:
    return Filter("discount", ">=", float(found["off"])), ""


def _half(_: re.Match[str]) -> Meant:
    return Filter("discount", ">=", 50.0), ""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """At the first question: all of them take as long to compile as the rest of the package to import."""
    return re.compile(pattern, re.IGNORECASE)


_OFF = (
    r"\b(?:(?:at\s+least|minimum|min|over|more\s+than|with)\s+)?(?P<off>\d{1,2})\s*(?:%|percent)\s*"
    r"(?:off|discount|reduced|reduction)(?:\s+or\s+more|\s+and\s+more)?\b"
)
_CHEAPEST = r"\b(?:cheapest(?:\s+first)?|lowest[\s-]priced?|least\s+expensive|most\s+affordable)\b"
_IN_STOCK = (
    r"\b(?:(?:that(?:'s|\s+is|\s+are)|which\s+(?:is|are)|only|currently)\s+)?"
    r"(?:in[\s-]stock|available(?:\s+now)?(?!\s+(?:in|for|as|with)\b))"
)
_ON_SALE = (
    r"\b(?:(?:that(?:'s|\s+is|\s+are)|only)\s+)?(?:(?:on|in\s+the)\s+(?:sale|offer|discount)|discounted|"
    r"reduced(?!\s+(?:fat|sugar|salt|sodium|calorie|price))|reduced\s+price|special\s+offers?|clearance)\b"
)
_NEW = r"\b(?:new\s+arrivals?|new\s+in\b(?!\s+box)|newly\s+added|just\s+(?:arrived|added|in)|latest)\b"
_LOW, _HIGH, _ONE = _money("low"), _money("high"), _money("one")
_PATTERNS = (
    (_OFF, _off),
    (r"\bhalf[\s-]price\b", _half),
    (rf"\b{_ASKED}between\s+{_LOW}\s*(?:and|to|&|-|–)\s*{_HIGH}{_UNIT}", _range),
    (rf"\b{_ASKED}from\s+{_LOW}\s*(?:to|up\s+to|until|-|–)\s*{_HIGH}{_UNIT}", _range),
    (rf"{_NO_SIZE}(?<![\w.,]){_LOW}\s*(?:to|-|–)\s*{_HIGH}{_UNIT}", _marked_range),
    (rf"{_NO_SIZE}(?<![\w.,]){_ONE}\s*{_LESS_AFTER}", _compared("<=")),
    (rf"{_NO_SIZE}(?<![\w.,]){_ONE}\s*{_MORE_AFTER}", _compared(">=")),
    (rf"{_NO_SIZE}(?<![\w.,]){_ONE}\s*\+(?!\w)", _marked(_compared(">="))),
    (rf"(?<!\w){_ASKED}(?:{_MOST})\s*{_ONE}{_UNIT}", _compared("<=")),
    (rf"(?<!\w){_ASKED}(?:{_LEAST})\s*{_ONE}{_UNIT}", _compared(">=")),
    (rf"(?<!\w){_ASKED}(?:{_BELOW})\s*{_ONE}{_UNIT}", _compared("<")),
    (rf"(?<!\w){_ASKED}(?:{_ABOVE})\s*{_ONE}{_UNIT}", _compared(">")),
    (rf"(?<!\w){_ASKED}(?:{_NEAR})\s*{_ONE}{_UNIT}", _near),
    (rf"(?<!\w)for\s+{_ONE}{_UNIT}", _marked(_compared("<="))),
    (rf"(?<![\w.,]){_ONE}{_UNIT}", _marked(_near)),
    (_CHEAPEST, _flag("sort", "price")),
    (r"\b(?:most\s+expensive(?:\s+first)?|priciest|highest[\s-]priced?|dearest)\b", _flag("sort", "-price")),
    (r"\bnewest(?:\s+first)?\b", _flag("sort", "new")),
    (r"\bnot\s+(?:sold\s+out|out\s+of\s+stock)\b", _flag("stock")),
    (r"\b(?:out[\s-]of[\s-]stock|sold[\s-]out|unavailable)\b", _flag("stock", "no")),
    (_IN_STOCK, _flag("stock")),
    (r"\b(?:not\s+(?:on\s+sale|reduced|discounted)|full[\s-]price)\b", _flag("sale", "no")),
    (_ON_SALE, _flag("sale")),
    (r"(?<!for )\bsale(?:\s+items?)?\b", _flag("sale")),
    (_NEW, _flag("new")),
)  # fmt: skip
_CONDITIONS = {
    "used": r"\b(?:used|second[\s-]?hand|pre[\s-]?(?:owned|loved))\b",
    "refurbished": r"\b(?:refurbished|refurb|reconditioned)\b",
}
