"""Folders, files, bytes and pictures -> requests of a bounded size that add them to a server's gallery."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.client.questions import picture_bytes
from bouba.client.report import UploadFailure
from bouba.errors import MediaError
from bouba.ingest.sources import PICTURE_SUFFIXES, is_url, listed, walk
from bouba.media.source import describe_source

if TYPE_CHECKING:
    from bouba.types import ImageSource

BATCH_FILES = 32  # of one request: some seconds of encoding at most
BATCH_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture to be sent."""

    source: str  # as the caller knows it
    data: bytes

    @property
    def name(self) -> str:
        """What the server is told; folders are nobody's business."""
        return os.path.basename(self.source) or "picture"


def pictures(sources: ImageSource | Iterable[ImageSource]) -> list[ImageSource | UploadFailure]:
    """What is named, with folders as the pictures below them."""
    found: list[ImageSource | UploadFailure] = []
    for source in listed(sources):
        if isinstance(source, str | os.PathLike) and not is_url(source) and os.path.isdir(source):
            found += _below(Path(source))
        else:
            found.append(source)
    return found


def _below(folder: Path) -> Iterator[str | UploadFailure]:
    for one in walk(folder):
        if not isinstance(one, str):
            yield UploadFailure(one.source, one.message)
        elif os.path.splitext(one)[1].lower() in PICTURE_SUFFIXES:  # shards are for `bouba add` on the server
            yield one


def batches(sources: Iterable[ImageSource | UploadFailure]) -> Iterator[tuple[list[Upload], list[UploadFailure]]]:
    """What goes in one request, read when its turn comes, and what cannot."""
    batch: list[Upload] = []
    failures: list[UploadFailure] = []
    for source in sources:
        one = _read(source)
        if isinstance(one, UploadFailure):
            failures.append(one)
            continue
        if batch and (len(batch) == BATCH_FILES or sum(len(up.data) for up in batch) + len(one.data) > BATCH_BYTES):
            yield batch, failures
            batch, failures = [], []
        batch.append(one)
    if batch or failures:
        yield batch, failures


def _read(source: ImageSource | UploadFailure) -> Upload | UploadFailure:
    if isinstance(source, UploadFailure):
        return source
    name = describe_source(source)
    try:
        return Upload(name, picture_bytes(source))
    except MediaError as error:
        return UploadFailure(name, str(error))


def told(record: dict[str, Any], batch: Sequence[Upload]) -> list[UploadFailure]:
    """The server's failures, by the names that the caller knows them under."""
    sources: dict[str, list[str]] = {}
    for upload in batch:
        sources.setdefault(upload.name, []).append(upload.source)
    failures = []
    for failed in record.get("failed", ()):
        known = sources.get(failed["name"])
        failures.append(UploadFailure(known.pop(0) if known else failed["name"], failed["error"]))
    return failures
