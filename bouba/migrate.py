"""A gallery goes over to another model: its pictures are encoded anew, then model and vectors switch in one step.

Until the switch the gallery is searched and added to as before. A migration that was stopped or killed goes on where
it was; what is done stays in the gallery's folder until it is finished or cancelled."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.encoders import Model, load_model
from bouba.errors import GalleryMissing, MediaError, MediaMissing, ModelMismatch
from bouba.gallery import Gallery, parts
from bouba.ingest import Failure
from bouba.ingest.reading import content_id
from bouba.ingest.sources import is_url
from bouba.media import THUMBNAIL_SIDE, decode_image, read_source
from bouba.origin import kept, made_by, marks
from bouba.rows import Rows

if TYPE_CHECKING:
    from bouba.stores import Shadow, Store
    from bouba.stores.ledger import Ledger
    from bouba.types import Item, Pixels, Vectors

    Progress = Callable[[int, int], None]  # items that are safely encoded, and all

ENCODE_BATCH = 64  # pictures
COMMIT_ROWS = 512
COMMIT_S = 4.0  # as often as when adding, so that as little is repeated after a kill
MAINTAIN_COMMITS = 30
LAST_ROWS = 64  # with no more than so many left to do, whoever writes to the gallery is asked to wait


@dataclass(slots=True)
class MigrationReport:
    """What became of a gallery's items. `originals` and `earlier` add up to what was encoded, thumbnails included."""

    model: str  # name and version of the new model
    items: int = 0  # in the gallery at the end
    encoded: int = 0  # by this run
    earlier: int = 0  # by runs that were stopped
    thumbnails: int = 0  # of all these: from the stored 256 px picture, as no file with the original was found
    failures: list[Failure] = field(default_factory=list)  # items with neither
    switched: bool = False  # the gallery has the new model, and the items of `failures` are gone
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        counts = ("model", "switched", "items", "encoded", "earlier", "thumbnails")
        return {
            **{name: getattr(self, name) for name in counts},
            "missing": len(self.failures),
            "seconds": round(self.seconds, 3),
            "failures": [failure.to_dict() for failure in self.failures],
        }


def migrate(
    gallery: Gallery | str | Path,
    model: Model | str | Path,
    *,
    drop_missing: bool = False,
    progress: Progress = lambda done, total: None,
) -> MigrationReport:
    """Encode every item of a gallery with another model, then switch to it; ids, attributes and paths stay.

    A picture is read from its file while that still holds the same content, else from the thumbnail in the gallery,
    which is counted. If an item has neither, nothing is switched unless `drop_missing`. A gallery of this model
    already is left alone. The gallery's old model is not needed. `progress` is called with the number of items that
    are safely encoded and the number of all.

    Raises GalleryMissing, ModelMissing, ModelBroken, ModelMismatch if a migration to a third model is half done,
    and StoreUnavailable if one is under way."""
    started = time.monotonic()
    place, store, ledger = parts(gallery)
    with nullcontext() if isinstance(gallery, Gallery) else closing(ledger):
        meta = store.read_meta()
        if meta is None:
            raise GalleryMissing(f"There is no gallery at {place.uri}: nothing to migrate.")
        model = kept(model if isinstance(model, Model) else load_model(model), meta)
        if made_by(place.uri, meta)["fingerprint"] == model.fingerprint:
            report = MigrationReport(f"{model.name} {model.version}", store.count(), switched=True)
        else:
            _try_out(model)
            with store.shadow(Rows.of(None, model).length) as shadow:
                run = _Migration(place.uri, store, ledger, model, shadow, progress)
                run.begin({**meta, **marks(model)})
                run.finish(drop_missing)
                report = run.report
    parts(gallery)  # a Gallery that was given here takes up the new generation now, not at its next search
    report.seconds = time.monotonic() - started
    return report


def cancel(gallery: Gallery | str | Path) -> bool:
    """Drop what a stopped migration has made; False if there was none.

    Raises GalleryMissing, and StoreUnavailable if the migration is running."""
    place, store, _ = parts(gallery)
    if store.read_meta() is None:
        raise GalleryMissing(f"There is no gallery at {place.uri}: nothing to cancel.")
    with store.shadow() as shadow:
        return shadow.drop()


def _try_out(model: Model) -> None:
    """A tower that cannot run is noticed now, not at the first search after the switch."""
    size = model.manifest.image.size
    model.encode_pixels([np.zeros((size, size, 3), np.uint8)])
    model.encode_text(["a picture"])


@dataclass(frozen=True, slots=True)
class _Read:
    item: Item
    pixels: Pixels
    thumbnail: bool  # not from the original


@dataclass(frozen=True, slots=True)
class _Lost:
    item: Item
    failure: Failure


