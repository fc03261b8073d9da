"""Cells of a feed -> prices, pieces, dates. Each raises ValueError with a reason that a shopkeeper understands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from bouba.apps.shop.feeds.columns import Columns
from bouba.apps.shop.money import amount, currency

MOST_PIECES = 10**9
_THERE = {
    "instock": True, "available": True, "yes": True, "true": True, "1": True, "preorder": True, "backorder": True,
    "limitedavailability": True, "onlineonly": True, "instoreonly": True,
    "outofstock": False, "soldout": False, "unavailable": False, "no": False, "false": False, "0": False,
    "discontinued": False,
}  # fmt: skip


def prices(cells: Mapping[str, Any], found: Columns) -> tuple[float | None, float | None, str]:
    """What is to be paid, what it was before a reduction, and the currency that is named, empty for none."""
    told = {name: found.value(cells, name) for name in ("price", "sale_price", "was")}
    read = {name: amount(value) for name, value in told.items() if value is not None}
    marks = {mark for _, mark in read.values() if mark}
    if said := found.text(cells, "currency"):
        marks.add(currency(said) or _unknown(said))
    if len(marks) > 1:
        raise ValueError(f"prices in {' and '.join(sorted(marks))} in one row")
    values = {name: value for name, (value, _) in read.items()}
    price, was = values.get("price"), values.get("was")
    sale = values.get("sale_price") if _now(found.text(cells, "sale_dates")) else None
    if sale is not None and (price is None or sale < price):
        price, was = sale, price
    reduced = was is not None and price is not None and was > price
    return price, was if reduced else None, next(iter(marks), "")


def stock(value: Any) -> int | None:
    """Pieces; oversold, which shops count below zero, is none."""
    if value is None:
        return None
    try:
        pieces = float(str(value).replace(",", ""))
    except ValueError:
        pieces = 0.5
    if pieces != int(pieces) or pieces > MOST_PIECES:
        raise ValueError(f"{str(value)[:40]!r} is no number of pieces")
    return max(0, int(pieces))


def available(said: Any, policy: str, pieces: int | None) -> bool:
    """What the feed says, else what it counts; a shop that says neither sells what it shows."""
    if said is not None:
        plain = "".join(c for c in str(said).rpartition("/")[2].casefold() if c.isalnum())
        if plain not in _THERE:
            raise ValueError(f"availability is {str(said)[:40]!r}, not in_stock, out_of_stock, preorder or backorder")
        return _THERE[plain]
    return pieces is None or pieces > 0 or policy.casefold() in ("continue", "true")


def category(paths: Iterable[str], types: Iterable[str]) -> tuple[str, ...]:
    """Levels from wide to narrow; a number of Google's taxonomy says nothing to a shopper."""
    levels = [level.strip() for path in [*paths, *types] for level in path.replace(" / ", ">").split(">")]
    named = [level[:100] for level in levels if level and not level.isdigit()]
    return tuple(
        {level.casefold(): level for level in reversed(named)}[key] for key in dict.fromkeys(map(str.casefold, named))
    )


def pictures(texts: Iterable[str]) -> list[str]:
    """One cell may name several, parted by commas or spaces before the next address."""
    parts = (
        part.strip(" ,") for text in texts for part in text.replace(", ", ",").replace(",http", "\nhttp").split("\n")
    )
    return list(dict.fromkeys(part for part in parts if part))


def published(status: str, shown: str) -> bool:
    return status.casefold() not in ("draft", "archived", "unlisted") and shown.casefold() not in ("false", "no", "0")


def date(text: str) -> str:
    """ISO date of an ISO time; empty for nothing. Raises ValueError."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text.replace(" UTC", "+00:00")).date().isoformat()
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no date such as 2026-03-01") from None


def _now(span: str) -> bool:
    """Whether a sale runs; Google's `start/end`. A time without an offset is taken for UTC."""
    if not span:
        return True
    begins, _, ends = span.partition("/")
    try:
        times = [datetime.fromisoformat(one.strip()) for one in (begins, ends or begins)]
    except ValueError:
        raise ValueError(f"{span[:60]!r} is no span such as 2026-03-01T00:00Z/2026-03-31T23:59Z") from None
    first, last = (one if one.tzinfo else one.replace(tzinfo=UTC) for one in times)
    return first <= datetime.now(UTC) and (not ends or datetime.now(UTC) <= last)


def _unknown(said: str) -> str:
    raise ValueError(f"{said[:20]!r} is no currency that is known")
