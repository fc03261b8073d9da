"""Milvus for tests: one real server for the whole run, and collections made ahead, as each takes a second to load."""

from __future__ import annotations

import atexit
import functools
import itertools
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.milvus_server import MilvusServer, why_not
from bouba.stores.milvus import MilvusStore
from bouba.stores.place import Place

AHEAD = 12
_numbers = itertools.count(1)
_made: dict[int, list[MilvusStore]] = defaultdict(list)


def running() -> MilvusServer:
    """Skips the test, saying why, where no server can run."""
    if reason := _why_not():
        pytest.skip(reason)
    return _running()


_why_not = functools.cache(why_not)
_server = ExitStack()
atexit.register(_server.close)


@functools.cache
def _running() -> MilvusServer:
    return _server.enter_context(MilvusServer(Path(tempfile.mkdtemp(prefix="milvus-")), brisk=True))


def stop() -> None:
    """After the last test that needs it: an idle server takes a third of a core. Wanted again, it starts again."""
    _server.close()
    _running.cache_clear()
    _made.clear()


def new_place() -> str:
    return f"{running().uri}/gallery{next(_numbers)}"


def empty_store(dim: int) -> MilvusStore:
    """A store that nothing was written to; its collection is there and, by now, loaded."""
    if not _made[dim]:
        _made[dim] = [MilvusStore(Place.of(new_place()), dim) for _ in range(AHEAD)]
        for store in _made[dim]:
            store._created()
    return _made[dim].pop(0)


def forget(store: MilvusStore) -> None:
    """Its collections go, so that the server has little to do."""
    store.close()
    alias = store._catalog.alias
    for name in store._connection.call(lambda client: client.list_collections()):
        if name.startswith(f"{alias}_g"):
            store._catalog.drop(name)
    store.close()
