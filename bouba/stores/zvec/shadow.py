"""The next generation of a gallery: a second table in its folder, which `next.json` describes until it is the gallery.

The switch is the renaming of `next.json` to `gallery.json`, which names table and model together.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bouba.errors import GalleryBroken
from bouba.stores.batch import checked_batch
from bouba.stores.lance.folder import GALLERY, NEXT
from bouba.stores.zvec.folder import ZvecFolder, table_name, table_number
from bouba.stores.zvec.opened import Place, give_back, take
from bouba.stores.zvec.table import RECORDS, ZvecTable

if TYPE_CHECKING:
    from bouba.types import Item, Vectors

COPY_ROWS = 500


class ZvecShadow(contextlib.AbstractContextManager["ZvecShadow"]):
    """Holds its table open while it is entered."""

    def __init__(self, folder: ZvecFolder, source: ZvecTable, dim: int | None, memory_mb: int | None) -> None:
        self._gallery, self._source = folder, source
        self._dim, self._memory_mb = dim, memory_mb
        self._folder = ZvecFolder(folder.path, NEXT, table_name(table_number(folder.table.name) + 1))
        self._held: ZvecTable | None = None
        self._copied = 0  # the youngest row of the source that is known to be here as it is there

    def __exit__(self, *_: object) -> None:
        if self._held is not None:
            self._held = None
            give_back(Place.of(self._folder.table))

    def read_meta(self) -> dict[str, Any] | None:
        return self._folder.read_meta()

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        with self._folder.errors():
            if self._folder.read_meta() is None:
                self._remove_table()
                self._table(make=True)
            self._folder.describe(meta)

    def sync(self) -> list[str]:
        with self._folder.errors():
            if self._folder.read_meta() is None:
                return []
            mine = self._table()
            mine.take_fields(self._source.records.fields)
            with mine.beside(self._source.path / RECORDS) as both:
                gone = both.only_here()
            mine.delete(gone)
            while (page := self._next_page()) is not None:
                rows, items = page
                self._copy({item.id: item for item in items})
                self._copied = rows[-1]
            with mine.beside(self._source.path / RECORDS) as both:
                return both.only_there()

    def _next_page(self) -> tuple[list[int], list[Item]] | None:
        with self._source.reader() as theirs:
            page = next(theirs.after(self._copied, COPY_ROWS), None)
            return None if page is None else (page[0], page[1].items())

    def _copy(self, theirs: Mapping[str, Item]) -> None:
        """Items that are here with other values; a row that changes gets a new number."""
        mine = self._table()
        with mine.reader() as reader:
            rows = reader.by_id(list(theirs))
        items, vectors = rows.items(), rows.vectors(mine.records.dim)
        changed = [n for n, item in enumerate(items) if item != theirs[item.id]]
        if changed:
            mine.upsert([theirs[items[n].id] for n in changed], vectors[changed])

    def put(self, items: Sequence[Item], vectors: Vectors) -> None:
        with self._folder.errors():
            mine = self._table()
            settled, matrix = checked_batch(items, vectors, mine.records.dim)
            if settled:
                mine.upsert(settled, matrix)

    def maintain(self) -> None:
        with self._folder.errors():
            self._table().tend()

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

    def _table(self, make: bool = False) -> ZvecTable:
        if self._held is None:
            path = self._folder.table
            if not make and not path.exists():
                raise GalleryBroken(
                    f"{self._folder.path} is damaged: {path.name} is missing. Cancel the migration and begin it again."
                )
            self._held = take(Place.of(path), lambda: ZvecTable(path, self._dim if make else None, self._memory_mb))
        return self._held

    def _remove_table(self) -> None:
        """Also one that a killed process had just begun, or not quite removed."""
        self.__exit__()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder.table)
