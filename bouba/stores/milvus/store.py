"""A gallery on Milvus. What a gallery keeps beside its items on this machine, ledger and words, is in `Place.folder`,
and there are the locks by which this machine's processes take turns."""

from __future__ import annotations

import contextlib
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bouba.errors import GalleryMissing, StoreError, StoreUnavailable
from bouba.stores import Found, Superseded
from bouba.stores.batch import checked_batch, checked_query, new_fields
from bouba.stores.lance.folder import GalleryFolder
from bouba.stores.milvus.address import Address
from bouba.stores.milvus.catalog import Catalog, Described
from bouba.stores.milvus.connection import Connection
from bouba.stores.milvus.reading import Reader
from bouba.stores.milvus.records import to_item, to_matrix, to_row
from bouba.stores.milvus.schema import create
from bouba.stores.milvus.table import WITH_VECTOR, Table
from bouba.stores.place import Place
from bouba.types import AttributeType, Item

if TYPE_CHECKING:
    from bouba.stores.milvus.shadow import MilvusShadow
    from bouba.stores.milvus.table import Row
    from bouba.stores.where.tree import Where
    from bouba.types import Vectors

REFRESH_S = 0.25  # another process's migration is seen at most this much later
KEEP_S = 600.0  # a reader that started before a migration has this long to finish
CLOSED_S = 120.0  # writers on other machines wait so long for the end of a migration
FLUSH_ROWS = 5000  # as many new rows are worth an index of their own
FLUSH_S = 15.0  # servers refuse more than a flush of a collection in ten seconds


