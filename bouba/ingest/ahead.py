"""Reading ahead of the encoder, by threads of this process."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Protocol, TypeVar

from bouba.ingest.entries import Entry, Packed, Source
from bouba.ingest.listing import Listing
from bouba.ingest.reading import Prepared, Reader, Seen
from bouba.ingest.report import Failure
from bouba.ingest.shelf import Shelf

Read = Prepared | Seen | Failure  # what became of one entry
Reads = Generator[Read, None, None]
_T = TypeVar("_T")
_U = TypeVar("_U")
_WINDOW = 128  # pictures that are read, or being read, before they are asked for


class Reading(Protocol):
    """What a run gives to those who read for it."""

    @property
    def listing(self) -> Listing: ...

    @property
    def shelf(self) -> Shelf: ...

    @property
    def reader(self) -> Reader: ...

    def fresh(self, sources: Iterable[Source] | None = None) -> Iterator[Entry | Failure]: ...

    def settled(self, packed: Packed) -> bool: ...

    def begin(self, packed: Packed) -> frozenset[str]: ...


def by_threads(run: Reading) -> Reads:
    """In the order of the entries."""
    workers = max(2, os.cpu_count() or 1)

    def read(entry: Entry | Failure) -> Read:
        return entry if isinstance(entry, Failure) else run.reader.read(entry)

    with ThreadPoolExecutor(workers, "bouba-read") as pool:
        try:
            yield from ahead(pool, read, run.fresh(), _WINDOW + workers)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def ahead(pool: ThreadPoolExecutor, call: Callable[[_T], _U], values: Iterable[_T], window: int) -> Iterator[_U]:
    """`map`, with at most `window` of the values under way or waiting."""
    waiting: deque[Future[_U]] = deque()
    for value in values:
        waiting.append(pool.submit(call, value))
        if len(waiting) >= window:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def batched(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch


def batched_by_size(entries: Iterable[Entry | Failure], most: int, held_bytes: int) -> Iterator[list[Entry | Failure]]:
    """Fewer than `most` where those of a batch would hold more than that many bytes in memory."""
    batch: list[Entry | Failure] = []
    held = 0
    for entry in entries:
        batch.append(entry)
        held += entry.held_bytes if isinstance(entry, Entry) else 0
        if len(batch) >= most or held >= held_bytes:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
