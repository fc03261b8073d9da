"""The default store: a folder, no server, on Lance, the engine and file format of LanceDB.

`<folder>/items.lance` is a plain Lance table; `lancedb.connect(folder).open_table("items")` reads it as well (after a
migration it is `items-2`, and so on; `gallery.json` says which).
What a write returned from is there after the process is killed; a write that was killed leaves nothing behind
but files that maintenance removes.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.errors import GalleryMissing, StoreUnavailable
from bouba.stores import Found
from bouba.stores.batch import best_first, checked_batch, checked_query
from bouba.stores.lance.folder import GalleryFolder
from bouba.stores.lance.keeper import Keeper
from bouba.stores.lance.nearest import Nearest
from bouba.stores.lance.settings import DEFAULT, Settings
from bouba.stores.lance.sql import IDS_AT_ONCE, ids_sql, where_sql
from bouba.types import AttributeType, Item

if TYPE_CHECKING:
    import pyarrow as pa

    from bouba.stores.lance.shadow import LanceShadow
    from bouba.stores.lance.table import LanceTable
    from bouba.stores.where.tree import Where
    from bouba.types import Vectors


class LanceStore:
    """`dim` is needed to create a gallery, not to open one. Nothing is read before the first use."""

    def __init__(self, folder: str | os.PathLike[str], dim: int | None = None, settings: Settings = DEFAULT) -> None:
        self._folder = GalleryFolder(folder)
        self._dim, self._settings = dim, settings
        self._keeper, self._nearest = Keeper(self._folder, settings), Nearest()
        self._lock = threading.Lock()
        self._opened: LanceTable | None = None

    @property
    def _table(self) -> LanceTable:
        # The engine takes 0.3 s to import, which reading the description must not cost.
        from bouba.stores.lance.table import LanceTable

        with self._lock:
            self._opened = self._opened or LanceTable(self._folder, self._dim, self._settings)
            return self._opened

    def read_meta(self) -> dict[str, Any] | None:
        return self._folder.read_meta()

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        # The table comes first: a description without one then means damage, not a new gallery.
        with self._folder.errors():
            self._table.create()
        self._folder.write_meta(meta)

    def update_meta(self, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        self._folder.update_meta(change)

    def successor(self) -> LanceStore | None:
        return None if self._folder.is_current() else LanceStore(self._folder.path, settings=self._settings)

    @contextlib.contextmanager
    def shadow(self, dim: int | None = None) -> Iterator[LanceShadow]:
        if self.read_meta() is None:
            raise GalleryMissing(f"There is no gallery at {self._folder.path}.")
        from bouba.stores.lance.shadow import LanceShadow

        with contextlib.ExitStack() as stack:
            with self._folder.errors():
                if not stack.enter_context(self._folder.try_lock("migrate")):
                    raise StoreUnavailable(
                        f"{self._folder.path} is being migrated by another process. Wait for it, or end it first."
                    )
                self._folder.check_current()
            yield LanceShadow(self._folder, self._table, dim)

    def fields(self) -> Mapping[str, AttributeType]:
        from bouba.stores.lance.records import fields_of

        with self._folder.errors():
            dataset = self._table.current()
            return fields_of(dataset.schema) if dataset is not None else {}

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        from bouba.stores.lance.changes import merge_rows

        settled, matrix = checked_batch(items, vectors, self._stored_dim())
        if settled:
            with self._folder.errors():
                self._table.write(lambda dataset: merge_rows(dataset, settled, matrix))
                self._keeper.written(self._table, len(settled))

    def delete(self, ids: Sequence[str]) -> int:
        from bouba.stores.lance.changes import delete_rows

        with self._folder.errors():
            if self._table.current() is None:
                return 0
            return self._table.write(lambda dataset: delete_rows(dataset, list(dict.fromkeys(ids))))

    def known(self, ids: Sequence[str]) -> set[str]:
        with self._folder.errors():
            return {id for table in self._by_id(ids, ["id"]) for id in table["id"].to_pylist()}

    def get(self, ids: Sequence[str]) -> tuple[list[Item], Vectors]:
        from bouba.stores.lance.records import to_items, to_vectors

        found: dict[str, tuple[Item, Vectors]] = {}
        with self._folder.errors():
            for table in self._by_id(ids):
                items = to_items(table)
                found |= {item.id: (item, row) for item, row in zip(items, to_vectors(table), strict=True)}
        there = [found[id] for id in ids if id in found]
        empty = np.empty((0, self._stored_dim() or 0), np.float32)
        return [item for item, _ in there], np.stack([row for _, row in there]) if there else empty

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[Found]:
        import pyarrow as pa

        from bouba.stores.lance.records import to_items, to_vectors

        query = checked_query(vector, self._stored_dim())
        with self._folder.errors():
            dataset = self._table.current()
            if dataset is None or k <= 0:
                return []
            table = self._nearest.search(dataset, query, k, where)
            rows = to_vectors(table)
            ranked = best_first(table["id"].to_pylist(), rows, query, k)
            items = to_items(table.take(pa.array([row for row, _ in ranked], pa.int64())))
        return [Found(item, score, rows[row]) for item, (row, score) in zip(items, ranked, strict=True)]

    def scan(self, where: Where | None = None, batch: int = 1024) -> Iterator[tuple[list[Item], Vectors]]:
        """One version of the gallery, the newest when the scan starts.

        A scan may take 10 minutes while the gallery is written; files of older versions are then cleaned away."""
        import pyarrow as pa

        from bouba.stores.lance.records import item_columns, to_items, to_vectors

        with self._folder.errors():
            dataset = self._table.current()
            if dataset is None:
                return
            condition = where_sql(where) if where is not None else None
            columns = [*item_columns(dataset.schema), "vector"]
            scanner = dataset.scanner(columns=columns, filter=condition, batch_size=batch, strict_batch_size=True)
            for rows in scanner.to_batches():
                table = pa.Table.from_batches([rows])
                yield to_items(table), to_vectors(table)

    def count(self, where: Where | None = None) -> int:
        with self._folder.errors():
            dataset = self._table.current()
            if dataset is None:
                return 0
            return int(dataset.count_rows(filter=where_sql(where) if where is not None else None))

    def maintain(self) -> None:
        with self._folder.errors():
            self._keeper.maintain(self._table)

    def close(self) -> None:
        """Lets go of the open version; the store opens again when it is used again."""
        with self._lock:
            self._opened = None

    def _stored_dim(self) -> int | None:
        from bouba.stores.lance.records import dim_of

        with self._folder.errors():
            dataset = self._table.current() if self._dim is None else None
        return self._dim if dataset is None else dim_of(dataset.schema)

    def _by_id(self, ids: Sequence[str], columns: list[str] | None = None) -> Iterator[pa.Table]:
        """With these columns, or with all that items and vectors are read from."""
        from bouba.stores.lance.records import item_columns

        dataset = self._table.current()
        if dataset is None:
            return
        columns = columns or [*item_columns(dataset.schema), "vector"]
        distinct = list(dict.fromkeys(ids))
        for start in range(0, len(distinct), IDS_AT_ONCE):
            condition = ids_sql(distinct[start : start + IDS_AT_ONCE])
            yield dataset.to_table(columns=columns, filter=condition)
