"""The next generation of a gallery: a second table in its folder, which `next.json` describes until it is the gallery.

The switch is the renaming of `next.json` to `gallery.json`, which names table and model together. Only the process
that holds the `migrate` lock writes here, so that filling it waits for nobody.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from bouba.stores.batch import checked_batch
from bouba.stores.lance.changes import delete_rows, merge_rows
from bouba.stores.lance.folder import GALLERY, NEXT, GalleryFolder, table_name, table_number
from bouba.stores.lance.records import columns_for, dim_of, fields_of, item_columns, to_items, to_vectors
from bouba.stores.lance.sql import ids_sql
from bouba.stores.lance.table import LanceTable
from bouba.stores.lance.upkeep import tend

if TYPE_CHECKING:
    import lance

    from bouba.types import Item, Vectors

COPY_ROWS = 500


class LanceShadow:
    def __init__(self, folder: GalleryFolder, source: LanceTable, dim: int | None) -> None:
        self._gallery, self._source, self._dim = folder, source, dim
        self._folder = GalleryFolder(folder.path, NEXT, table_name(table_number(folder.table.name) + 1))
        self._table = LanceTable(self._folder, dim)
        self._copied = -1  # the youngest fragment of the source whose items are known to be here as they are there

    def read_meta(self) -> dict[str, Any] | None:
        return self._folder.read_meta()

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        with self._folder.errors():
            if self._folder.read_meta() is None:
                self._remove_table()
                self._table = LanceTable(self._folder, self._dim)
                self._table.create()
            self._folder.describe(meta)

    def sync(self) -> list[str]:
        with self._folder.errors():
            source, mine = self._source.current(at_once=True), self._table.current(at_once=True)
            if source is None or mine is None:
                return []
            wanted, there = _ids(source), _ids(mine)
            gone = there.filter(pc.invert(pc.is_in(there, wanted))).to_pylist()
            if gone:
                self._table.commit(lambda dataset: delete_rows(dataset, gone))
            held = fields_of(mine.schema)
            if fresh := {name: kind for name, kind in fields_of(source.schema).items() if name not in held}:
                self._table.commit(lambda dataset: dataset.add_columns(columns_for(fresh)))
            if len(there):
                self._copy_changes(source)
            self._copied = max((f.fragment_id for f in source.get_fragments()), default=-1)
            missing: list[str] = wanted.filter(pc.invert(pc.is_in(wanted, there))).to_pylist()
            return missing

    def _copy_changes(self, source: lance.LanceDataset) -> None:
        """A row that changes moves to a new fragment, and fragments are numbered in the order of their making."""
        fresh = [fragment for fragment in source.get_fragments() if fragment.fragment_id > self._copied]
        scanner = source.scanner(columns=item_columns(source.schema), fragments=fresh, batch_size=COPY_ROWS)
        for rows in scanner.to_batches() if fresh else ():
            theirs = {item.id: item for item in to_items(pa.Table.from_batches([rows]))}
            dataset = self._table.current()
            if theirs and dataset is not None:
                mine = dataset.to_table(columns=[*item_columns(dataset.schema), "vector"], filter=ids_sql(list(theirs)))
                old = to_items(mine)
                changed = [n for n, item in enumerate(old) if item != theirs[item.id]]
                self.put([theirs[old[n].id] for n in changed], to_vectors(mine)[changed])

    def put(self, items: Sequence[Item], vectors: Vectors) -> None:
        with self._folder.errors():
            dataset = self._table.current()
            settled, matrix = checked_batch(items, vectors, dim_of(dataset.schema) if dataset else self._dim)
            if settled:
                self._table.commit(lambda dataset: merge_rows(dataset, settled, matrix))

    def maintain(self) -> None:
        with self._folder.errors():
            tend(self._table)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            with self._folder.errors():
                stack.enter_context(self._gallery.lock("write"))
            yield

    def promote(self) -> None:
        description = self._folder.path / NEXT
        with self._folder.errors():
            os.utime(description)  # from now on readers of the old generation have their time to finish
            description.replace(self._folder.path / GALLERY)

    def drop(self) -> bool:
        description = self._folder.path / NEXT
        with self._folder.errors():
            begun = description.exists()
            description.unlink(missing_ok=True)
            self._remove_table()
        return begun

    def _remove_table(self) -> None:
        """Also one that a killed process had just begun, or not quite removed."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder.table)


def _ids(dataset: lance.LanceDataset) -> pa.ChunkedArray:
    return dataset.to_table(columns=["id"])["id"]
