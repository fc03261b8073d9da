"""Packed files that were read to their end are remembered, so that a second run costs one look at each.

The ledger has a row for such a file, whose id says how many rows its pictures have there and how many could not be
used. It stands as long as the file has the same state and all of these pictures are still in the gallery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bouba.errors import BoubaError, MediaCorrupt
from bouba.ingest.entries import Entry, Packed
from bouba.ingest.report import Failure
from bouba.stores.ledger import FileRow

if TYPE_CHECKING:
    from bouba.stores import Store
    from bouba.stores.ledger import Ledger

_KIND = "packed"
# What would be no better at the next reading of the same bytes.
_LASTING = frozenset("ManifestError MediaCorrupt MediaEmpty MediaTooLarge MediaUnsupported".split())
_CHUNK = 2_000  # ids that a store is asked for at once


@dataclass(slots=True)
class _Open:
    """A packed file that is being read."""

    packed: Packed
    readers: int = 0  # it may have been named twice
    listed: int = 0
    done: int = 0
    failed: int = 0
    lasting: bool = True

    @property
    def is_done(self) -> bool:
        return not self.readers and self.done == self.listed


class Shelf:
    """The packed files of one run."""

    def __init__(self, store: Store, ledger: Ledger, counted: Callable[[int | None, int], None]) -> None:
        self._store, self._ledger, self._counted = store, ledger, counted
        self._open: dict[str, _Open] = {}

    def rows(self, packed: Packed) -> list[FileRow]:
        """Those of its pictures that the ledger knows from this state of the file."""
        below = self._ledger.files_under(f"{packed.blob.name}/")
        return [row for row in below if (row.size, row.mtime_ns) == packed.state]

    def unchanged(self, packed: Packed) -> tuple[list[FileRow], Failure | None] | None:
        """Its pictures, and what to say of those that could not be used; None where it must be read."""
        name = packed.blob.name
        row = self._ledger.files([name]).get(name)
        if row is None or (row.size, row.mtime_ns) != packed.state:
            return None
        rows, (failed, entries) = self.rows(packed), _counts(row.id)
        if row.id != _mark(packed, len(rows), failed, entries) or not {row.id for row in rows} <= self._known(rows):
            return None
        self._counted(packed.count, entries)
        if not failed:
            return rows, None
        words = f"{name}: {failed:,} of its {entries:,} pictures could not be used, and it has not changed since."
        return rows, Failure.of(name, MediaCorrupt(words), name)

    def entries(self, packed: Packed) -> Iterator[Entry | Failure]:
        """What is in it, each to be counted when it is safe."""
        self._begun(packed)
        try:
            for entry in packed.entries():
                self.listed(packed, 1)
                yield entry
        except BoubaError as error:
            self.listed(packed, 1)
            yield Failure.of(packed.blob.name, error, packed.blob.name)
        self.end(packed)

    def begin(self, packed: Packed) -> list[FileRow]:
        """It is read elsewhere, but for those of its pictures that are as they were, which are returned and count as
        safe. What comes back is `listed`, the last is followed by `end`."""
        reading = self._begun(packed)
        rows = [] if packed.given else self.rows(packed)  # attributes that are given may be new to all of them
        known = self._known(rows)
        rows = [row for row in rows if row.id in known]
        reading.listed += len(rows)
        reading.done += len(rows)
        return rows

    def listed(self, packed: Packed, entries: int) -> None:
        """So many of its entries have come up, which are counted when they are safe."""
        self._open[packed.blob.name].listed += entries

    def end(self, packed: Packed) -> None:
        reading = self._open[packed.blob.name]
        reading.readers -= 1
        self._counted(packed.count, reading.listed)

    def _begun(self, packed: Packed) -> _Open:
        reading = self._open.setdefault(packed.blob.name, _Open(packed))
        reading.readers += 1
        return reading

    def count(self, within: str, failure: Failure | None = None) -> None:
        """One of its entries is safe, or a failure."""
        if reading := self._open.get(within):
            reading.done += 1
            reading.failed += failure is not None
            reading.lasting = reading.lasting and (failure is None or failure.kind in _LASTING)

    def settle(self) -> None:
        """Remember the files of which all is safe."""
        for name, reading in list(self._open.items()):
            if not reading.is_done:
                continue
            del self._open[name]
            packed = reading.packed
            if reading.lasting and _is_still(packed):
                mark = _mark(packed, len(self.rows(packed)), reading.failed, reading.listed)
                self._ledger.record([FileRow(name, *packed.state, mark)])

    def _known(self, rows: list[FileRow]) -> set[str]:
        ids = list({row.id for row in rows})
        chunks = (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
        return set().union(*(self._store.known(chunk) for chunk in chunks))


def _mark(packed: Packed, rows: int, failed: int, entries: int) -> str:
    return f"{_KIND}:{rows}:{failed}:{entries}:{packed.recipe}"


def _counts(mark: str) -> tuple[int, int]:
    """How many could not be used, and of how many."""
    parts = mark.split(":")
    return (int(parts[2]), int(parts[3])) if len(parts) == 5 and parts[0] == _KIND else (0, 0)


def _is_still(packed: Packed) -> bool:
    try:
        return packed.blob.state() == packed.state
    except BoubaError:
        return False
