"""One entry -> its content hash and, if the picture is new, all that is kept of it. Runs in worker threads."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from PIL.Image import Image

from bouba.errors import BoubaError
from bouba.ingest.entries import Entry
from bouba.ingest.report import Failure
from bouba.media import THUMBNAIL_SIDE, Picture, decode_image, load_image, perceptual_hash, read_source, thumbnail
from bouba.media.blob import Part, State, Whole
from bouba.media.packed import container_of
from bouba.stores.ledger import FileRow, Ledger
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.types import Pixels, Vectors


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture that the gallery, or an earlier entry of this run, has already."""

    entry: Entry
    file: FileRow
    earlier: bool = False  # than the entry that the picture was read for: threads do not read in the entries' order


@dataclass(frozen=True, slots=True)
class Prepared:
    """A new picture, ready to be encoded, or encoded already."""

    entry: Entry
    file: FileRow
    item: Item
    thumbnail: bytes
    pixels: Pixels | None
    vector: Vectors | None = None  # [dim]

    def encoded(self, vector: Vectors) -> Prepared:
        """With its vector, and without what is no longer needed."""
        return replace(self, entry=replace(self.entry, source=b""), pixels=None, vector=vector)


class Reader:
    """Reads entries from several threads; each distinct picture is decoded once."""

    def __init__(self, model: Model, ledger: Ledger, fetch: bool) -> None:
        self._model = model
        self._ledger = ledger
        self._fetch = fetch
        self._claimed: set[str] = set()
        self._lock = threading.Lock()

    def read(self, entry: Entry, force: bool = False) -> Prepared | Seen | Failure:
        """`force`: decode even a picture that was seen before."""
        try:
            return self._read(entry, force)
        except BoubaError as error:
            return Failure.of(entry.name, error, entry.within)

    def _read(self, entry: Entry, force: bool) -> Prepared | Seen:
        size, mtime_ns = entry.state or file_state(entry.path)
        content = _content(entry, self._fetch)
        file = FileRow(entry.path, size, mtime_ns, content_id(content.data))
        if not self.claim(file.id) and not force:
            return Seen(entry, file)
        try:
            return self._prepared(entry, file, content)
        except BoubaError:
            self.release([file.id])
            raise

    def _prepared(self, entry: Entry, file: FileRow, content: _Content) -> Prepared:
        picture = content.decoded(max(self._model.manifest.image.size, THUMBNAIL_SIDE))
        item = Item(
            id=file.id,
            path=entry.path,
            width=picture.width,
            height=picture.height,
            bytes=picture.bytes,
            media_type=picture.media_type,
            taken=picture.taken or (_modified(file.mtime_ns) if entry.state is None else None),
            phash=perceptual_hash(picture.rgb),
            attributes=entry.attributes or {},
        )
        return Prepared(entry, file, item, thumbnail(picture.rgb), self._model.prepare_image(picture.rgb))

    def release(self, ids: Iterable[str]) -> None:
        """Pictures that the ledger knows by now, or that turned out to be none."""
        with self._lock:
            self._claimed.difference_update(ids)

    def claim(self, item_id: str) -> bool:
        """Whether a picture is new to this run and to the ledger; from now on it is not."""
        with self._lock:
            if item_id in self._claimed:
                return False
            self._claimed.add(item_id)
        return not self._ledger.has_id(item_id)


def content_id(data: bytes) -> str:
    """128 bits of SHA-256 as 32 hex digits."""
    return hashlib.sha256(data).hexdigest()[:32]


def file_state(path: str) -> State:
    """Size in bytes and modification time in nanoseconds, of a tar or Parquet file for what lies in it; (-1, 0) for an
    address or no path."""
    if not path or "://" in path:
        return -1, 0
    try:
        stat = os.stat(path)
    except NotADirectoryError:
        return file_state(container_of(path) or "")
    except (OSError, ValueError):
        return -1, 0  # reading it will say what is wrong
    return stat.st_size, stat.st_mtime_ns


@dataclass(frozen=True, slots=True)
class _Content:
    """What decides the id, and how to get a picture of it."""

    data: bytes
    decoded: Callable[[int], Picture]  # shortest side in pixels that is of use -> picture


def _content(entry: Entry, fetch: bool) -> _Content:
    source = entry.source
    if isinstance(source, Image):
        picture = load_image(source)
        return _Content(f"{picture.rgb.size}".encode() + picture.rgb.tobytes(), lambda side: picture)
    data = source.load(entry.name) if isinstance(source, Part | Whole) else read_source(source, fetch=fetch)
    return _Content(data, lambda side: decode_image(data, side=side))


def _modified(mtime_ns: int) -> datetime | None:
    return datetime.fromtimestamp(mtime_ns // 1_000_000_000) if mtime_ns else None
