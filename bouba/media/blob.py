"""A large file, here or elsewhere, read by its parts: what a shard or a table lies in.

Only names are kept, so a blob may be sent to another process, and reading from several threads is safe."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from bouba.errors import FetchRefused, MediaCorrupt, MediaEmpty, MediaTooLarge
from bouba.media.limits import DEFAULT_LIMITS, Limits
from bouba.media.source import missing, require_file

BUCKETS = ("s3://", "gs://", "hf://")
WEB = ("http://", "https://")
State = tuple[int, int]  # bytes, and a number that changes with the content: mtime in ns, or a hash of the ETag


class Blob(Protocol):
    """`name` is its absolute path or its address, as it is shown and kept."""

    @property
    def name(self) -> str: ...

    def state(self) -> State:
        """Raises MediaMissing, or FetchRefused for an address that cannot be read."""
        ...

    def open(self) -> BinaryIO:
        """To be read mostly from start to end; it can seek. Raises as `state` does."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """What is there of these bytes. Raises as `state` does."""
        ...


def is_remote(name: object) -> bool:
    return isinstance(name, str) and name.lower().startswith((*BUCKETS, *WEB))


def is_bucket(name: object) -> bool:
    return isinstance(name, str) and name.lower().startswith(BUCKETS)


def blob(name: str, *, fetch: bool, known: State | None = None) -> Blob:
    """`known`: its state, where a listing said it. Raises FetchRefused for an address unless `fetch`."""
    if not is_remote(name):
        return LocalBlob(os.path.abspath(name))
    if not fetch:
        raise FetchRefused(f"{name}: addresses are read only where --fetch (fetch=True) allows it.")
    from bouba.media.remote import RemoteBlob

    return RemoteBlob(name, known)


@dataclass(frozen=True, slots=True)
class LocalBlob:
    """A file of this machine."""

    name: str

    def state(self) -> State:
        try:
            status = os.stat(self.name)
            require_file(status, self.name)
        except (OSError, ValueError) as error:
            raise missing(error, self.name) from error
        return status.st_size, status.st_mtime_ns

    def open(self) -> BinaryIO:
        self.state()  # a pipe would not answer
        try:
            return open(self.name, "rb")
        except OSError as error:
            raise missing(error, self.name) from error

    def read(self, offset: int, size: int) -> bytes:
        with self.open() as file:
            file.seek(offset)
            return file.read(size)


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a blob that are one picture, read when they are needed."""

    blob: Blob
    offset: int
    size: int

    def load(self, name: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """Raises MediaEmpty, MediaTooLarge, MediaCorrupt where the blob ends too early, and what the blob raises."""
        if self.size > limits.max_bytes:
            raise MediaTooLarge(
                f"{name}: {self.size:,} bytes, the limit is {limits.max_bytes:,}. Give a smaller file or raise "
                "Limits.max_bytes."
            )
        if not self.size:
            raise MediaEmpty(f"{name}: empty, 0 bytes.")
        data = self.blob.read(self.offset, self.size)
        if len(data) < self.size:
            cut = f"cut off after {len(data):,} of {self.size:,} bytes"
            raise MediaCorrupt(f"{name}: {cut}. Copy {self.blob.name} again.")
        return data


@dataclass(frozen=True, slots=True)
class Whole:
    """A blob that is one picture, of which nobody said how large it is."""

    blob: Blob

    def load(self, name: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
        """Raises as `Part.load` does."""
        known = self.blob.state()
        return Part(blob(self.blob.name, fetch=True, known=known), 0, known[0]).load(name, limits)


class Ranges(Protocol):
    def read(self, offset: int, size: int) -> bytes: ...


class Reading(io.RawIOBase):
    """What is read by ranges, as a file."""

    def __init__(self, blob: Ranges, size: int) -> None:
        self._blob, self._size, self._at = blob, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        data = self._blob.read(self._at, max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def stamp(*facts: object) -> int:
    """A number for an ETag or whatever else changes with the content; 63 bits, as a ledger can keep."""
    return int.from_bytes(hashlib.sha256(repr(facts).encode()).digest()[:8], "big") >> 1
