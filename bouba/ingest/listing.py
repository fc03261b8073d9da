"""Sources as a stream, and how many there are, as far as that is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from bouba.ingest.entries import Entry, Source
from bouba.ingest.report import Failure

AHEAD = 10_000  # sources that are listed before they are needed, so that there is a total


class Listing:
    """Sources in their order, listed some way ahead; as many as that are listed when it is made."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = iter(sources)
        self._waiting: deque[Source] = deque()
        self._ended = False
        self._pictures = 0  # entries and failures so far
        self._promised = 0  # entries of those that said so
        self._silent = 0  # and how many did not
        self._opened: list[int] = []  # entries of each packed file that was read to its end
        self._fill()

    def __iter__(self) -> Iterator[Source]:
        while self._waiting:
            yield self._waiting.popleft()
            self._fill()

    def counted(self, promised: int | None, entries: int) -> None:
        """A packed file has proved to hold so many entries."""
        self._opened.append(entries)
        self._promised -= promised or 0
        self._silent -= promised is None

    @property
    def total(self) -> int:
        """Of pictures; shards that nobody has read count as many as the others have on average. 0: not known yet."""
        if not self._ended or (self._silent and not self._opened):
            return 0
        mean = sum(self._opened) / len(self._opened) if self._opened else 0.0
        return self._pictures + sum(self._opened) + self._promised + round(self._silent * mean)

    def _fill(self) -> None:
        while not self._ended and len(self._waiting) < AHEAD:
            source = next(self._sources, None)
            if source is None:
                self._ended = True
                return
            self._waiting.append(source)
            if isinstance(source, Entry | Failure):
                self._pictures += 1
            elif source.count is None:
                self._silent += 1
            else:
                self._promised += source.count
