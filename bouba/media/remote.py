"""Buckets (fsspec: s3://, gs://, hf://) and http(s) addresses as blobs, and what lies under a prefix.

Where a bucket is, and who asks for it, is settled by this machine's configuration (credentials, AWS_ENDPOINT_URL),
never by data; an http(s) address can come from anywhere and is read under the rules of `fetch`."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from io import BufferedReader
from typing import Any, BinaryIO, cast

from bouba.errors import BoubaError, FetchRefused, MediaMissing
from bouba.media.blob import Reading, State, is_bucket, stamp
from bouba.media.fetch import fetch_range

BLOCK_BYTES = 8 * 2**20  # of one request: large beside a round trip, small beside memory
KEPT_BLOCKS = 12  # of all blobs; a shard's headers are read some way ahead of its pictures
TRIES = 3
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub"}


@dataclass(frozen=True, slots=True)
class RemoteBlob:
    """An object of a bucket, or what lies behind an http(s) address, in one of its states."""

    name: str
    known: State | None = None  # where it was listed or asked for already

    def state(self) -> State:
        """As it is now, whatever is known."""
        if is_bucket(self.name):
            with _translated(self.name):
                facts = _files(_scheme(self.name)).info(self.name)
            if facts.get("type") == "directory":
                raise MediaMissing(f"{self.name}: this is a folder, not a file.")
            return _state_of(facts)
        head = fetch_range(self.name, 0, 1)
        return head.total, stamp(head.version)

    def open(self) -> BinaryIO:
        scanned = _Scanned(self.name, self.known or self.state())
        return cast(BinaryIO, BufferedReader(Reading(scanned, scanned.known[0]), 2**16))

    def read(self, offset: int, size: int) -> bytes:
        return _read(self.name, self.known or self.state(), offset, size)


@dataclass(frozen=True, slots=True)
class _Scanned:
    """A blob that is read from start to end: the next block is fetched while this one is used."""

    name: str
    known: State

    def read(self, offset: int, size: int) -> bytes:
        following = (offset + size - 1) // BLOCK_BYTES + 1
        if size > 0 and following * BLOCK_BYTES < self.known[0]:
            _BLOCKS.future(self.name, self.known, following)
        return _read(self.name, self.known, offset, size)


def _read(name: str, state: State, offset: int, size: int) -> bytes:
    size = min(size, state[0] - offset)
    if size <= 0:
        return b""
    first, last = offset // BLOCK_BYTES, (offset + size - 1) // BLOCK_BYTES
    data = b"".join(_BLOCKS.get(name, state, number) for number in range(first, last + 1))
    return data[offset - first * BLOCK_BYTES :][:size]


class _Blocks:
    """The blocks that were read last, of all remote blobs of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._kept: OrderedDict[tuple[str, State, int], Future[bytes]] = OrderedDict()

    def get(self, name: str, state: State, number: int) -> bytes:
        try:
            return self.future(name, state, number).result()
        except BoubaError:
            with self._lock:
                self._kept.pop((name, state, number), None)  # the next one who asks tries again
            raise

    def future(self, name: str, state: State, number: int) -> Future[bytes]:
        key = (name, state, number)
        with self._lock:
            if key not in self._kept:
                self._pool = self._pool or ThreadPoolExecutor(4, "bouba-fetch")
                start = number * BLOCK_BYTES
                self._kept[key] = self._pool.submit(_block, name, start, min(BLOCK_BYTES, state[0] - start))
                while len(self._kept) > KEPT_BLOCKS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


_BLOCKS = _Blocks()


def _block(name: str, start: int, size: int) -> bytes:
    """What fails is asked for again: among thousands of requests some fail for passing reasons."""
    for tried in range(TRIES):
        try:
            if not is_bucket(name):
                return fetch_range(name, start, size).data
            with _translated(name):
                return bytes(_files(_scheme(name)).cat_file(name, start=start, end=start + size))
        except BoubaError:
            if tried == TRIES - 1:
                raise
            time.sleep(0.5 * 2**tried)
    raise AssertionError("not reached")


