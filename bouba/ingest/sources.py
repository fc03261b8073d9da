"""What the caller names -> one entry for each picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bouba.errors import BoubaError, MediaMissing
from bouba.ingest.manifest import MANIFEST_SUFFIXES, read_manifest
from bouba.ingest.report import Failure

if TYPE_CHECKING:
    from bouba.types import AttributeValue, ImageSource

# In a folder only these count as pictures; a file that is named itself is tried whatever its name.
PICTURE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff .heic .heif .hif .avif".split()
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture to be added."""

    source: ImageSource
    path: str = ""  # absolute path or URL; empty for bytes
    attributes: Mapping[str, AttributeValue] | None = None  # None: the source says nothing about them

    @property
    def name(self) -> str:
        return self.path or f"<{type(self.source).__name__}>"


def is_url(source: object) -> bool:
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def listed(sources: ImageSource | Iterable[ImageSource]) -> list[ImageSource]:
    """One source or several, as several."""
    single = isinstance(sources, str | bytes | os.PathLike) or hasattr(sources, "read") or hasattr(sources, "getbbox")
    return [sources] if single else list(sources)  # type: ignore[list-item,arg-type]


def expand(
    sources: Iterable[ImageSource],
    attributes: Mapping[str, AttributeValue] | None = None,
    image_column: str | None = None,
) -> Iterator[Entry | Failure]:
    """Folders (recursive), manifests, single files, URLs, bytes and PIL images, as entries in a stable order."""
    for source in sources:
        if is_url(source):
            yield Entry(source, str(source), attributes)
        elif not isinstance(source, str | os.PathLike):
            yield Entry(source, "", attributes)
        elif os.path.isdir(source):
            for path in walk(Path(source)):
                yield path if isinstance(path, Failure) else _entry(path, attributes)
        elif Path(source).suffix.lower() in MANIFEST_SUFFIXES:
            yield from _manifest_entries(Path(source), attributes, image_column)
        else:
            yield _entry(os.path.abspath(source), attributes)


def _entry(path: str, attributes: Mapping[str, AttributeValue] | None) -> Entry | Failure:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="backslashreplace").decode()  # no store, manifest or JSON could hold the real one
        return Failure.of(shown, MediaMissing(f"{shown}: its name is not valid UTF-8. Rename the file."))
    return Entry(path, path, attributes)


def walk(folder: Path) -> Iterator[str | Failure]:
    """Absolute paths of the pictures below a folder, sorted; hidden files and folders are left out.

    Links to folders are followed, each real folder once, so that a loop ends."""
    seen: set[tuple[int, int]] = set()
    stack = [os.path.abspath(folder)]
    while stack:
        current = stack.pop()
        try:
            stat = os.stat(current)
            if (key := (stat.st_dev, stat.st_ino)) in seen:
                continue
            seen.add(key)
            with os.scandir(current) as listing:
                children = sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            unreadable = MediaMissing(f"The folder {current} cannot be read: {error.strerror}.")
            yield Failure.of(current, unreadable)
            continue
        folders = []
        for entry in children:
            if _is_folder(entry):
                folders.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES:
                yield entry.path
        stack += reversed(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _manifest_entries(
    path: Path, attributes: Mapping[str, AttributeValue] | None, image_column: str | None
) -> Iterator[Entry | Failure]:
    for row in read_manifest(path, image_column):
        if isinstance(row.image, BoubaError):
            yield Failure.of(row.origin, row.image)
            continue
        given = {**row.attributes, **(attributes or {})}
        if isinstance(row.image, bytes):
            yield Entry(row.image, "", given)
        elif is_url(row.image):
            yield Entry(row.image, row.image, given)
        else:
            yield _entry(os.path.abspath(path.parent / row.image), given)
