"""Where a picture or a sound comes from -> its bytes. Nothing is read that could block or never end."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING

from bouba.errors import FetchRefused, MediaEmpty, MediaMissing, MediaTooLarge, MediaUnsupported
from bouba.media.limits import DEFAULT_LIMITS, AnyLimits

if TYPE_CHECKING:
    from bouba.types import ImageSource

_CHUNK_BYTES = 2**20
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# Without O_NONBLOCK, opening a pipe that took the file's place after `stat` would wait for a writer.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)

_FILE_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

_REASONS: dict[int, str] = {
    errno.ENOENT: "there is no such file.",
    errno.ENOTDIR: "there is no such file: a part of the path is not a folder.",
    errno.EACCES: "no permission to read it.",
    errno.EPERM: "no permission to read it.",
    errno.ELOOP: "its symbolic links lead in a circle.",
    errno.ENAMETOOLONG: "the name is too long for this file system.",
}


def read_source(source: ImageSource, *, limits: AnyLimits = DEFAULT_LIMITS, fetch: bool = False) -> bytes:
    """The bytes of a path (`~` stays as it is), of a binary file object from where it stands, or of a URL.

    Raises MediaMissing, MediaEmpty, MediaTooLarge, MediaUnsupported for anything else than these, and
    FetchRefused for a URL unless `fetch` is True."""
    if isinstance(source, bytes):
        return _checked(source, f"{len(source):,} bytes", limits)
    if isinstance(source, str) and _SCHEME.match(source):
        return _read_url(source, limits, fetch)
    if isinstance(source, str | PathLike):
        return _read_path(os.fsdecode(source), limits)
    if callable(getattr(source, "read", None)):
        return _read_stream(source, limits)
    raise MediaUnsupported(
        f"{type(source).__name__} cannot be read: give a path, bytes, a file opened with 'rb', or a URL."
    )


def describe_source(source: object) -> str:
    """A short name for messages, safe to print: no control characters, no lone surrogates."""
    if isinstance(source, bytes):
        return f"{len(source):,} bytes"
    if not isinstance(source, str | PathLike):
        source = getattr(source, "name", None) or type(source).__name__
    name = os.fsdecode(source) if isinstance(source, PathLike) else str(source)
    name = name if name.isprintable() else repr(name)[1:-1]
    return name if len(name) <= 300 else f"{name[:200]}…{name[-80:]}"


def _read_url(url: str, limits: AnyLimits, fetch: bool) -> bytes:
    name = describe_source(url)
    if not url.lower().startswith(("http://", "https://")):
        raise FetchRefused(f"{name}: only http:// and https:// addresses are read.")
    if not fetch:
        raise FetchRefused(f"{name}: addresses are read only where --fetch (fetch=True) allows it.")
    from bouba.media.fetch import fetch_bytes  # urllib3 takes longer to import than most pictures to decode

    return _checked(fetch_bytes(url, max_bytes=limits.max_bytes), name, limits)


def _read_path(path: str, limits: AnyLimits) -> bytes:
    name = describe_source(path)
    try:
        size = _require_file(os.stat(path), name, limits)
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            _require_file(os.fstat(descriptor), name, limits)  # it may have changed since
            return _checked(_drain(lambda count: os.read(descriptor, count), name, limits, size + 1), name, limits)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        if isinstance(error, NotADirectoryError) and (data := _packed(path, limits)) is not None:
            return _checked(data, name, limits)
        raise missing(error, name) from error


def _packed(path: str, limits: AnyLimits) -> bytes | None:
    from bouba.media.packed import read_packed  # which reads files itself

    return read_packed(path, limits)


def missing(error: OSError | ValueError, name: str) -> MediaMissing:
    """Why a file cannot be read."""
    if not isinstance(error, OSError):  # NUL, or a character that the file system cannot have
        return MediaMissing(f"{name}: no file can have this name.")
    reason = _REASONS.get(error.errno or 0, f"it cannot be read ({error.strerror or error}).")
    return MediaMissing(f"{name}: {reason}")


def require_file(status: os.stat_result, name: str) -> None:
    """Raises MediaMissing for a folder, a pipe, a device."""
    for matches, what in _FILE_KINDS:
        if matches(status.st_mode):
            raise MediaMissing(f"{name}: this is {what}, not a file.")


def _require_file(status: os.stat_result, name: str, limits: AnyLimits) -> int:
    require_file(status, name)
    if status.st_size > limits.max_bytes:
        raise _too_large(f"{name}: {status.st_size:,} bytes", limits)
    return status.st_size


def _read_stream(stream: object, limits: AnyLimits) -> bytes:
    name = describe_source(stream)
    read: Callable[[int], object] = stream.read  # type: ignore[attr-defined]
    try:
        data = _drain(read, name, limits, _CHUNK_BYTES)
    except (OSError, ValueError) as error:  # ValueError: closed
        raise MediaMissing(f"{name}: the file object cannot be read ({error}).") from error
    if not data:
        raise MediaEmpty(f"{name}: nothing left to read. It is read from where it stands: call seek(0) first.")
    return data


def _drain(read: Callable[[int], object], name: str, limits: AnyLimits, chunk_bytes: int) -> bytes:
    chunks: list[bytes] = []
    total = 0
    while chunk := read(chunk_bytes):
        if not isinstance(chunk, bytes):
            raise MediaUnsupported(f"{name}: read() gave {type(chunk).__name__}, not bytes. Open the file with 'rb'.")
        chunks.append(chunk)
        total += len(chunk)
        if total > limits.max_bytes:
            raise _too_large(f"{name}: more than {limits.max_bytes:,} bytes", limits)
    return b"".join(chunks)


def _checked(data: bytes, name: str, limits: AnyLimits) -> bytes:
    if not data:
        raise MediaEmpty(f"{name}: empty, 0 bytes.")
    if len(data) > limits.max_bytes:
        raise _too_large(f"{name}: {len(data):,} bytes", limits)
    return data


def _too_large(what: str, limits: AnyLimits) -> MediaTooLarge:
    name = f"{type(limits).__name__}.max_bytes"
    return MediaTooLarge(f"{what}, the limit is {limits.max_bytes:,}. Give a smaller file or raise {name}.")
