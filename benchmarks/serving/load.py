"""Clients in this process, which cost as little as they can: they share the machine with what they measure."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FAILED = 0  # the status of a request that got no answer
MOST_CONNECTIONS = 800  # of ours that are open at once
SAMPLE_S = 1.0


class Connection:
    """HTTP/1.1, kept alive."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> int:
        """The status, once the whole answer is there."""
        fresh = self._writer is None
        try:
            return await self._ask(request)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            if fresh:
                return FAILED
        try:  # the server may end a connection that idles just when it is used again
            return await self._ask(request)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return FAILED

    async def _ask(self, request: bytes) -> int:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = head.index(b"content-length: ") + 16
        await self._reader.readexactly(int(head[length : head.index(b"\r", length)]))
        if b"\r\nconnection: close" in head:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


@dataclass
class Load:
    """What clients saw."""

    seconds: float = 0.0
    times_ms: list[float] = field(default_factory=list)  # of answers with status 200
    statuses: Counter[int] = field(default_factory=Counter)
    unsent: int = 0  # that found no connection free
    rss_mb: list[float] = field(default_factory=list)  # of the server, a second apart

    @property
    def per_second(self) -> float:
        return len(self.times_ms) / self.seconds

    def note(self, status: int, started: float) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.times_ms.append((time.perf_counter() - started) * 1000)

    def to_dict(self) -> dict[str, Any]:
        times = self.times_ms or [float("nan")]
        percentiles = {f"p{percent}_ms": float(np.percentile(times, percent)) for percent in (50, 95, 99)}
        statuses = {str(status): count for status, count in sorted(self.statuses.items())}
        return {"per_second": self.per_second, **percentiles, "statuses": statuses}


def steady(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """So many clients, each of which asks again as soon as it is answered."""
    return asyncio.run(_steady(port, itertools.cycle(requests), clients, seconds))


async def _steady(port: int, requests: Iterator[bytes], clients: int, seconds: float) -> Load:
    load, started = Load(), time.perf_counter()

    async def client() -> None:
        connection = Connection(port)
        while time.perf_counter() - started < seconds:
            asked = time.perf_counter()
            load.note(await connection.ask(next(requests)), asked)
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    load.seconds = time.perf_counter() - started
    return load


def flood(
    port: int, requests: Sequence[bytes], per_second: float, seconds: float, rss: Callable[[], int] = lambda: 0
) -> Load:
    """So many requests a second, whether those before them were answered or not."""
    return asyncio.run(_flood(port, itertools.cycle(requests), per_second, seconds, rss))


async def _flood(
    port: int, requests: Iterator[bytes], per_second: float, seconds: float, rss: Callable[[], int]
) -> Load:
    load, started = Load(), time.perf_counter()
    free = [Connection(port) for _ in range(MOST_CONNECTIONS)]
    asking: set[asyncio.Task[None]] = set()

    async def ask() -> None:
        connection, asked = free.pop(), time.perf_counter()
        load.note(await connection.ask(next(requests)), asked)
        free.append(connection)  # used first next time: those beyond the need stay closed

    sampling = asyncio.ensure_future(_sampled(load, rss))
    for n in range(int(per_second * seconds)):
        if (ahead := started + n / per_second - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        if len(asking) >= MOST_CONNECTIONS:
            load.unsent += 1
            await asyncio.sleep(0)
            continue
        task = asyncio.ensure_future(ask())
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    sampling.cancel()
    load.seconds = time.perf_counter() - started
    for connection in free:
        connection.close()
    return load


async def _sampled(load: Load, rss: Callable[[], int]) -> None:
    while True:
        load.rss_mb.append(rss() / 1e6)
        await asyncio.sleep(SAMPLE_S)
