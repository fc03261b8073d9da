"""A process that does nothing but serve searches, so that its memory can be told: what `check` starts.

    python -m bouba.plan.serving URI FOLDER

FOLDER holds rows.npy and queries.npy; prints a JSON object."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from bouba.plan.sample import sample_item
from bouba.stores import Store, open_store

K = 10
WARM = 10  # queries before the clock starts


def main() -> None:
    uri, folder = sys.argv[1], Path(sys.argv[2])
    queries = np.load(folder / "queries.npy")
    started = time.perf_counter()
    with closing(open_store(uri, queries.shape[1])) as store:
        if uri.startswith("memory:"):
            fill(store, np.load(folder / "rows.npy", mmap_mode="r"))
        first = _asked(store, queries[:1])
        opened = time.perf_counter() - started
        _asked(store, queries[:WARM])
        times, found = zip(*_asked(store, queries), strict=True)
        print(
            json.dumps({"open_s": opened, "rss_bytes": rss_bytes(), "ms": times, "found": found, "first": first[0][1]})
        )


def fill(store: Store, rows: Any, start: int = 0, batch: int = 4096) -> None:
    for at in range(start, len(rows), batch):
        block = np.asarray(rows[at : at + batch])
        store.upsert([sample_item(at + n) for n in range(len(block))], block)


def rss_bytes() -> int:
    """Of this process now; its peak where the system has no /proc."""
    try:
        import os

        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _asked(store: Store, queries: Any) -> list[tuple[float, list[str]]]:
    """Milliseconds and ids of each."""
    answers = []
    for query in queries:
        started = time.perf_counter()
        found = store.search(query, K)
        answers.append(((time.perf_counter() - started) * 1e3, [one.item.id for one in found]))
    return answers


if __name__ == "__main__":
    main()
