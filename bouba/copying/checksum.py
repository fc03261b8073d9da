"""What two copies are compared by: a digest of each item, and counts and sums of digests, which no order changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bouba.types import AttributeValue, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

Digests = npt.NDArray[np.uint64]
Chosen = npt.NDArray[np.bool_]

PREFIX = 2  # digits of an id that name its range: 256 ranges of hex
_MODULUS = 1 << 64


def digests(items: Sequence[Item], rows: Vectors) -> Digests:
    """[n]: 64 bits of BLAKE2b (RFC 7693) over an item's fields as JSON and the bytes of its stored row.

    Equal for items that are equal in every bit, whatever store, process or machine they come from."""
    matrix = np.ascontiguousarray(rows, "<f4")
    found = np.empty(len(items), np.uint64)
    for number, item in enumerate(items):
        digest = blake2b(fields_text(item), digest_size=8)
        digest.update(matrix[number])
        found[number] = int.from_bytes(digest.digest(), "little")
    return found


def fields_text(item: Item) -> bytes:
    """An item without its row, as JSON that says the same in every Python."""
    attributes = [[name, _plain(item.attributes[name])] for name in sorted(item.attributes)]
    sizes = [int(item.width), int(item.height), int(item.bytes)]
    taken = item.taken and item.taken.isoformat()
    return json.dumps([item.id, item.path, sizes, item.media_type, taken, item.phash, attributes]).encode()


def _plain(value: AttributeValue) -> Any:
    match value:
        case bool() | str():
            return value
        case datetime():
            return {"date": value.isoformat()}  # a text that looks like a date is something else
        case tuple():
            return value
    return float(value)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many items, and the sum of their digests modulo 2**64."""

    items: int = 0
    total: int = 0

    @classmethod
    def of(cls, found: Digests) -> Tally:
        return cls(len(found), int(found.sum(dtype=np.uint64)))  # it wraps around

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.items + other.items, (self.total + other.total) % _MODULUS)

    @property
    def checksum(self) -> str:
        return f"{self.total:016x}"


class Tallies:
    """One for each range of ids."""

    def __init__(self) -> None:
        self._items: dict[str, int] = {}
        self._totals: dict[str, int] = {}

    def add(self, items: Iterable[Item], found: Digests) -> None:
        for item, digest in zip(items, found.tolist(), strict=True):
            name = range_of(item.id)
            self._items[name] = self._items.get(name, 0) + 1
            self._totals[name] = (self._totals.get(name, 0) + digest) % _MODULUS

    def __getitem__(self, name: str) -> Tally:
        return Tally(self._items.get(name, 0), self._totals.get(name, 0))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))

    @property
    def whole(self) -> Tally:
        return sum((self[name] for name in self), Tally())

    def differing(self, other: Tallies) -> list[str]:
        """The ranges in which the two are not the same."""
        return [name for name in sorted({*self, *other}) if self[name] != other[name]]


def range_of(item_id: str) -> str:
    return item_id[:PREFIX]


class Held:
    """Digests that a destination has already, and which of them the source has too; 8 bytes an item."""

    def __init__(self, found: Iterable[Digests]) -> None:
        blocks = list(found)
        self._sorted = np.sort(np.concatenate(blocks)) if blocks else np.empty(0, np.uint64)
        self._met = np.zeros(len(self._sorted), bool)

    def __len__(self) -> int:
        return len(self._sorted)

    def meet(self, found: Digests) -> Chosen:
        """Which of these [n] are held."""
        if not len(self._sorted):
            return np.zeros(len(found), bool)
        places = np.minimum(np.searchsorted(self._sorted, found), len(self._sorted) - 1)
        there = np.equal(self._sorted[places], found)
        self._met[places[there]] = True
        return there

    @property
    def stale(self) -> Digests:
        """Those that the source has no more."""
        return self._sorted[~self._met]


def as_metadata(tally: Tally) -> Mapping[str, str]:
    return {"bouba.items": str(tally.items), "bouba.checksum": tally.checksum}
