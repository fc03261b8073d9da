"""A gallery that lives as long as its process: exact and simple, the reference that other stores are tested against."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.errors import GalleryMissing, StoreUnavailable
from bouba.stores import Found, Superseded
from bouba.stores.batch import best_first, checked_batch, checked_query, new_fields
from bouba.stores.where.truth import fits
from bouba.types import AttributeType, Item

if TYPE_CHECKING:
    from bouba.stores.where import Where
    from bouba.types import Vectors


class MemoryStore:
    """Items and vectors in dictionaries; every search compares with every item."""

    def __init__(self, dim: int | None = None) -> None:
        self._dim = dim
        self._lock = threading.RLock()
        self._writers = threading.RLock()  # taken before `_lock`; who reads never waits for it
        self._meta: str | None = None
        self._fields: dict[str, AttributeType] = {}
        self._items: dict[str, Item] = {}
        self._vectors: dict[str, Vectors] = {}
        self._migrating = threading.Lock()
        self._next: MemoryStore | None = None
        self._successor: MemoryStore | None = None

    def read_meta(self) -> dict[str, Any] | None:
        self._check_current()
        return None if self._meta is None else dict(json.loads(self._meta))

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        with self._writers:
            self._check_current()
            self._meta = json.dumps(dict(meta))

    def update_meta(self, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        with self._writers:
            meta = self.read_meta()
            if meta is None:
                raise GalleryMissing("This gallery in memory is empty: there is no description to change.")
            self.write_meta(change(meta))

    def fields(self) -> Mapping[str, AttributeType]:
        with self._lock:
            return dict(self._fields)

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        settled, matrix = checked_batch(items, vectors, self._dim)
        with self._writers, self._lock:
            self._check_current()
            self._fields |= new_fields(settled, self._fields)
            for item, vector in zip(settled, matrix, strict=True):
                self._dim = len(vector)
                self._items[item.id], self._vectors[item.id] = item, vector

    def delete(self, ids: Sequence[str]) -> int:
        with self._writers, self._lock:
            self._check_current()
            there = self.known(ids)
            for id in there:
                del self._items[id], self._vectors[id]
            return len(there)

    def known(self, ids: Sequence[str]) -> set[str]:
        with self._lock:
            return {id for id in ids if id in self._items}

    def get(self, ids: Sequence[str]) -> tuple[list[Item], Vectors]:
        with self._lock:
            there = [id for id in ids if id in self._items]
            return [self._items[id] for id in there], self._matrix(there)

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[Found]:
        query = checked_query(vector, self._dim)
        items, matrix = self._fitting(where)
        ranked = best_first([item.id for item in items], matrix, query, k)
        return [Found(items[row], score, matrix[row]) for row, score in ranked]

    def scan(self, where: Where | None = None, batch: int = 1024) -> Iterator[tuple[list[Item], Vectors]]:
        items, matrix = self._fitting(where)
        for start in range(0, len(items), batch):
            yield items[start : start + batch], matrix[start : start + batch]

    def count(self, where: Where | None = None) -> int:
        with self._lock:
            return sum(fits(where, item) for item in self._items.values())

    def maintain(self) -> None:
        """Nothing to do: there is no index."""

    def successor(self) -> MemoryStore | None:
        return self._successor

    @contextlib.contextmanager
    def shadow(self, dim: int | None = None) -> Iterator[_MemoryShadow]:
        if self.read_meta() is None:
            raise GalleryMissing("This gallery in memory is empty: there is nothing to migrate.")
        if not self._migrating.acquire(blocking=False):
            raise StoreUnavailable("This gallery is being migrated by another thread. Wait for it.")
        try:
            self._check_current()
            yield _MemoryShadow(self, dim)
        finally:
            self._migrating.release()

    def close(self) -> None:
        """Nothing to do: there is nothing open."""

    def _check_current(self) -> None:
        if self._successor is not None:
            raise Superseded("This gallery in memory")

    def _fitting(self, where: Where | None) -> tuple[list[Item], Vectors]:
        with self._lock:
            items = [item for item in self._items.values() if fits(where, item)]
            return items, self._matrix([item.id for item in items])

    def _matrix(self, ids: Sequence[str]) -> Vectors:
        rows = [self._vectors[id] for id in ids]
        return np.stack(rows) if rows else np.empty((0, self._dim or 0), np.float32)


class _MemoryShadow:
    """A second MemoryStore beside the first."""

    def __init__(self, gallery: MemoryStore, dim: int | None) -> None:
        self._gallery, self._dim = gallery, dim

    def read_meta(self) -> dict[str, Any] | None:
        return self._gallery._next.read_meta() if self._gallery._next else None

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        self._gallery._next = self._gallery._next or MemoryStore(self._dim)
        self._gallery._next.write_meta(meta)

    def sync(self) -> list[str]:
        mine = self._gallery._next
        if mine is None:
            return []
        with self._gallery._lock, mine._lock:
            mine.delete([id for id in mine._items if id not in self._gallery._items])
            mine._fields |= self._gallery._fields
            mine._items = {id: self._gallery._items[id] for id in mine._items}
            return [id for id in self._gallery._items if id not in mine._items]

    def put(self, items: Sequence[Item], vectors: Vectors) -> None:
        if self._gallery._next is not None:
            self._gallery._next.upsert(items, vectors)

    def maintain(self) -> None:
        """Nothing to do: there is no index."""

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._gallery._writers:
            yield

    def promote(self) -> None:
        self._gallery._successor = self._gallery._next

    def drop(self) -> bool:
        dropped, self._gallery._next = self._gallery._next, None
        return dropped is not None
