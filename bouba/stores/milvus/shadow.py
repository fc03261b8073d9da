"""The next generation of a gallery on Milvus: a second collection, which the gallery's alias names after the switch."""

from __future__ import annotations

import contextlib
import math
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bouba.stores.batch import checked_batch
from bouba.stores.milvus.filters import EVERYTHING
from bouba.stores.milvus.records import to_item, to_matrix
from bouba.stores.milvus.schema import create
from bouba.stores.milvus.store import CLOSED_S, FLUSH_ROWS, FLUSH_S, put_rows
from bouba.stores.milvus.table import KEYS_AT_ONCE, WITH_ITEM, WITH_VECTOR, Table

if TYPE_CHECKING:
    from bouba.stores.lance.folder import GalleryFolder
    from bouba.stores.milvus.catalog import Catalog, Described
    from bouba.stores.milvus.connection import Connection
    from bouba.types import Item, Vectors

MARKED = ("pk", "mark")


class MilvusShadow:
    def __init__(
        self, catalog: Catalog, connection: Connection, folder: GalleryFolder, source: Table, dim: int | None
    ) -> None:
        self._catalog, self._connection, self._folder, self._source = catalog, connection, folder, source
        self._dim = dim
        self._name = catalog.name_after(source.collection)
        self._unflushed, self._flushed = 0, -math.inf

    def read_meta(self) -> dict[str, Any] | None:
        described = self._catalog.describe(self._name)
        return None if described is None else self._catalog.meta(described)

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        if self.read_meta() is None:
            self.drop()
            assert self._dim is not None
            create(self._connection, self._name, self._dim)
        self._catalog.write_meta(self._name, meta, uuid.uuid4().hex)

    def sync(self) -> list[str]:
        described, theirs = self._catalog.describe(self._name), self._catalog.describe(self._source.collection)
        if described is None or theirs is None:
            return []
        held = self._catalog.fields(described)
        fresh = {name: kind for name, kind in self._catalog.fields(theirs).items() if name not in held}
        self._catalog.add_fields(self._name, fresh)
        mine = self._table(described)
        missing: list[str] = []
        gone: list[str] = []
        changed: list[str] = []
        for key, there, here in _side_by_side(_marks(self._source), _marks(mine)):
            if there is None or here is None or there != here:
                (gone if there is None else missing if here is None else changed).append(mine.keys.id(key))
        mine.delete(gone)
        self._copy(changed, mine)
        return missing

    def _copy(self, ids: Sequence[str], mine: Table) -> None:
        for start in range(0, len(ids), KEYS_AT_ONCE):
            chosen = ids[start : start + KEYS_AT_ONCE]
            rows = {row["pk"]: row for row in mine.by_id(chosen, WITH_VECTOR, strong=True)}
            items = [to_item(row, mine.keys) for row in self._source.by_id(chosen, WITH_ITEM, strong=True)]
            kept = [item for item in items if mine.keys.of(item.id) in rows]
            if kept:
                self.put(kept, to_matrix([rows[mine.keys.of(item.id)] for item in kept], mine.dim))

    def put(self, items: Sequence[Item], vectors: Vectors) -> None:
        described = self._catalog.describe(self._name)
        if described is not None:
            settled, matrix = checked_batch(items, vectors, described.dim)
            if settled:
                put_rows(self._catalog, self._table(described), described, settled, matrix)
                self._unflushed += len(settled)

    def maintain(self) -> None:
        """Milvus indexes by itself what is flushed, so that the new generation is, when all go over to it."""
        described = self._catalog.describe(self._name)
        if described is not None and self._unflushed >= FLUSH_ROWS and time.monotonic() - self._flushed > FLUSH_S:
            self._table(described).flush()
            self._unflushed, self._flushed = 0, time.monotonic()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Processes of this machine wait for a lock, those of others look at a note before they write."""
        with self._folder.lock("write"):
            self._catalog.leave_note(self._source.collection, "closed", time.time() + CLOSED_S)
            try:
                yield
            finally:
                self._catalog.leave_note(self._source.collection, "closed", 0.0)

    def promote(self) -> None:
        self._catalog.leave_note(self._name, "since", time.time())
        self._catalog.point_to(self._name)

    def drop(self) -> bool:
        begun = self._catalog.describe(self._name) is not None
        if begun:
            self._catalog.drop(self._name)
        return begun

    def _table(self, described: Described) -> Table:
        return Table(self._connection, described.collection, described.dim)


def _marks(table: Table) -> Iterator[tuple[str, int]]:
    """(primary key, mark) in the order of the keys."""
    for rows in table.scan(EVERYTHING, MARKED, strong=True):
        yield from ((str(row["pk"]), int(row["mark"])) for row in rows)


def _side_by_side(
    left: Iterator[tuple[str, int]], right: Iterator[tuple[str, int]]
) -> Iterator[tuple[str, int | None, int | None]]:
    """Two sorted streams as one; None where one of them lacks a key."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None
            yield one[0], one[1], None
            one = next(left, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other[1]
            other = next(right, None)
        else:
            yield one[0], one[1], other[1]
            one, other = next(left, None), next(right, None)
