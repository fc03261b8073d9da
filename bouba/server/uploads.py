"""Pictures that are sent to a gallery: kept by the hash of their content, then added like any other file."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from bouba.errors import MediaEmpty, MediaError, MediaTooLarge, StoreUnavailable
from bouba.ingest.reading import content_id
from bouba.media import Limits, read_source
from bouba.media.kinds import sniff

if TYPE_CHECKING:
    from bouba.gallery import Gallery
    from bouba.types import AttributeValue

MOST_NAME_CHARACTERS = 100
ENDINGS = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "image/bmp": ".bmp",
    "image/tiff": ".tif", "image/avif": ".avif", "image/heic": ".heic", "image/heif": ".heif",
}  # fmt: skip
_UNSAFE = re.compile(r"[^\w .()+,-]+")

Attributes = Mapping[str, "AttributeValue"]


@dataclass(slots=True)
class Sent:
    """What became of pictures that were sent."""

    added: int = 0
    known: int = 0  # in the gallery already
    failed: list[dict[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # of those that are in the gallery now, in the order sent

    def to_dict(self) -> dict[str, Any]:
        return {"added": self.added, "known": self.known, "failed": self.failed, "ids": self.ids}

    def fail(self, name: str, error: str) -> None:
        self.failed.append({"name": name, "error": error})


class Uploads:
    """FOLDER/ID/NAME: below the content's hash the name under which it was sent, cleaned. To be used by one thread at
    a time."""

    def __init__(self, gallery: Gallery, folder: Path, most_bytes: int) -> None:
        self._gallery, self._folder, self._most_bytes = gallery, folder, most_bytes

    def add(self, files: Iterable[tuple[str, BinaryIO]], attributes: Attributes) -> Sent:
        """Pictures by the names under which they were sent. A file that is no picture is one of `failed`, and is not
        kept. Raises StoreUnavailable where nothing can be written."""
        return self._add(((shown(name), partial(self._read, name, file)) for name, file in files), attributes)

    def fetch(self, addresses: Iterable[str], attributes: Attributes) -> Sent:
        """Pictures by their addresses, as `add` does."""
        limits = Limits(max_bytes=self._most_bytes)
        return self._add(
            ((shown(one), partial(read_source, one, limits=limits, fetch=True)) for one in addresses), attributes
        )

    def forget(self, ids: Iterable[str]) -> None:
        """Items that were deleted: what was kept of them goes. Each id must be one, 32 hexadecimal digits."""
        for item_id in ids:
            shutil.rmtree(self._folder / item_id, ignore_errors=True)

    def _add(self, files: Iterable[tuple[str, Callable[[], bytes]]], attributes: Attributes) -> Sent:
        sent = Sent()
        kept: dict[str, str] = {}  # name by path
        for name, read in files:
            try:
                self._keep(sent, kept, name, read(), attributes)
            except MediaError as error:
                sent.fail(name, str(error))
        if kept:
            self._take(sent, kept, attributes)
        return sent

    def _read(self, name: str, file: BinaryIO) -> bytes:
        data = file.read(self._most_bytes + 1)
        if len(data) > self._most_bytes:
            raise MediaTooLarge(f"more than {self._most_bytes:,} bytes, the limit of one file. Send a smaller one.")
        if not data:
            raise MediaEmpty("empty, 0 bytes.")
        return data

    def _keep(self, sent: Sent, kept: dict[str, str], name: str, data: bytes, attributes: Attributes) -> None:
        """Raises MediaError for what is no picture by its first bytes, and StoreUnavailable."""
        item_id = content_id(data)
        if self._gallery.known([item_id]):
            self._again(sent, name, item_id, data, attributes)
            return
        path = self._written(self._folder / item_id / file_name(name, sniff(data).media_type), data)
        if path in kept:
            sent.known += 1
        kept.setdefault(path, name)

    def _again(self, sent: Sent, name: str, item_id: str, data: bytes, attributes: Attributes) -> None:
        """A picture that is there keeps its file, which may be one of the user's own; it may get attributes."""
        if attributes and (failures := self._gallery.add([data], attributes).failures):
            sent.fail(name, failures[0].message)
            return
        sent.known += 1
        sent.ids.append(item_id)

    def _written(self, path: Path, data: bytes) -> str:
        """Where it is: under the name that it was kept by before, if it was."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            there = sorted(one for one in path.parent.iterdir() if not one.name.startswith("."))
            path = there[0] if there else path
            whole = path.parent / ".whole"
            whole.write_bytes(data)
            os.replace(whole, path)
        except OSError as error:
            raise StoreUnavailable(f"{path.parent} cannot be written: {error.strerror}. Is there space?") from error
        return str(path)

    def _take(self, sent: Sent, kept: Mapping[str, str], attributes: Attributes) -> None:
        ids = {path: Path(path).parent.name for path in kept}
        try:
            report = self._gallery.add(list(kept), attributes)
        except BaseException:
            self.forget(set(ids.values()) - self._gallery.known(list(ids.values())))
            raise
        failed = {failure.source: failure.message for failure in report.failures}
        for path, message in failed.items():
            name = kept.get(path, "a file")
            sent.fail(name, message.replace(path, name))
        self.forget(ids[path] for path in failed if path in ids)
        sent.ids += [item_id for path, item_id in ids.items() if path not in failed]
        sent.added += report.added
        sent.known += len(kept) - len(failed) - report.added


def file_name(name: str, media_type: str) -> str:
    """A name that was sent, as a file's: no folder, nothing hidden, the ending of what it is."""
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    stem = _UNSAFE.sub("_", plain.rpartition(".")[0] or plain).strip(" .")[:MOST_NAME_CHARACTERS]
    while len(stem.encode()) > 2 * MOST_NAME_CHARACTERS:  # file systems count bytes
        stem = stem[:-1]
    return (stem or "picture") + ENDINGS[media_type]


def shown(name: str) -> str:
    """Of a file, for messages: at most 200 characters, without any that could not be printed."""
    plain = name if name.isprintable() else ascii(name)[1:-1]
    return plain[:200] or "a file without a name"
