"""An item's file, if it still is what it was when it was added."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import IO, TYPE_CHECKING

from bouba.errors import MediaError
from bouba.media import read_source
from bouba.media.blob import LocalBlob
from bouba.media.packed import container_of
from bouba.server.problems import ItemMissing

if TYPE_CHECKING:
    from bouba.types import Item

CHUNK_BYTES = 2**20
# What is never run by a browser; anything else is given as bytes.
KINDS = frozenset({
    "image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff", "image/avif", "image/heic",
    "image/heif", "application/octet-stream",
})  # fmt: skip


def open_original(item: Item) -> IO[bytes]:
    """At its beginning. What is read is compared with the item's id, a hash of its content, so that neither a link nor
    a file that took another's place leads elsewhere. Raises ItemMissing."""
    if not item.path or "://" in item.path:
        raise ItemMissing(f"{item.id} was added without a file of this machine: only its thumbnail is kept.")
    try:
        file = _opened(item.path)
    except MediaError:
        raise ItemMissing(f"The file of {item.id} is gone.") from None
    if _digest(file)[: len(item.id)] != item.id:
        file.close()
        raise ItemMissing(f"The file of {item.id} has changed since it was added.")
    file.seek(0)
    return file


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while data := file.read(CHUNK_BYTES):
        digest.update(data)
    return digest.hexdigest()


def _opened(path: str) -> IO[bytes]:
    if container_of(path) is not None:
        return BytesIO(read_source(path))
    return LocalBlob(path).open()
