"""What the caller names -> one entry for each picture, as a stream."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from bouba.errors import BoubaError, FetchRefused, ManifestError, MediaError, MediaMissing
from bouba.ingest.entries import Entry, Source
from bouba.ingest.manifest import MANIFEST_SUFFIXES, NoPictures, Row, read_manifest
from bouba.ingest.report import Failure
from bouba.ingest.shards import Shard
from bouba.ingest.tables import picture_table
from bouba.media.blob import WEB, Blob, LocalBlob, Part, State, Whole, blob, is_bucket, is_remote
from bouba.media.packed import PARQUET, TAR
from bouba.media.patterns import unfolded

if TYPE_CHECKING:
    from bouba.types import AttributeValue, ImageSource

# In a folder only these count as pictures; a file that is named itself is tried whatever its name.
PICTURE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .gif .bmp .dib .tif .tiff .heic .heif .hif .avif".split()
)
_COMPRESSED = (".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")


def is_url(source: object) -> bool:
    return isinstance(source, str) and source.lower().startswith(WEB)


def listed(sources: ImageSource | Iterable[ImageSource]) -> list[ImageSource]:
    """One source or several, as several."""
    single = isinstance(sources, str | bytes | os.PathLike) or hasattr(sources, "read") or hasattr(sources, "getbbox")
    return [sources] if single else list(sources)  # type: ignore[list-item,arg-type]


def expand(
    sources: Iterable[ImageSource],
    attributes: Mapping[str, AttributeValue] | None = None,
    image_column: str | None = None,
    fetch: bool = False,
) -> Iterator[Source]:
    """Folders (recursive), manifests, shards, single files, addresses, bytes and PIL images, as entries in a stable
    order; a file that packs many pictures is one of them, to be opened by who wants its entries.

    Raises ManifestError for a manifest that is named and is none."""
    reading = _Reading(attributes, image_column, fetch)
    for source in sources:
        if not isinstance(source, str | os.PathLike):
            yield Entry(source, "", attributes)
            continue
        text = os.fspath(source)
        try:
            for name in _names(text):
                yield from reading.named(name)
        except MediaError as error:
            yield Failure.of(text, error)


def _names(text: str) -> Iterator[str]:
    """Those that a pattern stands for; a name that only looks like a pattern is itself."""
    if "{" not in text and not has_magic(text):
        yield text
    elif is_url(text):  # "?" and "[" mean something else there
        yield from unfolded(text)
    elif not is_remote(text):
        for name in [text] if os.path.lexists(text) else unfolded(text):
            yield from (sorted(glob(name)) or [name]) if has_magic(name) and not os.path.lexists(name) else [name]
    else:
        from bouba.media.remote import matching

        for name in unfolded(text):
            yield from matching(name) or [name] if "*" in name else [name]


@dataclass(frozen=True, slots=True)
class _Reading:
    """How sources are read."""

    attributes: Mapping[str, AttributeValue] | None
    image_column: str | None
    fetch: bool

    def named(self, name: str) -> Iterator[Source]:
        """One name that the caller gave."""
        suffix = _suffix(name)
        if is_bucket(name):
            yield from self._bucket(name, suffix)
        elif is_url(name) and suffix != TAR and suffix not in MANIFEST_SUFFIXES:
            yield Entry(name, name, self.attributes)
        elif not is_url(name) and os.path.isdir(name):
            for path in walk(Path(name)):
                yield from [path] if isinstance(path, Failure) else self._found(LocalBlob(path))
        elif suffix == TAR or suffix in MANIFEST_SUFFIXES:
            yield from self._file(blob(name, fetch=self.fetch), suffix)
        elif name.lower().endswith(_COMPRESSED):
            yield Failure.of(name, ManifestError(f"{name}: compressed shards are not read. Unpack it to a .tar file."))
        else:
            yield _entry(os.path.abspath(name), self.attributes)

    def _bucket(self, name: str, suffix: str) -> Iterator[Source]:
        place = blob(name, fetch=self.fetch)
        from bouba.media.remote import is_folder, objects

        if suffix == TAR or suffix in MANIFEST_SUFFIXES:
            yield from self._file(place, suffix)
        elif suffix not in PICTURE_SUFFIXES and is_folder(name):
            for below, state in objects(name):
                yield from self._found(blob(below, fetch=True, known=state), state)
        else:
            yield self._object(place, place.state())

    def _object(self, place: Blob, state: State) -> Entry:
        return Entry(Part(place, 0, state[0]), place.name, self.attributes, state)

    def _found(self, place: Blob, state: State | None = None) -> Iterator[Source]:
        """A file below a folder: what is none of ours is left out."""
        suffix = _suffix(place.name)
        try:
            if suffix == TAR:
                yield Shard(place, state or place.state(), self.attributes)
            elif suffix == PARQUET and (table := picture_table(place, None, self.attributes)) is not None:
                yield table
            elif suffix in PICTURE_SUFFIXES:
                yield self._object(place, state) if state else _entry(place.name, self.attributes)
        except NoPictures:
            return
        except (ManifestError, MediaError) as error:
            yield Failure.of(place.name, error)

    def _file(self, place: Blob, suffix: str) -> Iterator[Source]:
        if suffix == TAR:
            state = place.state()
            yield Shard(blob(place.name, fetch=True, known=state), state, self.attributes)
            return
        table = picture_table(place, self.image_column, self.attributes) if suffix == PARQUET else None
        if table is not None:
            yield table
            return
        for row in read_manifest(place, self.image_column):
            yield self._row(place, row)

    def _row(self, manifest: Blob, row: Row) -> Entry | Failure:
        if isinstance(row.image, BoubaError):
            return Failure.of(row.origin, row.image)
        given = {**row.attributes, **(self.attributes or {})}
        if isinstance(row.image, bytes):
            return Entry(row.image, "", given)
        if is_url(row.image):
            return Entry(row.image, row.image, given)
        if not is_remote(manifest.name) and not is_remote(row.image):
            return _entry(os.path.abspath(os.path.join(os.path.dirname(manifest.name), row.image)), given)
        try:
            address = beside(manifest.name, row.image)
        except FetchRefused as error:
            return Failure.of(row.origin, error)
        return Entry(address if is_url(address) else Whole(blob(address, fetch=True)), address, given)


def beside(manifest: str, image: str) -> str:
    """The address of a picture that a manifest elsewhere names, or that is in a bucket.

    Raises FetchRefused for a bucket that is not the manifest's own: a row may not say what is read with the rights of
    who adds it."""
    if is_url(manifest) and is_url(address := urljoin(manifest, image)):
        return address
    scheme, _, rest = manifest.partition("://")
    bucket, _, key = rest.partition("/")
    if is_bucket(manifest) and image.startswith(f"{scheme}://{bucket}/"):
        return image
    if is_bucket(manifest) and "://" not in image:
        key = posixpath.normpath(posixpath.join("/", posixpath.dirname(key), image))
        return f"{scheme}://{bucket}{key}"
    raise FetchRefused(f"{image:.300}: a manifest may only name objects of the bucket that it lies in itself.")


def _suffix(name: str) -> str:
    path = urlsplit(name).path if is_url(name) else name
    return os.path.splitext(path)[1].lower()


def _entry(path: str, attributes: Mapping[str, AttributeValue] | None) -> Entry | Failure:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="backslashreplace").decode()  # no store, manifest or JSON could hold the real one
        return Failure.of(shown, MediaMissing(f"{shown}: its name is not valid UTF-8. Rename the file."))
    return Entry(path, path, attributes)


def walk(folder: Path) -> Iterator[str | Failure]:
    """Absolute paths of the pictures below a folder, sorted; hidden files and folders are left out. Where a folder has
    no pictures itself, its .tar and .parquet files are taken for shards.

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
        folders = [entry.path for entry in children if _is_folder(entry)]
        files = [entry.path for entry in children if not _is_folder(entry)]
        yield from _with_suffix(files, PICTURE_SUFFIXES) or _with_suffix(files, {TAR, PARQUET})
        stack += reversed(folders)


def _with_suffix(paths: Iterable[str], suffixes: Collection[str]) -> list[str]:
    return [path for path in paths if _suffix(path) in suffixes]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
