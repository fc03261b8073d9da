"""What is compared. Adding a store is one line in STORES."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bouba.errors import BoubaError
from bouba.stores import open_store


@dataclass(frozen=True, slots=True)
class Contender:
    """`uri` has {folder}, one of its own, and {server} where `serve` runs one."""

    uri: str
    most: int | None = None  # items; it is not tried on more unless it is asked for by name
    serve: Callable[[Path], contextlib.AbstractContextManager[str]] | None = None

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


STORES = {
    "lance": Contender("file://{folder}/gallery"),
    "zvec": Contender("zvec://{folder}/gallery"),
    "milvus-lite": Contender("milvus://{folder}/gallery.db", most=50_000),  # minutes a batch beyond
    "milvus": Contender("{server}/scale", serve=_milvus),
}
LIBRARIES = ("faiss-ivf-sq8", "faiss-hnsw")  # indexes alone: no records, filters or durable writes; see libraries.py
HNSW_MOST = 100_000  # beyond, its building takes many minutes; --faiss-hnsw