class _Migration:
    """One run: what is encoded and waits for its commit, and the report so far."""

    def __init__(
        self, uri: str, store: Store, ledger: Ledger, model: Model, shadow: Shadow, progress: Progress
    ) -> None:
        self.uri, self.store, self.ledger, self.model = uri, store, ledger, model
        self.shadow, self.progress = shadow, progress
        self.report = MigrationReport(f"{model.name} {model.version}")
        self._rows = Rows.of(None, model)
        self._meta: Mapping[str, Any] = {}
        self._missing: frozenset[str] = frozenset()  # what had no vector when it was last looked
        self._lost: dict[str, Failure] = {}
        self._waiting: list[tuple[_Read, Vectors]] = []
        self._last_commit = 0.0
        self._commits = 0

    def begin(self, meta: Mapping[str, Any]) -> None:
        """Take up what earlier runs left, or start; `meta` is what the gallery will remember after the switch."""
        self._meta = meta
        begun = self.shadow.read_meta()
        if begun is not None:
            maker = made_by(self.uri, begun)
            if maker["fingerprint"] != self.model.fingerprint:
                raise ModelMismatch(
                    f"A migration of {self.uri} to {maker['name']} {maker['version']} is half done. Finish it: "
                    f"bouba migrate {self.uri} --model {maker['source']}, or drop it: bouba migrate {self.uri} --cancel"
                )
            self._todo()
            notes = begun["migration"]
            there = [id for id in notes["coming"] if id not in self._missing]
            self.report.earlier = self.store.count() - len(self._missing)
            self.report.thumbnails = notes["thumbnails"] + len(there)
        self._note([])

    def finish(self, drop_missing: bool) -> None:
        """Encode until little is left, then keep writers waiting for the rest and the switch."""
        todo = self._todo()
        while todo:
            self._encode(todo)
            todo = self._todo()
            if len(todo) <= LAST_ROWS:
                break
        self.shadow.maintain()
        with self.shadow.exclusive():
            self._encode(self._todo())
            lost = [id for id in self._lost if id in self._missing]
            self.report.failures = [self._lost[id] for id in lost]
            self.report.items = self.store.count()
            if lost and not drop_missing:
                return
            # As it is described now: somebody may have saved a concept meanwhile.
            self.shadow.write_meta({**(self.store.read_meta() or {}), **marks(self.model)})
            self.shadow.promote()
        self.report.switched = True
        self.report.items -= len(lost)
        self.ledger.forget_items(lost)

    def _todo(self) -> list[str]:
        missing = self.shadow.sync()
        self._missing = frozenset(missing)
        return [id for id in missing if id not in self._lost]

    def _encode(self, ids: Sequence[str]) -> None:
        self._last_commit = time.monotonic()
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1), "bouba-read") as pool:
            try:
                for reads in self._ahead(pool, ids):
                    self._take(reads)
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                self._commit()
                raise
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        self._commit()

    def _ahead(self, pool: ThreadPoolExecutor, ids: Sequence[str]) -> Iterator[list[_Read | _Lost]]:
        """Batch by batch; the next one is read while the one before is encoded."""
        waiting: list[Future[_Read | _Lost]] = []
        for start in range(0, len(ids), ENCODE_BATCH):
            items, _ = self.store.get(ids[start : start + ENCODE_BATCH])
            coming = [pool.submit(self._read, item) for item in items]
            yield [read.result() for read in waiting]
            waiting = coming
        yield [read.result() for read in waiting]

    def _take(self, reads: Sequence[_Read | _Lost]) -> None:
        good = [read for read in reads if isinstance(read, _Read)]
        self._lost |= {read.item.id: read.failure for read in reads if isinstance(read, _Lost)}
        self._waiting += zip(good, self.model.encode_pixels([read.pixels for read in good]), strict=True)
        if len(self._waiting) >= COMMIT_ROWS or time.monotonic() - self._last_commit > COMMIT_S:
            self._commit()

    def _commit(self) -> None:
        done, self._waiting = self._waiting, []
        self._last_commit = time.monotonic()
        if not done:
            return
        thumbnails = [read.item.id for read, _ in done if read.thumbnail]
        if thumbnails:
            self._note(thumbnails)
        self.shadow.put([read.item for read, _ in done], self._rows.pack(np.stack([vector for _, vector in done])))
        self.report.thumbnails += len(thumbnails)
        self.report.encoded += len(done)
        self._commits += 1
        if self._commits % MAINTAIN_COMMITS == 0:
            self.shadow.maintain()
        safe = self.report.earlier + self.report.encoded
        self.progress(safe, max(safe, self.store.count()))

    def _note(self, coming: Sequence[str]) -> None:
        """How many vectors are of thumbnails, and which will be added now: a run that takes over after a kill looks
        which of them got there."""
        notes = {"thumbnails": self.report.thumbnails, "coming": list(coming)}
        self.shadow.write_meta({**self._meta, "migration": notes})

    def _read(self, item: Item) -> _Read | _Lost:
        """In a worker thread. The picture is decoded as when it is added, so that its vector is the same."""
        for path in self._paths(item):
            try:
                data = read_source(path)
                if content_id(data) == item.id:
                    return _Read(item, self._pixels(data), thumbnail=False)
            except MediaError:
                continue
        try:
            return _Read(item, self._pixels(self.ledger.thumbnail(item.id) or b""), thumbnail=True)
        except MediaError:
            name = item.path or item.id
            gone = MediaMissing(f"{name}: no file with this picture is left, and no thumbnail of it is kept.")
            return _Lost(item, Failure.of(name, gone))

    def _paths(self, item: Item) -> Iterator[str]:
        """Files that should hold the picture; what a URL gives today may be another one."""
        if item.path and not is_url(item.path):
            yield item.path
        yield from (row.path for row in self.ledger.files_of([item.id]) if row.path != item.path and row.size >= 0)

    def _pixels(self, data: bytes) -> Pixels:
        side = max(self.model.manifest.image.size, THUMBNAIL_SIDE)
        return self.model.prepare_image(decode_image(data, side=side).rgb)
