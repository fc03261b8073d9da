"""Entries -> store. Workers read and decode ahead while this thread encodes and commits.

Order of writing: vectors and records first, then the ledger. A process killed in between has work to repeat, and
nothing that was counted as done is lost."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from bouba.errors import AttributeTypeError
from bouba.ingest.attributes import fit
from bouba.ingest.reading import Prepared, Reader, Seen, file_state
from bouba.ingest.report import Failure, Report
from bouba.ingest.sources import Entry
from bouba.types import AttributeType

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.rows import Rows
    from bouba.stores import Store
    from bouba.stores.ledger import Ledger
    from bouba.types import AttributeValue, Item, Vectors

    Progress = Callable[[int], None]  # called with the number of sources that are now safe

ENCODE_BATCH = 64  # pictures
COMMIT_ROWS = 512  # a commit costs the same for 1 or 500 rows
COMMIT_S = 4.0  # and one is made at least this often, so that little is repeated after a kill
MAINTAIN_COMMITS = 30
_T = TypeVar("_T")
_Read = Prepared | Seen | Failure


def ingest(
    entries: Iterable[Entry | Failure],
    store: Store,
    ledger: Ledger,
    model: Model,
    rows: Rows,
    *,
    fetch: bool = False,
    progress: Progress = lambda done: None,
    workers: int | None = None,
) -> Report:
    """Add every entry that is new, and say what became of each.

    Only a broken store or model raises; a picture that cannot be used is a row of `Report.failures`.
    On KeyboardInterrupt what has been encoded is committed before it is raised again."""
    started = time.monotonic()
    run = _Run(store, ledger, model, rows, Reader(model, ledger, fetch), progress)
    workers = workers or max(2, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, "bouba-read") as pool:
        try:
            reads = _ahead(pool, run.reader.read, run.fresh(entries), window=2 * ENCODE_BATCH + workers)
            for batch in _batched(reads, ENCODE_BATCH):
                run.take(batch)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            run.commit()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    run.commit()
    if run.commits:
        store.maintain()
    run.report.seconds = time.monotonic() - started
    return run.report


class _Run:
    """One ingest: what is encoded and waits for its commit, and the report so far."""

    def __init__(
        self, store: Store, ledger: Ledger, model: Model, rows: Rows, reader: Reader, progress: Progress
    ) -> None:
        self.store, self.ledger, self.model, self.rows = store, ledger, model, rows
        self.reader, self.progress = reader, progress
        self.report = Report()
        self.commits = 0
        self._fields = dict(store.fields())
        self._encoded: list[tuple[Prepared, Vectors]] = []
        self._seen: list[Seen] = []
        self._failed = 0
        self._last_commit = time.monotonic()

    def fresh(self, entries: Iterable[Entry | Failure]) -> Iterator[Entry | Failure]:
        """The entries that must be read: not those whose file is as it was and whose item is still there."""
        for batch in _batched(entries, COMMIT_ROWS):
            rows = self.ledger.files([e.path for e in batch if isinstance(e, Entry) and e.path])
            known = self.store.known([row.id for row in rows.values()])
            unchanged: list[Seen] = []
            for entry in batch:
                row = rows.get(entry.path) if isinstance(entry, Entry) else None
                if row and row.id in known and (row.size, row.mtime_ns) == file_state(row.path):
                    assert isinstance(entry, Entry)
                    unchanged.append(Seen(entry, row))
                else:
                    yield entry
            self._settle_unchanged(unchanged)

    def take(self, reads: Sequence[_Read]) -> None:
        """Encode what is new of a batch, put the rest aside, and commit when it is time."""
        prepared: list[Prepared] = []
        for read in reads:
            if isinstance(read, Failure):
                self._fail(read)
            elif isinstance(read, Seen):
                self._seen.append(read)
            elif (fitted := self._fitted(read.entry)) is not None:
                self._seen = [replace(s, earlier=True) if s.file.id == read.item.id else s for s in self._seen]
                prepared.append(replace(read, item=replace(read.item, attributes=fitted)))
        self._encode(prepared)
        waiting = len(self._encoded) + len(self._seen) + self._failed
        if waiting >= COMMIT_ROWS or (waiting and time.monotonic() - self._last_commit > COMMIT_S):
            self.commit()

    def commit(self) -> None:
        """Make all that was taken so far safe, then count it."""
        self._read_lost()
        encoded, seen = self._encoded, self._seen
        self._encoded, self._seen = [], []
        if encoded:
            self._upsert([p.item for p, _ in encoded], self.rows.pack(np.stack([v for _, v in encoded])))
        files = [p.file for p, _ in encoded if p.file.path] + [s.file for s in seen if s.file.path]
        before = self.ledger.files([file.path for file in files])
        self._settle_seen(seen)
        self.ledger.record(files, [(p.item.id, p.thumbnail) for p, _ in encoded])
        replaced = [before[file.path].id for file in files if file.path in before and before[file.path].id != file.id]
        self.report.removed += settle_files(self.store, self.ledger, replaced)
        self.report.added += len(encoded)
        self.report.ids += [p.item.id for p, _ in encoded]
        self.progress(len(encoded) + len(seen) + self._failed)
        self._failed = 0
        self._last_commit = time.monotonic()

    def _encode(self, prepared: Sequence[Prepared]) -> None:
        """A picture that the store holds without the ledger's knowledge is encoded no second time."""
        known = self.store.known([p.item.id for p in prepared]) if prepared else set()
        new = [p for p in prepared if p.item.id not in known]
        if new:
            self._encoded += zip(new, self.model.encode_pixels([p.pixels for p in new]), strict=True)
        for p in prepared:
            if p.item.id in known:
                self.ledger.record([], [(p.item.id, p.thumbnail)])
                self._seen.append(Seen(p.entry, p.file))

    def _read_lost(self) -> None:
        """Pictures that were seen, but are not in the store: the file that had them first could not be read, or the
        store was emptied behind the ledger's back."""
        coming = {p.item.id for p, _ in self._encoded}
        ids = [s.file.id for s in self._seen if s.file.id not in coming]
        known = coming | (self.store.known(ids) if ids else set())
        lost = [s for s in self._seen if s.file.id not in known]
        self._seen = [s for s in self._seen if s.file.id in known]
        for seen in lost:
            read = self.reader.read(seen.entry, force=True)
            if isinstance(read, Prepared) and read.item.id in coming:
                self._seen.append(seen)
            elif isinstance(read, Prepared) and (fitted := self._fitted(read.entry)) is not None:
                item = replace(read.item, attributes=fitted)
                self._encoded.append((replace(read, item=item), self.model.encode_pixels([read.pixels])[0]))
                coming.add(item.id)
            elif isinstance(read, Failure):
                self._fail(read)

    def _settle_unchanged(self, unchanged: Sequence[Seen]) -> None:
        outcomes = self._refresh([s for s in unchanged if s.entry.attributes], move=False)
        self.report.updated += outcomes["updated"]
        self.report.unchanged += len(unchanged) - outcomes["updated"]
        self.report.ids += [s.file.id for s in unchanged]
        if unchanged:
            self.progress(len(unchanged))

    def _settle_seen(self, seen: Sequence[Seen]) -> None:
        """Known pictures under paths that are new, or newer than what the ledger has."""
        outcomes = self._refresh(seen, move=True)
        self.report.moved += outcomes["moved"]
        self.report.updated += outcomes["updated"]
        self.report.duplicates += outcomes["same"]
        self.report.ids += [s.file.id for s in seen]

    def _refresh(self, seen: Sequence[Seen], move: bool) -> Counter[str]:
        """Write new paths and attributes of known items, encoding nothing; counts "moved", "updated" and "same"."""
        outcomes: Counter[str] = Counter()
        if not seen:
            return outcomes
        items, rows = self.store.get(list(dict.fromkeys(s.file.id for s in seen)))
        before = {item.id: item for item in items}
        now = dict(before)
        for one in seen:
            item = now[one.file.id]
            fitted = self._fitted(one.entry) or {}
            merged = {**fitted, **item.attributes} if one.earlier else {**item.attributes, **fitted}
            there = not move or not one.entry.path or os.path.exists(item.path)
            now[item.id] = replace(item, attributes=merged, path=item.path if there else one.entry.path)
        for one in seen:  # against the end of all of them: of several rows about one picture the last one counts
            old, new = before[one.file.id], now[one.file.id]
            moved = new.path != old.path and new.path == one.entry.path
            outcomes["moved" if moved else "updated" if new.attributes != old.attributes else "same"] += 1
        changed = [n for n, item in enumerate(items) if now[item.id] != item]
        if changed:
            self._upsert([now[items[n].id] for n in changed], rows[changed])
        return outcomes

    def _fitted(self, entry: Entry) -> dict[str, AttributeValue] | None:
        """The entry's attributes as the gallery's types want them; None, and a failure, where they do not fit."""
        try:
            attributes = fit(entry.attributes or {}, self._fields)
        except AttributeTypeError as error:
            self._fail(Failure.of(entry.name, error))
            return None
        for name, value in attributes.items():
            self._fields.setdefault(name, AttributeType.of(value))
        return attributes

    def _upsert(self, items: Sequence[Item], rows: Vectors) -> None:
        self.store.upsert(items, rows)
        self.commits += 1
        if self.commits % MAINTAIN_COMMITS == 0:
            self.store.maintain()

    def _fail(self, failure: Failure) -> None:
        self.report.failures.append(failure)
        self._failed += 1


