"""zvec, made ready once in a process."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bouba.errors import StoreUnavailable

SEARCHES_AT_ONCE = 8
POOL_THREADS = 64  # enough for as many searches; they are made as they are needed

searching = threading.BoundedSemaphore(SEARCHES_AT_ONCE)
_lock = threading.Lock()
_ready = False


def engine(memory_mb: int | None) -> Any:
    """The module. `memory_mb` counts where it is called for the first time. Raises StoreUnavailable without it."""
    global _ready
    try:
        import zvec
    except ImportError as error:
        raise StoreUnavailable(
            "A zvec:// gallery needs the package zvec, which is not installed: pip install 'bouba[zvec]'"
        ) from error
    with _lock:
        if not _ready:
            with contextlib.suppress(RuntimeError):  # somebody else has initialised it, which can be done once
                zvec.init(log_level=zvec.LogLevel.FATAL, memory_limit_mb=memory_mb)
            _make_pool(zvec)
            _ready = True
    return zvec


def _make_pool(zvec: Any) -> None:
    """zvec 0.8 answers from several segments by tasks that wait for tasks of the same pool, that of its copy of Arrow.
    A pool of few threads, as on small machines or with OMP_NUM_THREADS=1, is soon full of tasks that wait, and no
    search ends ever again. The pool is made at the first search, as large as that variable says."""
    vector = zvec.VectorSchema("vector", zvec.DataType.VECTOR_FP32, 1)
    with tempfile.TemporaryDirectory() as folder, _variable("OMP_NUM_THREADS", str(POOL_THREADS)):
        table = zvec.create_and_open(str(Path(folder) / "first"), zvec.CollectionSchema("first", [], [vector]))
        table.upsert([zvec.Doc("1", vectors={"vector": [1.0]})])
        table.query(zvec.Query("vector", vector=[1.0]), topk=1)
        table.close()


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