class MilvusStore:
    """`dim` is needed to create a gallery, not to open one. Nothing is connected before the first use."""

    def __init__(self, place: Place, dim: int | None = None) -> None:
        self._address = Address.of(place)
        self._dim = dim
        self._connection = Connection(self._address)
        self._catalog = Catalog(self._connection)
        assert place.folder is not None
        self._folder = GalleryFolder(place.folder)
        self._mutex = threading.RLock()
        self._opened: Table | None = None
        self._looked = 0.0
        self._unflushed, self._flushed = 0, -math.inf

    def read_meta(self) -> dict[str, Any] | None:
        described = self._described()
        return None if described is None else self._catalog.meta(described)

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        with self._folder.lock("write"):
            self._catalog.write_meta(self._writable().collection, meta, uuid.uuid4().hex)

    def update_meta(self, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        if self.read_meta() is None:  # so that no folder is made for the lock
            raise GalleryMissing(f"There is no gallery at {self._address}: no description to change.")
        with self._folder.lock("write"):
            for _ in range(5):
                meta, stamp = self.read_meta(), uuid.uuid4().hex
                assert meta is not None
                collection = self._writable().collection
                self._catalog.write_meta(collection, change(meta), stamp)
                described = self._described()
                if described is not None and self._catalog.stamp(described) == stamp:
                    return
        raise StoreUnavailable(f"{self._address}: another machine keeps changing the description. Try again.")

    def fields(self) -> Mapping[str, AttributeType]:
        """Those of this generation, also once another took its place."""
        table = self._table()
        described = self._catalog.describe(table.collection) if table is not None else None
        return {} if described is None else self._catalog.fields(described)

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        settled, matrix = checked_batch(items, vectors, self._stored_dim())
        if not settled:
            return
        with self._folder.lock("write"):
            described = self._writable()
            put_rows(self._catalog, self._bound(described), described, settled, matrix)
        self._unflushed += len(settled)

    def delete(self, ids: Sequence[str]) -> int:
        if self._table() is None:
            return 0
        with self._folder.lock("write"):
            table = self._bound(self._writable())
            there = sorted(self.known(ids))
            table.delete(there)
        return len(there)

    def known(self, ids: Sequence[str]) -> set[str]:
        table = self._table()
        if table is None or not ids:
            return set()
        return {table.keys.id(row["pk"]) for row in table.by_id(list(dict.fromkeys(ids)), ["pk"])}

    def get(self, ids: Sequence[str]) -> tuple[list[Item], Vectors]:
        table = self._table()
        if table is None:
            return [], self._matrix([])
        rows = {table.keys.id(row["pk"]): row for row in table.by_id(list(dict.fromkeys(ids)), WITH_VECTOR)}
        there = [rows[id] for id in ids if id in rows]
        return [to_item(row, table.keys) for row in there], self._matrix(there)

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[Found]:
        query = checked_query(vector, self._stored_dim())
        table = self._table()
        return [] if table is None or k <= 0 else self._reader(table).search(query, k, where)

    def scan(self, where: Where | None = None, batch: int = 1024) -> Iterator[tuple[list[Item], Vectors]]:
        """While the gallery is written: an item that is there from beginning to end comes once, a new one perhaps."""
        table = self._table()
        if table is None:
            return
        waiting: list[tuple[Item, Row]] = []
        for page in self._reader(table).pages(where, WITH_VECTOR):
            waiting += page
            while len(waiting) >= batch:
                yield self._batch(waiting[:batch])
                waiting = waiting[batch:]
        if waiting:
            yield self._batch(waiting)

    def count(self, where: Where | None = None) -> int:
        table = self._table()
        return 0 if table is None else self._reader(table).count(where)

    def maintain(self) -> None:
        """Milvus compacts by itself, and indexes what is flushed: for the rest a server has a rough index, which
        misses one of ten. Here: a flush; and collections of earlier generations go once nobody can be reading them."""
        described = self._catalog.current()
        if described is None or self._opened is None or described.collection != self._opened.collection:
            return
        if self._unflushed >= FLUSH_ROWS and (self._address.is_file or time.monotonic() - self._flushed > FLUSH_S):
            self._opened.flush()
            self._unflushed, self._flushed = 0, time.monotonic()
        since = self._catalog.note(described, "since")
        if since and time.time() - since > KEEP_S:
            self._catalog.sweep(described.collection)
            self._catalog.leave_note(described.collection, "since", 0.0)

    def successor(self) -> MilvusStore | None:
        if self._opened is None or time.monotonic() - self._looked < REFRESH_S:
            return None
        if self._catalog.is_current(self._opened.collection):
            self._looked = time.monotonic()
            return None
        return MilvusStore(self._address.place)

    @contextlib.contextmanager
    def shadow(self, dim: int | None = None) -> Iterator[MilvusShadow]:
        from bouba.stores.milvus.shadow import MilvusShadow

        if self.read_meta() is None:
            raise GalleryMissing(f"There is no gallery at {self._address}.")
        with self._folder.try_lock("migrate") as mine:
            if not mine:
                raise StoreUnavailable(
                    f"{self._address} is being migrated by another process. Wait for it, or end it first."
                )
            described = self._described()
            assert described is not None
            yield MilvusShadow(self._catalog, self._connection, self._folder, self._bound(described), dim)

    def close(self) -> None:
        """Lets go of the connection; the store connects again when it is used again."""
        self._connection.close()

    def _described(self) -> Described | None:
        """The gallery's collection now. Raises Superseded if it is not the one that this store stands for."""
        described = self._catalog.current()
        if described is not None and self._bound(described).collection != described.collection:
            raise Superseded(self._address)
        return described

    def _bound(self, described: Described) -> Table:
        with self._mutex:
            if self._opened is None:
                if self._dim is not None and self._dim != described.dim:
                    raise StoreError(
                        f"{self._address} holds vectors of length {described.dim}; it was opened for length "
                        f"{self._dim}. Open it with the model that filled it."
                    )
                self._opened = Table(self._connection, described.collection, described.dim)
            return self._opened

    def _table(self) -> Table | None:
        """None before anything was written; raises GalleryMissing where none was to be made."""
        if self._opened is None:
            described = self._catalog.current()
            if described is None:
                if self._dim is None:
                    raise GalleryMissing(f"{self._address} holds no gallery. Add pictures to it first.")
                return None
            self._bound(described)
        return self._opened

    def _writable(self) -> Described:
        """The collection to write to, made if there is none; for who holds the write lock.

        Waits for a migration that is being finished on another machine, and raises Superseded after one."""
        deadline = time.monotonic() + CLOSED_S
        while True:
            described = self._described() or self._created()
            if self._catalog.note(described, "closed") < time.time() or time.monotonic() > deadline:
                return described
            time.sleep(0.2)

    def _created(self) -> Described:
        if self._dim is None:
            raise StoreError(f"{self._address}: a new gallery needs to know the length of its vectors (dim).")
        name = self._catalog.first_name(self._dim)
        create(self._connection, name, self._dim)
        self._catalog.point_to(name)
        described = self._described()
        assert described is not None
        return described

    def _stored_dim(self) -> int | None:
        table = self._table()
        return self._dim if table is None else table.dim

    def _reader(self, table: Table) -> Reader:
        return Reader(table, json_in=not self._address.is_file)

    def _batch(self, pairs: Sequence[tuple[Item, Row]]) -> tuple[list[Item], Vectors]:
        return [item for item, _ in pairs], self._matrix([row for _, row in pairs])

    def _matrix(self, rows: Sequence[Row]) -> Vectors:
        return to_matrix(rows, self._stored_dim() or 0)


def put_rows(catalog: Catalog, table: Table, described: Described, items: Sequence[Item], vectors: Vectors) -> None:
    """Everything is checked before anything is sent: some servers do not survive what they do not expect."""
    fresh = new_fields(items, catalog.fields(described))
    rows = [to_row(item, vector, table.keys, table.tenant) for item, vector in zip(items, vectors, strict=True)]
    catalog.add_fields(table.collection, fresh)
    table.upsert(rows)
