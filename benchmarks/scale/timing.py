"""Clocks and memory, the same for all that is compared."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Numbers = dict[str, float]


def clock(call: Callable[[], Any]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def percentiles(times_ms: Sequence[float], prefix: str = "") -> Numbers:
    return {f"{prefix}p{percent}_ms": float(np.percentile(times_ms, percent)) for percent in (50, 95, 99)}


def rss_bytes(*processes: int) -> int:
    """Of processes and all that they started."""
    return sum(_rss(process) + rss_bytes(*_children(process)) for process in processes)


def children_bytes() -> int:
    """Of all processes that this one started and that still run."""
    return rss_bytes(*_children(os.getpid()))


def _rss(process: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def _children(process: int) -> list[int]:
    with contextlib.suppress(OSError):
        threads = os.listdir(f"/proc/{process}/task")
        lists = (Path(f"/proc/{process}/task/{thread}/children").read_text().split() for thread in threads)
        return [int(child) for children in lists for child in children]
    return []


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def meanwhile(call: Callable[[], Any]) -> Iterator[list[float]]:
    """Calls again and again in a thread, and gives how many milliseconds each call took."""
    times: list[float] = []
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            times.append(clock(call))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield times
    finally:
        ended.set()
        thread.join()
