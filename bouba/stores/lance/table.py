"""One Lance table that several threads and processes read and write at once.

Readers work on snapshots: a dataset object here stands for one version and is never changed after it is published,
so a reader needs no lock. Writers, in whatever process, take turns by a lock on the folder: without it two
merges that insert the same new id would both commit. Maintenance does not take turns with them; a commit
that loses against it is tried again on the newest version.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar

os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")  # without it the engine warns on standard error

import lance
import pyarrow as pa

from bouba.errors import GalleryBroken, GalleryMissing, StoreError
from bouba.stores.lance.folder import GalleryFolder
from bouba.stores.lance.records import dim_of, new_schema
from bouba.stores.lance.settings import DEFAULT, Settings

REFRESH_S = 0.25  # another process's write is seen at most this much later
_ATTEMPTS = 6

T = TypeVar("T")


class LanceTable:
    def __init__(self, folder: GalleryFolder, dim: int | None, settings: Settings = DEFAULT) -> None:
        self._folder, self._dim = folder, dim
        self._caches = settings.caches()
        self._mutex = threading.Lock()
        self._snapshot: lance.LanceDataset | None = None
        self._refreshed = 0.0

    def current(self, at_once: bool = False) -> lance.LanceDataset | None:
        """The newest version, at most REFRESH_S old unless `at_once`; None before anything was written.

        Raises GalleryMissing where there is nothing and none was to be made."""
        dataset = self._latest(at_once)
        if dataset is None and self._dim is None:
            raise GalleryMissing(f"{self._folder.path} holds no gallery. Add pictures to it first.")
        return dataset

    def _latest(self, at_once: bool) -> lance.LanceDataset | None:
        with self._mutex:
            if self._snapshot is None:
                self._snapshot, self._refreshed = self._open(), time.monotonic()
            elif at_once or time.monotonic() - self._refreshed > REFRESH_S:
                self._snapshot, self._refreshed = self._newest(self._snapshot), time.monotonic()
            return self._snapshot

    def create(self) -> None:
        """An empty table, if there is none."""
        with self._folder.lock("write"):
            self._folder.check_current()
            self._writable()

    def write(self, change: Callable[[lance.LanceDataset], T]) -> T:
        """`change` gets a dataset of its own to commit to; this process sees the result at once."""
        with self._folder.lock("write"):
            self._folder.check_current()
            return self.commit(change)

    def commit(self, change: Callable[[lance.LanceDataset], T]) -> T:
        """Like `write`, but without waiting for other writers; tried again when another commit came first."""
        for attempt in range(1, _ATTEMPTS + 1):
            dataset = self._writable()
            try:
                result = change(dataset)
            except (OSError, RuntimeError, ValueError) as problem:
                if attempt == _ATTEMPTS or "conflict" not in str(problem).lower():
                    raise
                time.sleep(0.05 * 2**attempt)
                continue
            self._publish(dataset)
            return result
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _publish(self, dataset: lance.LanceDataset) -> None:
        with self._mutex:
            if self._snapshot is None or dataset.version >= self._snapshot.version:
                self._snapshot, self._refreshed = dataset, time.monotonic()

    def _writable(self) -> lance.LanceDataset:
        known = self._latest(at_once=True)
        # A new handle on the same version, so that a commit never changes what readers hold.
        return known.checkout_version(known.version) if known is not None else self._create()

    def _create(self) -> lance.LanceDataset:
        if self._dim is None:
            raise StoreError(f"{self._folder.path}: a new gallery needs to know the length of its vectors (dim).")
        schema = new_schema(self._dim)
        lance.write_dataset(schema.empty_table(), str(self._folder.table), schema=schema, mode="create")
        return lance.dataset(str(self._folder.table), **self._caches)

    def _open(self) -> lance.LanceDataset | None:
        path = self._folder.table
        if not path.exists():
            if self._folder.read_meta() is not None:
                raise GalleryBroken(
                    f"{self._folder.path} is damaged: {path.name} is missing. "
                    "Restore it from a backup, or delete the folder and add the pictures again."
                )
            return None
        dataset = lance.dataset(str(path), **self._caches)
        self._check(dataset.schema)
        self._folder.sweep()
        return dataset

    def _check(self, schema: pa.Schema) -> None:
        held = dim_of(schema)
        if self._dim is not None and self._dim != held:
            raise StoreError(
                f"{self._folder.path} holds vectors of length {held}; it was opened for length {self._dim}. "
                "Open it with the model that filled it."
            )

    def _newest(self, dataset: lance.LanceDataset) -> lance.LanceDataset:
        if not self._folder.table.exists():
            self._folder.check_current()  # swept after a migration; else the engine will say what is wrong
        latest = dataset.latest_version
        return dataset if latest == dataset.version else dataset.checkout_version(latest)
