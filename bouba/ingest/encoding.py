"""Entries -> vectors in another process: read, hash, decode, encode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bouba.errors import BoubaError, ModelMismatch
from bouba.ingest.ahead import Read
from bouba.ingest.entries import Entry
from bouba.ingest.reading import Prepared, Reader, Seen
from bouba.ingest.report import Failure
from bouba.media import read_source
from bouba.media.blob import is_remote
from bouba.stores.ledger import Ledger

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.types import ImageSource


@dataclass(frozen=True, slots=True)
class Setup:
    """What another process needs to be of use; it may be pickled."""

    model: Callable[[], Model]
    fingerprint: str
    ledger: Path | None  # None where it cannot be read from there
    fetch: bool


def checked_model(setup: Setup) -> Model:
    """Raises ModelMismatch where another model than the gallery's is found."""
    model = setup.model()
    if model.fingerprint != setup.fingerprint:
        raise ModelMismatch(
            f"A worker has another model ({model.fingerprint} at {model.folder}) than the gallery "
            f"({setup.fingerprint}). Give all machines the same model folder."
        )
    return model


class Encoder:
    """Reads and encodes entries. What the ledger knows already is not decoded; what else the gallery holds is known
    only to the process that writes."""

    def __init__(self, setup: Setup) -> None:
        self._model = checked_model(setup)
        self._reader = Reader(self._model, Ledger(setup.ledger), setup.fetch)

    def encode(self, entries: Sequence[Entry]) -> list[Read]:
        """One for each entry, without the bytes that came with it."""
        reads: list[Read] = [self._reader.read(entry) for entry in entries]
        self._reader.release(read.file.id for read in reads if isinstance(read, Prepared | Seen))
        return [
            replace(read, entry=replace(read.entry, source=b"")) if isinstance(read, Seen) else read
            for read in encoded(self._model, reads)
        ]


def encoded(model: Model, reads: Sequence[Read]) -> list[Read]:
    """With vectors in the place of decoded pictures."""
    raw = [read.pixels for read in reads if isinstance(read, Prepared) and read.pixels is not None]
    vectors = iter(model.encode_pixels(raw) if raw else ())
    return [read.encoded(next(vectors)) if isinstance(read, Prepared) else read for read in reads]


def joined(read: Read, entry: Entry, reader: Reader) -> Read:
    """What another process made of an entry, as if it had been read by this one."""
    if isinstance(read, Seen):
        return replace(read, entry=entry)
    if isinstance(read, Prepared):
        return replace(read, entry=replace(entry, source=b"")) if reader.claim(read.item.id) else Seen(entry, read.file)
    return read


def light(entry: Entry | Failure) -> Entry | Failure:
    """Without bytes that are held in memory; a path of this machine still leads to them."""
    if isinstance(entry, Failure) or not entry.held_bytes:
        return entry
    return replace(entry, source=b"" if is_remote(entry.path) else entry.path or b"")


def portable(entry: Entry) -> Entry:
    """With the bytes of a file object, which no other process could read; what is wrong with it, the worker says."""
    if not hasattr(entry.source, "read"):
        return entry
    try:
        return replace(entry, source=read_source(cast("ImageSource", entry.source)))
    except BoubaError:
        return replace(entry, source=b"")
