"""What a gallery can be filtered by, with counts: each attribute's commonest values, or its least and greatest."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from bouba.types import ITEM_FIELDS, AttributeType, AttributeValue

if TYPE_CHECKING:
    from bouba.gallery import Gallery
    from bouba.types import Item

MOST_ITEMS = 100_000  # looked at
MOST_VALUES = 50  # of a field
MOST_KEPT = 32  # answers, one for each filter
STALE_S = 300.0  # another process may have changed attributes, which no count tells
OWN = ("media_type", "taken")  # of bouba's own fields, those that people filter by
_ID_RANGE = 2**32


@dataclass(frozen=True, slots=True)
class _Kept:
    facets: dict[str, Any]
    stamp: tuple[int, int]  # of the gallery as it was
    at: float  # monotonic seconds


class Facets:
    """Of one gallery, kept until it changes. Safe from threads; one counts, the others wait for it."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._counting = threading.Lock()
        self._kept: OrderedDict[str | None, _Kept] = OrderedDict()
        self._changes = 0

    def changed(self) -> None:
        """The gallery was changed by this server."""
        self._changes += 1

    def of(self, where: str | None) -> dict[str, Any]:
        """`{"total", "sampled", "facets": [{"field", "type", "values", "more"} or {"field", "type", "min", "max"}]}`
        of the items that fit. Raises WhereError."""
        self._gallery.where(where)  # before it is made part of another filter
        with self._counting:
            stamp = (self._changes, self._gallery.count())
            kept = self._kept.get(where)
            if kept is None or kept.stamp != stamp or time.monotonic() - kept.at > STALE_S:
                kept = _Kept(count_facets(self._gallery, where), stamp, time.monotonic())
                self._kept[where] = kept
            self._kept.move_to_end(where)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return kept.facets


def count_facets(gallery: Gallery, where: str | None, most: int = MOST_ITEMS) -> dict[str, Any]:
    """Counts of more than `most` items are estimated from about so many, chosen by their ids, which are hashes."""
    total = gallery.count(where)
    sampled = total > most
    looked_at = gallery.items(_sample(where, most / total) if sampled else where)
    fields = {name: ITEM_FIELDS[name] for name in OWN} | {
        n: k for n, k in gallery.fields.items() if n not in ITEM_FIELDS
    }
    tallies = {name: _TALLIES[kind]() for name, kind in fields.items()}
    seen = 0
    for item in islice(looked_at, 2 * most):
        seen += 1
        for name, value in _values(item):
            tallies[name].add(value)
    scale = total / seen if sampled and seen else 1.0
    facets = [
        {"field": name, "type": str(fields[name]), **tally.told(scale)} for name, tally in tallies.items() if tally.seen
    ]
    return {"total": total, "sampled": sampled, "facets": facets}


def _sample(where: str | None, share: float) -> str:
    few = f'id < "{int(share * (_ID_RANGE - 1)):08x}"'
    return few if where is None else f"({where}) and {few}"


def _values(item: Item) -> Iterable[tuple[str, AttributeValue]]:
    yield "media_type", item.media_type
    if item.taken is not None:
        yield "taken", item.taken
    yield from item.attributes.items()


class _Tally(Protocol):
    seen: bool

    def add(self, value: Any) -> None: ...

    def told(self, scale: float) -> Mapping[str, Any]: ...


class _Counts:
    """Of values that are compared for equality."""

    def __init__(self) -> None:
        self.seen = False
        self._counts: Counter[Any] = Counter()

    def add(self, value: Any) -> None:
        self.seen = True
        self._counts.update(value if isinstance(value, tuple) else (value,))

    def told(self, scale: float) -> Mapping[str, Any]:
        commonest = sorted(self._counts.items(), key=lambda pair: (-pair[1], str(pair[0])))[:MOST_VALUES]
        values = [{"value": value, "count": max(1, round(scale * count))} for value, count in commonest]
        return {"values": values, "more": len(self._counts) > MOST_VALUES}


class _Range:
    """Of values that lie on a line."""

    def __init__(self) -> None:
        self.seen = False
        self._ends: tuple[Any, Any] = (None, None)

    def add(self, value: Any) -> None:
        low, high = self._ends if self.seen else (value, value)
        self.seen, self._ends = True, (min(low, value), max(high, value))

    def told(self, scale: float) -> Mapping[str, Any]:
        low, high = (end.isoformat() if isinstance(end, datetime) else end for end in self._ends)
        return {"min": low, "max": high}


_TALLIES: Mapping[AttributeType, type[_Counts] | type[_Range]] = {
    AttributeType.TEXT: _Counts,
    AttributeType.BOOLEAN: _Counts,
    AttributeType.TEXTS: _Counts,
    AttributeType.NUMBER: _Range,
    AttributeType.DATE: _Range,
}
