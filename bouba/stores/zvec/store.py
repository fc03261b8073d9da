"""A gallery in a folder that one process owns: SQLite keeps it, and the graph index of zvec finds the nearest.

What a write returned from is there after the process is killed; a write that was killed leaves nothing behind that is
ever found. Threads share it, also through several stores; a second process is refused, with the number of the first.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.errors import GalleryBroken, GalleryMissing, StoreUnavailable, StoreUnknown
from bouba.stores import Found
from bouba.stores.batch import checked_batch, checked_query
from bouba.stores.zvec.folder import ZvecFolder
from bouba.stores.zvec.opened import Place, give_back, take
from bouba.types import AttributeType, Item

if TYPE_CHECKING:
    from bouba.stores.where.tree import Where
    from bouba.stores.zvec.shadow import ZvecShadow
    from bouba.stores.zvec.table import ZvecTable
    from bouba.types import Vectors

_MEMORY = re.compile(r"(\d{1,9})\s*([mg])b?", re.IGNORECASE)


class ZvecStore:
    """`dim` is needed to create a gallery, not to open one. Nothing is read before the first use.

    `memory`: how much of the index zvec holds at most, such as "500MB" or "2GB"; without it the operating system
    decides, as the index is mapped. The first gallery that a process opens decides for all."""

    def __init__(self, folder: str | os.PathLike[str], dim: int | None = None, memory: str | None = None) -> None:
        self._folder = ZvecFolder(folder)
        self._dim, self._memory = dim, memory
        self._memory_mb = None if memory is None else _megabytes(memory)
        self._lock = threading.Lock()
        self._place: Place | None = None
        self._let_go: weakref.finalize[..., ZvecStore] | None = None

    def read_meta(self) -> dict[str, Any] | None:
        return self._folder.read_meta()

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        # The table comes first: a description without one then means damage, not a new gallery.
        with self._folder.errors(), self._table(make=True):
            self._folder.write_meta(meta)

    def update_meta(self, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        self._folder.update_meta(change)

    def successor(self) -> ZvecStore | None:
        return None if self._folder.is_current() else ZvecStore(self._folder.path, memory=self._memory)

    @contextlib.contextmanager
    def shadow(self, dim: int | None = None) -> Iterator[ZvecShadow]:
        if self.read_meta() is None:
            raise GalleryMissing(f"There is no gallery at {self._folder.path}.")
        from bouba.stores.zvec.shadow import ZvecShadow

        with contextlib.ExitStack() as stack:
            with self._folder.errors():
                if not stack.enter_context(self._folder.try_lock("migrate")):
                    raise StoreUnavailable(f"{self._folder.path} is being migrated by another thread. Wait for it.")
                self._folder.check_current()
                source = stack.enter_context(self._table())
            if source is not None:
                yield stack.enter_context(ZvecShadow(self._folder, source, dim, self._memory_mb))

    def fields(self) -> Mapping[str, AttributeType]:
        with self._reading() as table:
            return dict(table.records.fields) if table is not None else {}

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        settled, matrix = checked_batch(items, vectors, self._stored_dim())
        if settled:
            with self._writing() as table:
                table.upsert(settled, matrix)

    def delete(self, ids: Sequence[str]) -> int:
        with self._reading() as table:
            if table is None:
                return 0
            with self._writing() as table:
                return table.delete(ids)

    def known(self, ids: Sequence[str]) -> set[str]:
        with self._reading() as table:
            if table is None:
                return set()
            with table.reader() as reader:
                return reader.known(ids)

    def get(self, ids: Sequence[str]) -> tuple[list[Item], Vectors]:
        with self._reading() as table:
            if table is None:
                return [], np.empty((0, self._dim or 0), np.float32)
            with table.reader() as reader:
                rows = reader.by_id(ids)
            place = {id: n for n, id in enumerate(rows.ids)}
            there = [place[id] for id in ids if id in place]
            items, vectors = rows.items(), rows.vectors(table.records.dim)
            return [items[n] for n in there], vectors[there]

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[Found]:
        query = checked_query(vector, self._stored_dim())
        with self._reading() as table:
            return table.search(query, k, where) if table is not None and k > 0 else []

    def scan(self, where: Where | None = None, batch: int = 1024) -> Iterator[tuple[list[Item], Vectors]]:
        """One version of the gallery, the newest when the scan starts."""
        with self._reading() as table:
            if table is not None:
                with table.reader() as reader:
                    for rows in reader.all(where, batch):
                        yield rows.items(), rows.vectors(table.records.dim)

    def count(self, where: Where | None = None) -> int:
        with self._reading() as table:
            if table is None:
                return 0
            if where is None:
                return table.records.count
            with table.reader() as reader:
                return reader.count(where)

    def maintain(self) -> None:
        """Searches and writes go on while a graph is made; returns at once if another thread is at it."""
        with self._reading() as table:
            if table is not None:
                with self._folder.try_lock("maintain") as mine:
                    if mine and self._folder.is_current():
                        table.tend()
                        self._folder.sweep()

    def close(self) -> None:
        """Lets go of the table; the store opens it again when it is used again."""
        with self._lock:
            if self._place is not None and self._let_go is not None:
                self._let_go()
                self._place = self._let_go = None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[ZvecTable | None]:
        with self._folder.errors(), self._table() as table:
            yield table

    @contextlib.contextmanager
    def _writing(self) -> Iterator[ZvecTable]:
        with self._folder.errors(), self._folder.lock("write"):
            self._folder.check_current()
            with self._table(make=True) as table:
                assert table is not None
                yield table

    @contextlib.contextmanager
    def _table(self, make: bool = False) -> Iterator[ZvecTable | None]:
        """None where nothing was written yet. Raises GalleryMissing where there is nothing and none was to be made."""
        place = self._hold(make)
        if place is None:
            yield None
            return
        table = take(place, self._open)
        try:
            yield table
        finally:
            give_back(place)

    def _hold(self, make: bool) -> Place | None:
        """Keeps the table open from one use to the next."""
        with self._lock:
            if self._place is None or self._place.process != os.getpid():
                path = self._folder.table
                if not path.exists() and not (make and self._dim is not None):
                    self._explain_absence()
                    return None
                place = Place.of(path)
                take(place, self._open)
                self._place, self._let_go = place, weakref.finalize(self, give_back, place)
            return self._place

    def _open(self) -> ZvecTable:
        from bouba.stores.zvec.table import ZvecTable

        self._folder.sweep()
        return ZvecTable(self._folder.table, self._dim, self._memory_mb)

    def _explain_absence(self) -> None:
        self._folder.check_current()  # swept after a migration
        if self._folder.read_meta() is not None:
            raise GalleryBroken(
                f"{self._folder.path} is damaged: {self._folder.table.name} is missing. "
                "Restore it from a backup, or delete the folder and add the pictures again."
            )
        if self._dim is None:
            raise GalleryMissing(f"{self._folder.path} holds no gallery. Add pictures to it first.")

    def _stored_dim(self) -> int | None:
        if self._dim is None:
            with self._reading() as table:
                return table.records.dim if table is not None else None
        return self._dim


def _megabytes(memory: str) -> int:
    size = _MEMORY.fullmatch(memory.strip())
    if size is None or int(size[1]) == 0:
        raise StoreUnknown(f"memory={memory}: write a size such as 500MB or 2GB.")
    return int(size[1]) * (1024 if size[2].lower() == "g" else 1)
