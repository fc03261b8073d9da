"""One copy from beginning to end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.copying.checksum import Held, Tallies
from bouba.copying.ends import Destination, Source
from bouba.copying.parquet import ParquetDestination, ParquetSource, is_parquet
from bouba.copying.stored import StoreDestination, StoreSource
from bouba.copying.verify import verify
from bouba.errors import StoreError
from bouba.gallery import Gallery
from bouba.stores.place import Place

if TYPE_CHECKING:
    Progress = Callable[[str, int, int], None]  # "copied" or "verified", items of which that is so, and all


@dataclass(slots=True)
class CopyReport:
    """What became of a gallery's items: `copied` and `skipped` add up to `items`."""

    source: str
    destination: str
    items: int = 0
    copied: int = 0  # by this run
    skipped: int = 0  # there already, bit for bit
    removed: int = 0  # copied by a run that was stopped, and no longer in the source
    verified: int = 0  # read back from the destination
    thumbnails: int = 0  # that came along with what was copied
    files: int = 0  # so many files are known there, and need not be hashed again
    checksum: str = ""  # of all items: the sum of their digests
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": round(self.seconds, 3), "rate": round(self.rate, 1)}


def copy(
    source: Gallery | str | Path,
    destination: Gallery | str | Path,
    progress: Progress = lambda stage, done, total: None,
) -> CopyReport:
    """Copy a gallery: items, attributes, vectors, concepts, thumbnails, and which files are known.

    Both are places as `bouba.open` takes them, open galleries, or Parquet (`*.parquet`: as a destination a folder of
    files, as a source also one file of `bouba export`). The destination is new, or what a stopped copy of the same
    source left; then what is there is not written again. Every item is read back from the destination and compared with
    what was read from the source. Until that is done the destination cannot be opened.

    What is copied is the gallery as it was when its scan began. Memory does not grow with the gallery, but by 8 bytes
    for each item that a stopped copy left. Raises GalleryMissing, GalleryBroken (the source is damaged, or the
    destination is not what was copied), StoreError (the destination holds something else, or does not keep 32-bit
    vectors), StoreUnavailable."""
    started = time.monotonic()
    _check_apart(source, destination)
    with closing(_source(source)) as origin, closing(_destination(destination)) as target:
        run = _Copy(origin, target, progress)
        run.begin()
        run.write()
        run.finish()
    run.report.seconds = time.monotonic() - started
    return run.report


def _check_apart(source: Gallery | str | Path, destination: Gallery | str | Path) -> None:
    places = [Place.of(at.uri if isinstance(at, Gallery) else at) for at in (source, destination)]
    folders = [place.folder and place.folder.resolve() for place in places]
    if source is destination or (folders[0] is not None and folders[0] == folders[1]):
        raise StoreError(f"{places[0].uri} would be copied onto itself. Name another place.")


def _source(at: Gallery | str | Path) -> Source:
    if isinstance(at, Gallery) or not is_parquet(at):
        return StoreSource(at)
    return ParquetSource(Path(Place.of(at).rest))


def _destination(at: Gallery | str | Path) -> Destination:
    if isinstance(at, Gallery) or not is_parquet(at):
        return StoreDestination(at)
    return ParquetDestination(Path(Place.of(at).rest))


class _Copy:
    def __init__(self, source: Source, destination: Destination, progress: Progress) -> None:
        self.source, self.destination, self.progress = source, destination, progress
        self.report = CopyReport(source.uri, destination.uri)
        self._meta: Mapping[str, Any] = {}
        self._held = Held(())
        self._tallies = Tallies()

    def begin(self) -> None:
        """Mark the destination as an unfinished copy of this source, and see what it has already."""
        self._meta = self.source.meta()
        mark = {"source": self.source.uri, "created": self._meta.get("created"), "model": self._meta["model"]}
        there = self.destination.read_meta()
        if there is not None:
            self._check_stopped(there, mark)
        elif count := self.destination.count():
            raise StoreError(f"{self.destination.uri} holds {count:,} items of something else. Copy to a new place.")
        self.destination.begin({**self._meta, "copying": {**mark, "run": uuid.uuid4().hex}}, self.source.shape())
        if there is not None:
            self._held = Held(batch.digests for batch in self.destination.scan())

    def _check_stopped(self, there: Mapping[str, Any], mark: Mapping[str, Any]) -> None:
        uri, begun = self.destination.uri, there.get("copying")
        if begun is None:
            model = there.get("model") or {}
            raise StoreError(
                f"{uri} holds a gallery already, of {model.get('name')} {model.get('version')}; two are never mixed. "
                "Copy to a new place, or remove that one first."
            )
        for name, told in (("source", "of"), ("created", "of an earlier gallery at"), ("model", "of another model's")):
            if begun.get(name) != mark[name]:
                raise StoreError(
                    f"{uri} is an unfinished copy {told} {begun.get('source')}. Finish that one (bouba copy "
                    f"{begun.get('source')} {uri}), remove {uri}, or copy to a new place."
                )

    def write(self) -> None:
        report, total = self.report, max(self.source.count(), 1)
        safe = 0
        for batch in self.source.scan(extras=True):
            self._tallies.add(batch.items, batch.digests)
            there = self._held.meet(batch.digests)
            new = batch.only(~there) if there.any() else batch
            report.items += len(batch.items)
            report.skipped += int(there.sum())
            report.copied += len(new.items)
            report.thumbnails += len(new.thumbnails)
            report.files += len(new.files)
            if new.items:
                safe += self.destination.write(new)
            self.progress("copied", report.skipped + safe, max(total, report.items))
        safe += self.destination.settle()
        self.progress("copied", report.skipped + safe, report.items)
        if len(stale := self._held.stale):
            report.removed = self.destination.drop(stale)

    def finish(self) -> None:
        read = Tallies()
        for batch in self.destination.scan():
            read.add(batch.items, batch.digests)
            self.report.verified += len(batch.items)
            self.progress("verified", self.report.verified, max(self.report.items, self.report.verified))
        verify(self.source, self.destination, self._tallies, read)
        self.report.checksum = read.whole.checksum
        if (now := self.source.count()) != self.report.items:
            self.report.notes.append(
                f"The source was changed meanwhile and has {now:,} items now; copied is what it was at the beginning."
            )
        self.destination.finish(self._meta)