def settle_files(store: Store, ledger: Ledger, ids: Sequence[str]) -> int:
    """After files of these items changed or went: delete the items that no file holds any more, and point the others
    at a file that does. Returns how many were deleted."""
    if not ids:
        return 0
    held: dict[str, list[str]] = {}
    for row in ledger.files_of(ids):
        held.setdefault(row.id, []).append(row.path)
    orphans = [i for i in dict.fromkeys(ids) if i not in held]
    removed = store.delete(orphans)
    ledger.forget_items(orphans)
    items, rows = store.get(list(held))
    astray = [n for n, item in enumerate(items) if item.path and item.path not in held[item.id]]
    if astray:
        store.upsert([replace(items[n], path=min(held[items[n].id])) for n in astray], rows[astray])
    return removed


def _ahead(
    pool: ThreadPoolExecutor,
    read: Callable[[Entry], _Read],
    entries: Iterable[Entry | Failure],
    window: int,
) -> Iterator[_Read]:
    """Reads in the order of the entries, with at most `window` of them under way or waiting."""
    waiting: deque[Future[_Read] | Failure] = deque()
    for entry in entries:
        waiting.append(entry if isinstance(entry, Failure) else pool.submit(read, entry))
        if len(waiting) >= window:
            yield _result(waiting.popleft())
    while waiting:
        yield _result(waiting.popleft())


def _result(read: Future[_Read] | Failure) -> _Read:
    return read if isinstance(read, Failure) else read.result()


def _batched(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
