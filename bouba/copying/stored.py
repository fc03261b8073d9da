"""A gallery in a store as what is copied: the store, and the ledger beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.copying.ends import SCAN_ROWS, Batch, Shape, check_mine
from bouba.errors import GalleryMissing, ModelError, ModelMismatch, StoreError
from bouba.gallery import Gallery, parts
from bouba.origin import check_model, made_by, marks, own_model
from bouba.rows import Rows
from bouba.stores import open_store

if TYPE_CHECKING:
    from bouba.copying.checksum import Digests
    from bouba.types import Item, Vectors

COMMIT_ROWS = 16_384  # so many to a Lance file need no merging afterwards
COMMIT_BYTES = 32 << 20  # of rows
DELETE_AT_ONCE = 1000


class StoreSource:
    def __init__(self, at: Gallery | str | Path) -> None:
        self._place, self._store, self._ledger = parts(at)
        self._gallery = at if isinstance(at, Gallery) else None
        self.uri = self._place.uri

    def meta(self) -> dict[str, Any]:
        meta = self._store.read_meta()
        if meta is None:
            raise GalleryMissing(f"There is no gallery at {self.uri}: nothing to copy.")
        made_by(self.uri, meta)
        return meta

    def shape(self) -> Shape:
        length = self._store.get([])[1].shape[1]
        return Shape(dict(self._store.fields()), length, self._dim(length))

    def _dim(self, length: int) -> int:
        """Of the vectors, where the model that made them is still to be found."""
        meta = self._store.read_meta()
        if meta is None:
            return self._gallery.model.dim if self._gallery else length
        try:
            model = self._gallery.model if self._gallery else own_model(self.uri, meta)
            check_model(self.uri, meta, model)
        except ModelError:
            return length
        return model.dim if Rows.of(meta, model).length == length else length

    def count(self) -> int:
        return self._store.count()

    def scan(self, extras: bool = False) -> Iterator[Batch]:
        extras = extras and self._has_ledger()
        for items, rows in self._store.scan(batch=SCAN_ROWS):
            yield self._with_extras(items, rows) if extras else Batch(items, rows)

    def _has_ledger(self) -> bool:
        folder = self._place.folder
        return folder is None or (folder / "ledger.sqlite").exists()

    def _with_extras(self, items: list[Item], rows: Vectors) -> Batch:
        ids = [item.id for item in items]
        thumbnails = {id: jpeg for id in ids if (jpeg := self._ledger.thumbnail(id)) is not None}
        return Batch(items, rows, thumbnails, self._ledger.files_of(ids))

    def close(self) -> None:
        if self._gallery is None:
            self._store.close()
            self._ledger.close()


class StoreDestination:
    def __init__(self, at: Gallery | str | Path) -> None:
        self._place, self._store, self._ledger = parts(at)
        self._gallery = at if isinstance(at, Gallery) else None
        self.uri = self._place.uri
        if self._gallery is None and self._place.scheme == "memory":
            raise StoreError(f"{self.uri} would end with the copying. From Python, copy into an open gallery of it.")
        self._meta: Mapping[str, Any] = {}
        self._items: list[Item] = []
        self._rows: list[Vectors] = []
        self._proved = False

    def read_meta(self) -> dict[str, Any] | None:
        return self._store.read_meta()

    def begin(self, meta: Mapping[str, Any], shape: Shape) -> None:
        if self._gallery is None:
            self._store.close()
            self._store = open_store(self._place, shape.length)
        else:
            _check_opened(self._gallery, meta)
        self._store.write_meta(meta)
        self._meta = meta

    def count(self) -> int:
        try:
            return self._store.count()
        except GalleryMissing:
            return 0

    def write(self, batch: Batch) -> int:
        # The ledger first: an item that is in the store is not looked at again by the run that goes on after a kill.
        if batch.files or batch.thumbnails:
            self._ledger.record(batch.files, batch.thumbnails.items())
        self._items += batch.items
        self._rows.append(batch.rows)
        full = len(self._items) >= COMMIT_ROWS or sum(rows.nbytes for rows in self._rows) >= COMMIT_BYTES
        return self._commit() if full else 0

    def settle(self) -> int:
        count = self._commit()
        self._store.maintain()
        return count

    def _commit(self) -> int:
        items, rows, self._items, self._rows = self._items, self._rows, [], []
        if not items:
            return 0
        self._check_mine()
        self._store.upsert(items, np.concatenate(rows))
        if not self._proved:
            self._prove(items[0], rows[0][0])
            self._proved = True
        return len(items)

    def _check_mine(self) -> None:
        check_mine(self.uri, self._store.read_meta(), self._meta)

    def _prove(self, item: Item, row: Vectors) -> None:
        """A store that rounds is noticed now, not after hours."""
        _, kept = self._store.get([item.id])
        if len(kept) and kept[0].tobytes() != row.tobytes():
            off = np.abs(kept[0] - row).max()
            raise StoreError(
                f"{self.uri} does not keep vectors as they are (off by up to {off:.1e}): no copy into it is exact. "
                "Copy to a place that keeps 32 bits a number."
            )

    def scan(self) -> Iterator[Batch]:
        for items, rows in self._store.scan(batch=SCAN_ROWS):
            yield Batch(items, rows)

    def drop(self, stale: Digests) -> int:
        gone: list[str] = []
        for batch in self.scan():
            old = np.isin(batch.digests, stale)
            gone += [item.id for item, is_old in zip(batch.items, old, strict=True) if is_old]
        self._check_mine()
        for start in range(0, len(gone), DELETE_AT_ONCE):
            self._store.delete(gone[start : start + DELETE_AT_ONCE])
            self._ledger.forget_items(gone[start : start + DELETE_AT_ONCE])
        return len(gone)

    def finish(self, meta: Mapping[str, Any]) -> None:
        def finished(there: dict[str, Any]) -> Mapping[str, Any]:
            check_mine(self.uri, there, self._meta)
            return meta

        self._store.update_meta(finished)

    def close(self) -> None:
        if self._gallery is None:
            self._store.close()
            self._ledger.close()


def _check_opened(gallery: Gallery, meta: Mapping[str, Any]) -> None:
    """An open gallery has a model, and its rows a form, already."""
    finished = {name: value for name, value in meta.items() if name != "copying"}
    check_model(gallery.uri, finished, gallery.model)
    opened = marks(gallery.model)
    if any(meta.get(name) != opened.get(name) for name in ("dims", "hubs")):
        raise ModelMismatch(
            f"{gallery.uri} is open for rows of another form than those copied: with other dimensions, of a model that "
            "was calibrated anew, or of bouba 1.0. Copy to a place that is not open."
        )