def _state_of(facts: dict[str, Any]) -> State:
    version = next((facts[key] for key in ("ETag", "etag", "blob_id", "md5Hash") if facts.get(key)), None)
    changed = next((facts[key] for key in ("LastModified", "updated", "mtime", "last_commit") if facts.get(key)), "")
    changed = changed.isoformat() if isinstance(changed, datetime) else str(changed)
    return int(facts.get("size") or 0), stamp(version or changed)


def is_folder(name: str) -> bool:
    """Whether a bucket's address is that of objects below it, not of one object."""
    if name.endswith("/") or "/" not in name.partition("://")[2]:
        return True
    with _translated(name):
        return bool(_files(_scheme(name)).info(name).get("type") == "directory")


def objects(prefix: str) -> Iterator[tuple[str, State]]:
    """Addresses of all objects below a bucket's address, with their state, as the listing comes in.

    S3 is listed page by page, in the order of the names; other stores folder by folder."""
    with _translated(prefix):
        found = False
        for facts in _listing(prefix):
            found = True
            name = f"{_scheme(prefix)}://{facts['name']}"
            yield name, _state_of(facts)
        if not found:
            raise MediaMissing(f"{prefix}: nothing lies below this address.")


def matching(pattern: str) -> list[str]:
    """Addresses of objects that fit a pattern with `*`, sorted."""
    with _translated(pattern):
        return [f"{_scheme(pattern)}://{name}" for name in sorted(_files(_scheme(pattern)).glob(pattern))]


def _listing(prefix: str) -> Iterator[dict[str, Any]]:
    files = _files(_scheme(prefix))
    if _scheme(prefix) == "s3":
        yield from _pages(files, prefix)
        return
    for folder, _, names in files.walk(prefix, detail=True):
        yield from (facts for _, facts in sorted(names.items()) if folder is not None)


def _pages(files: Any, prefix: str) -> Iterator[dict[str, Any]]:
    """`s3fs` itself would list the whole bucket before the first object is seen."""
    bucket, _, key = prefix.partition("://")[2].partition("/")
    below = {"Prefix": key.rstrip("/") + "/"} if key.strip("/") else {}
    more: dict[str, str] = {}
    while True:
        page = files.call_s3("list_objects_v2", Bucket=bucket, **below, **more)
        for one in page.get("Contents", ()):
            if not one["Key"].endswith("/"):
                yield {**one, "name": f"{bucket}/{one['Key']}", "size": one["Size"]}
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _scheme(name: str) -> str:
    return name.partition("://")[0].lower()


@lru_cache
def _files(scheme: str) -> Any:
    try:
        import fsspec

        return fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        package = _PACKAGES[scheme]
        extra = "pip install 'bouba[remote]'" if scheme == "s3" else f"pip install 'bouba[remote]' {package}"
        raise FetchRefused(f"{scheme}:// addresses need {package}: {extra}.") from error


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """The clients of object stores share no base class of errors."""
    try:
        yield
    except BoubaError:
        raise
    except FileNotFoundError as error:
        raise MediaMissing(f"{name}: there is no such bucket or object.") from error
    except PermissionError as error:
        raise FetchRefused(f"{name}: the bucket refuses ({_words(error)}). {_credentials(name)}") from error
    except Exception as error:
        words = _words(error)
        hint = _credentials(name) if "redential" in words else "Check the address, the endpoint and the network."
        raise FetchRefused(f"{name}: cannot be read ({words}). {hint}") from error


def _credentials(name: str) -> str:
    if _scheme(name) == "s3":
        return (
            "Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws or the machine's role; a "
            """public bucket needs FSSPEC_S3='{"anon": true}'."""
        )
    return "Log in as the store's own tools do (gcloud auth application-default login, hf auth login)."


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
