"""Sources -> store. Workers read and decode ahead while this thread encodes and commits.

Order of writing: vectors and records first, then the ledger. A process killed in between has work to repeat, and
nothing that was counted as done is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import AttributeTypeError
from bouba.ingest.ahead import Read, Reads, batched, batched_by_size, by_threads
from bouba.ingest.attributes import fit
from bouba.ingest.entries import Entry, Packed, Source
from bouba.ingest.listing import Listing
from bouba.ingest.reading import Prepared, Reader, Seen, file_state
from bouba.ingest.report import Failure, Report
from bouba.ingest.settling import is_there, settle_files
from bouba.ingest.shelf import Shelf
from bouba.types import AttributeType

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.media.blob import State
    from bouba.rows import Rows
    from bouba.stores import Store
    from bouba.stores.ledger import FileRow, Ledger
    from bouba.types import AttributeValue, Item, Vectors

    Progress = Callable[[int, int], None]  # sources that are safe, and all of them; 0: nobody knows yet

ENCODE_BATCH = 64  # pictures
COMMIT_ROWS = 512  # a commit costs the same for 1 or 500 rows
COMMIT_S = 4.0  # and one is made at least this often, so that little is repeated after a kill
MAINTAIN_COMMITS = 30
HELD_BYTES = 64 * 2**20  # of pictures that wait in memory


def ingest(
    listing: Listing,
    store: Store,
    ledger: Ledger,
    model: Model,
    rows: Rows,
    *,
    fetch: bool = False,
    progress: Progress = lambda done, total: None,
    reads: Callable[[Run], Reads] = by_threads,
) -> Report:
    """Add every source that is new, and say what became of each.

    Only a broken store or model raises; a picture that cannot be used is a row of `Report.failures`. `reads`: who reads
    the pictures, and perhaps encodes them.
    On KeyboardInterrupt what has been encoded is committed before it is raised again."""
    started = time.monotonic()
    run = Run(listing, store, ledger, model, rows, Reader(model, ledger, fetch), progress)
    with closing(reads(run)) as coming:
        try:
            for batch in batched(coming, ENCODE_BATCH):
                run.take(batch)
        except KeyboardInterrupt:
            coming.close()
            run.commit()
            raise
    run.commit()
    if run.commits:
        store.maintain()
    run.report.seconds = time.monotonic() - started
    return run.report


class Run:
    """One ingest: what is encoded and waits for its commit, and the report so far."""

    def __init__(
        self, listing: Listing, store: Store, ledger: Ledger, model: Model, rows: Rows, reader: Reader,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.listing, self.store, self.ledger, self.model, self.rows = listing, store, ledger, model, rows
        self.reader, self._progress = reader, progress
        self.shelf = Shelf(store, ledger, listing.counted)
        self.report = Report()
        self.commits = 0
        self._done = 0
        self._fields = dict(store.fields())
        self._encoded: list[Prepared] = []
        self._seen: list[Seen] = []
        self._failed = 0
        self._last_commit = time.monotonic()

    def fresh(self, sources: Iterable[Source] | None = None) -> Iterator[Entry | Failure]:
        """The entries that must be read: not those whose file is as it was and whose item is still there."""
        for batch in batched_by_size(
            self._opened(self.listing if sources is None else sources), COMMIT_ROWS, HELD_BYTES
        ):
            rows = self.ledger.files([e.path for e in batch if isinstance(e, Entry) and e.path])
            known = self.store.known([row.id for row in rows.values()])
            unchanged: list[Seen] = []
            for entry in batch:
                row = rows.get(entry.path) if isinstance(entry, Entry) else None
                if row and row.id in known and isinstance(entry, Entry) and _state(entry) == (row.size, row.mtime_ns):
                    unchanged.append(Seen(entry, row))
                else:
                    yield entry
            self._settle_unchanged(unchanged)

    def _opened(self, sources: Iterable[Source]) -> Iterator[Entry | Failure]:
        """With the entries of packed files in their place, but for files that are as they were."""
        for source in sources:
            if isinstance(source, Entry | Failure):
                yield source
            elif not self.settled(source):
                yield from self.shelf.entries(source)

    def settled(self, packed: Packed) -> bool:
        """Whether a packed file is as it was, in which case it is reported and done with."""
        if (found := self.shelf.unchanged(packed)) is None:
            return False
        rows, failure = found
        if failure:
            self._fail(failure)
        self._unchanged(rows)
        return True

    def begin(self, packed: Packed) -> frozenset[str]:
        """A packed file is read elsewhere, but for these paths, which are as they were."""
        rows = self.shelf.begin(packed)
        self._unchanged(rows)
        return frozenset(row.path for row in rows)

    def _unchanged(self, rows: Sequence[FileRow]) -> None:
        self.report.unchanged += len(rows)
        self.report.ids.extend(row.id for row in rows)
        if rows:
            self.advance(len(rows))

    def advance(self, count: int) -> None:
        """So many more sources are safe."""
        self._done += count
        total = self.listing.total
        self._progress(self._done, max(total, self._done) if total else 0)

    def take(self, reads: Sequence[Read]) -> None:
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
        held = sum(s.entry.held_bytes for s in self._seen)
        if (
            waiting >= COMMIT_ROWS
            or held >= HELD_BYTES
            or (waiting and time.monotonic() - self._last_commit > COMMIT_S)
        ):
            self.commit()

    def commit(self) -> None:
        """Make all that was taken so far safe, then count it."""
        self._read_lost()
        encoded, seen = self._encoded, self._seen
        self._encoded, self._seen = [], []
        if encoded:
            self._upsert([p.item for p in encoded], self.rows.pack(np.stack([_vector(p) for p in encoded])))
        taken: list[Prepared | Seen] = [*encoded, *seen]
        files = [one.file for one in taken if one.file.path]
        before = self.ledger.files([file.path for file in files])
        self._settle_seen(seen)
        self.ledger.record(files, [(p.item.id, p.thumbnail) for p in encoded])
        replaced = [before[file.path].id for file in files if file.path in before and before[file.path].id != file.id]
        self.report.removed += settle_files(self.store, self.ledger, replaced)
        self.report.added += len(encoded)
        self.report.ids.extend(p.item.id for p in encoded)
        self.reader.release(one.file.id for one in taken)
        self._count([one.entry for one in taken])
        self.advance(len(encoded) + len(seen) + self._failed)
        self._failed = 0
        self._last_commit = time.monotonic()

    def _count(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.shelf.count(entry.within)
        self.shelf.settle()

    def _encode(self, prepared: Sequence[Prepared]) -> None:
        """A picture that the store holds without the ledger's knowledge is encoded no second time."""
        known = self.store.known([p.item.id for p in prepared]) if prepared else set()
        new = [p for p in prepared if p.item.id not in known]
        raw = [p.pixels for p in new if p.pixels is not None]
        vectors = iter(self.model.encode_pixels(raw) if raw else ())
        self._encoded += [p if p.pixels is None else p.encoded(next(vectors)) for p in new]
        for p in prepared:
            if p.item.id in known:
                self.ledger.record([], [(p.item.id, p.thumbnail)])
                self._seen.append(Seen(p.entry, p.file))

    def _read_lost(self) -> None:
        """Pictures that were seen, but are not in the store: the file that had them first could not be read, or the
        store was emptied behind the ledger's back."""
        coming = {p.item.id for p in self._encoded}
        ids = [s.file.id for s in self._seen if s.file.id not in coming]
        known = coming | (self.store.known(ids) if ids else set())
        lost = [s for s in self._seen if s.file.id not in known]
        self._seen = [s for s in self._seen if s.file.id in known]
        for seen in lost:
            read = self.reader.read(seen.entry, force=True)
            if isinstance(read, Prepared) and read.item.id in coming:
                self._seen.append(seen)
            elif isinstance(read, Prepared) and (fitted := self._fitted(read.entry)) is not None:
                read = replace(read, item=replace(read.item, attributes=fitted))
                self._encode([read])
                coming.add(read.item.id)
            elif isinstance(read, Failure):
                self._fail(read)

    def _settle_unchanged(self, unchanged: Sequence[Seen]) -> None:
        outcomes = self._refresh([s for s in unchanged if s.entry.attributes], move=False)
        self.report.updated += outcomes["updated"]
        self.report.unchanged += len(unchanged) - outcomes["updated"]
        self.report.ids.extend(s.file.id for s in unchanged)
        if unchanged:
            self._count([s.entry for s in unchanged])
            self.advance(len(unchanged))

    def _settle_seen(self, seen: Sequence[Seen]) -> None:
        """Known pictures under paths that are new, or newer than what the ledger has."""
        outcomes = self._refresh(seen, move=True)
        self.report.moved += outcomes["moved"]
        self.report.updated += outcomes["updated"]
        self.report.duplicates += outcomes["same"]
        self.report.ids.extend(s.file.id for s in seen)

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
            there = not move or not one.entry.path or is_there(item.path)
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
            self._fail(Failure.of(entry.name, error, entry.within))
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
        self.shelf.count(failure.within, failure)
        self._failed += 1


def _state(entry: Entry) -> State:
    return entry.state or file_state(entry.path)


def _vector(encoded: Prepared) -> Vectors:
    assert encoded.vector is not None
    return encoded.vector
