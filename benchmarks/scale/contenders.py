"""What is compared. Adding a store is one line in STORES."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bouba.errors import BoubaError
from bouba.stores import open_store

INDEXED_S = 3600.0
STILL_S = 90.0


@dataclass(frozen=True, slots=True)
class Contender:
    """`uri` has {folder}, one of its own, and {server} where `serve` runs one."""

    uri: str
    most: int | None = None  # items; it is not tried on more unless it is asked for by name
    serve: Callable[[Path], contextlib.AbstractContextManager[str]] | None = None
    settle: Callable[[str], None] | None = None  # waits for what its server does by itself after it was filled

    @contextlib.contextmanager
    def place(self, folder: Path) -> Iterator[str]:
        """Its URI, as long as its server runs. Raises Skipped."""
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(self.serve(folder)) if self.serve else ""
            uri = self.uri.format(folder=folder, server=server)
            try:
                open_store(uri).close()
            except (BoubaError, ImportError) as problem:
                raise Skipped(str(problem)) from problem
            yield uri


class Skipped(Exception):
    """Why a contender is not compared."""


@contextlib.contextmanager
def _milvus(folder: Path) -> Iterator[str]:
    from benchmarks.milvus_server import MilvusServer, why_not

    if reason := why_not():
        raise Skipped(reason)
    with MilvusServer(folder / "server") as server:
        yield server.uri


def _milvus_indexed(uri: str) -> None:
    """Until every flushed row is in the index, and for a while: segments that are merged are indexed again."""
    from pymilvus import MilvusClient

    parts = urlsplit(uri)
    client = MilvusClient(f"http://{parts.netloc}")
    collection = client.describe_alias(parts.path.strip("/"))["collection_name"]
    deadline, since = time.monotonic() + INDEXED_S, time.monotonic()
    while time.monotonic() < min(deadline, since + STILL_S):
        time.sleep(1)
        if client.describe_index(collection, "vector")["pending_index_rows"]:
            since = time.monotonic()
    client.close()


STORES = {
    "lance": Contender("file://{folder}/gallery"),
    "zvec": Contender("zvec://{folder}/gallery"),
    "milvus-lite": Contender("milvus://{folder}/gallery.db", most=50_000),  # minutes a batch beyond
    "milvus": Contender("{server}/scale", serve=_milvus, settle=_milvus_indexed),
}
LIBRARIES = ("faiss-ivf-sq8", "faiss-hnsw")  # indexes alone: no records, filters or durable writes; see libraries.py
HNSW_MOST = 100_000  # beyond, its building takes many minutes; --faiss-hnsw
