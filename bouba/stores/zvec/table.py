"""One table of a gallery: `records.sqlite`, which is the truth, and `index`, which zvec makes of it.

A write is in the index before it is committed and out of it after. A search looks up in SQLite what the index found;
where an item was replaced between the two it begins again. What a kill leaves undone in the index is done when the
table is opened again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bouba.errors import GalleryBroken, StoreError
from bouba.stores import Found
from bouba.stores.batch import best_first
from bouba.stores.zvec.facts import condition, facts_of
from bouba.stores.zvec.index import VectorIndex
from bouba.stores.zvec.opened import Ownership
from bouba.stores.zvec.reading import Compared, Reader, Rows
from bouba.stores.zvec.records import Records

if TYPE_CHECKING:
    from bouba.stores.where.tree import Where
    from bouba.types import AttributeType, Item, Vectors

RECORDS, INDEX = "records.sqlite", "index"
SETTLE_ROWS = 10_000  # as many are written to the index again, at most, after a kill
BATCH = 1000
SPARE = 4  # further rows asked of the index, so that ties at the end are settled by id
MORE = 4  # times as many rows are asked for, where too few of them fit
PATIENCE = 1000  # rows; where more are needed SQLite finds those that fit
TRIES = 5
SURE_SHARE = 0.05  # of all rows: an index that gives fewer, and fewer than asked for, has compared with every one


class ZvecTable:
    def __init__(self, path: Path, dim: int | None, memory_mb: int | None) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path, self._writing = path, threading.Lock()
        self._unsettled = 0  # rows written since the index was last known to be on disk
        self._replaced = 0  # writes that replaced items
        with ExitStack() as undo:
            self._ownership = Ownership(path)
            undo.callback(self._ownership.let_go)
            self.records = Records(path / RECORDS, dim)
            undo.callback(self.records.close)
            self._check(dim)
            self._index = self._open_index(memory_mb)
            undo.callback(self._index.close)
            self._catch_up()
            undo.pop_all()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        with self.records.reading() as connection:
            yield Reader(connection, self.records.fields_seen_by(connection))

    @contextmanager
    def beside(self, other: Path) -> Iterator[Compared]:
        """`other`: the SQLite file of another generation."""
        with self.records.reading() as connection:
            connection.execute("ATTACH ? AS other", (str(other),))
            try:
                yield Compared(connection)
            finally:
                connection.execute("DETACH other")

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Of settled items with different ids."""
        with self._writing:
            with self.records.writing() as writing:
                old = writing.remove(item.id for item in items)
                rows = writing.insert(items, vectors)
                self._index.put(rows, [facts_of(item, writing.slots) for item in items], vectors)
                self._replaced += bool(old)
            self._index.remove(old)
            self._count(len(rows) + len(old))

    def delete(self, ids: Sequence[str]) -> int:
        with self._writing:
            with self.records.writing() as writing:
                old = writing.remove(ids)
            self._index.remove(old)
            self._count(len(old))
            return len(old)

    def take_fields(self, fields: Mapping[str, AttributeType]) -> None:
        with self._writing, self.records.writing() as writing:
            writing.add_fields({name: kind for name, kind in fields.items() if name not in writing.fields})

    def search(self, query: Vectors, k: int, where: Where | None) -> list[Found]:
        for _ in range(TRIES):
            before = self._replaced
            found = self._search(query, k, where)
            if self._replaced == before:
                break
        return found

    def _search(self, query: Vectors, k: int, where: Where | None) -> list[Found]:
        said = condition(where, self.records.slots)
        wanted = k + SPARE
        while self.records.count and wanted <= max(PATIENCE, k + SPARE):
            try:
                rows, scores = self._index.nearest(query, wanted, said, self.records.count)
            except RuntimeError:
                if said is None:
                    raise
                said = None  # zvec cannot evaluate it; it was to save time only
                continue
            with self.reader() as reader:
                found = self._best(reader.by_row(rows, where), query, k)
            if len(rows) < wanted:
                if len(rows) > SURE_SHARE * self.records.count:
                    break
                return found
            if len(found) == k and found[-1].score - scores[-1] > 1e-6 * (1 + abs(scores[-1])):
                return found
            wanted *= MORE
        with self.reader() as reader:
            return self._compare_all(reader, query, k, where)

    def tend(self) -> None:
        removed = self.records.removed
        made = self._index.tend(removed)
        with self._writing:
            if made:
                with self.records.writing() as writing:
                    writing.forget_removed(removed)
            self._settle()

    def close(self) -> None:
        try:
            with self._writing:
                self._settle()
        finally:
            self._index.close()
            self.records.close()
            self._ownership.let_go()

    def _best(self, rows: Rows, query: Vectors, k: int) -> list[Found]:
        vectors = rows.vectors(self.records.dim)
        return [Found(rows.item(n), score, vectors[n]) for n, score in best_first(rows.ids, vectors, query, k)]

    def _compare_all(self, reader: Reader, query: Vectors, k: int, where: Where | None) -> list[Found]:
        """With all that fit, as SQLite finds them."""
        best: list[Found] = []
        for rows in reader.all(where, BATCH):
            best += self._best(rows, query, k)
            best = sorted(best, key=lambda found: (-found.score, found.item.id))[:k]
        return best

    def _check(self, dim: int | None) -> None:
        if dim is not None and dim != self.records.dim:
            raise StoreError(
                f"{self.path.parent} holds vectors of length {self.records.dim}; it was opened for length {dim}. "
                "Open it with the model that filled it."
            )

    def _open_index(self, memory_mb: int | None) -> VectorIndex:
        try:
            return VectorIndex(self.path / INDEX, self.records.dim, memory_mb)
        except (RuntimeError, ValueError) as problem:
            raise GalleryBroken(
                f"{self.path / INDEX} is damaged ({problem}). Delete that one folder: it is made anew from {RECORDS} "
                "when the gallery is opened again."
            ) from problem

    def _catch_up(self) -> None:
        start = 0 if self._index.is_new else self.records.indexed
        with self.reader() as reader:
            for rows, found in reader.after(start, BATCH):
                facts = [facts_of(item, self.records.slots) for item in found.items()]
                self._index.put(rows, facts, found.vectors(self.records.dim))
                self._unsettled += len(rows)
            dropped = reader.dropped()
        self._index.remove(dropped)
        self._unsettled += len(dropped)
        self._settle()

    def _count(self, changes: int) -> None:
        self._unsettled += changes
        if self._unsettled >= SETTLE_ROWS:
            self._settle()

    def _settle(self) -> None:
        if self._unsettled:
            self._index.flush()
            with self.records.writing() as writing:
                writing.settle()
            self._unsettled = 0
