"""How much is done at once: threads, a bounded queue before them, and a time after which nobody waits any longer."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from bouba.server.problems import ClientGone, Overloaded, TimedOut

LONGEST_RETRY_S = 30
_WEIGHT = 0.1  # of the last one in the running mean of how long work takes

_T = TypeVar("_T")


class Lane:
    """Threads for one kind of work. A place is taken from when work is admitted until its thread has ended, whether
    somebody still waits for the answer or not: a thread cannot be stopped, and what runs must be counted."""

    def __init__(self, name: str, threads: int, waiting: int, timeout_s: float) -> None:
        self.name = name
        self._threads, self._most, self._timeout_s = threads, threads + waiting, timeout_s
        self._pool = ThreadPoolExecutor(threads, f"bouba-{name}")
        self._lock = threading.Lock()
        self._taken = 0
        self._mean_s = 0.1

    @property
    def running(self) -> int:
        return min(self._taken, self._threads)

    @property
    def waiting(self) -> int:
        return max(0, self._taken - self._threads)

    def check(self) -> None:
        """Raises Overloaded where nothing more would be admitted: to be asked before a body is read."""
        if self._taken >= self._most:
            raise self._overloaded()

    async def run(self, request: Request, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises, from a thread. Raises Overloaded at once where too much waits already,
        TimedOut, and ClientGone where the client has left; work that had not begun is then dropped."""
        job = _Job(work)
        future = self._admitted(job)
        answer, leaving = asyncio.wrap_future(future), asyncio.ensure_future(_gone(request))
        for ending in (answer, leaving):
            ending.add_done_callback(_look)
        try:
            endings: set[asyncio.Future[Any]] = {answer, leaving}
            await asyncio.wait(endings, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if leaving.done():
                raise ClientGone("The client has left.")
            raise TimedOut(
                f"This took more than {self._timeout_s:g} s. Ask for less, or try again when less is going on."
            )
        finally:
            leaving.cancel()
            if future.cancel():
                job.drop()

    def close(self) -> None:
        """What waits is dropped, what runs is waited for."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _admitted(self, job: _Job[_T]) -> Future[_T]:
        with self._lock:
            if self._taken >= self._most:
                raise self._overloaded()
            self._taken += 1
        try:
            future = self._pool.submit(self._timed, job)
        except RuntimeError:  # closed
            self._leave()
            raise Overloaded("The server is stopping.", LONGEST_RETRY_S) from None
        future.add_done_callback(lambda _: self._leave())
        return future

    def _timed(self, job: _Job[_T]) -> _T:
        started = time.monotonic()
        try:
            return job.run()
        finally:
            took = time.monotonic() - started
            self._mean_s += _WEIGHT * (took - self._mean_s)

    def _leave(self) -> None:
        with self._lock:
            self._taken -= 1

    def _overloaded(self) -> Overloaded:
        wait_s = math.ceil(self._mean_s * self._most / self._threads)
        return Overloaded(
            f"{self.running} requests of this kind run and {self.waiting} wait, which is the limit. Try again later.",
            max(1, min(wait_s, LONGEST_RETRY_S)),
        )


class _Job(Generic[_T]):
    """Work that is let go of when it is no longer wanted: a pool keeps what was cancelled until a thread is free."""

    def __init__(self, work: Callable[[], _T]) -> None:
        self._work: Callable[[], _T] | None = work

    def run(self) -> _T:
        work, self._work = self._work, None
        assert work is not None
        return work()

    def drop(self) -> None:
        self._work = None


async def _gone(request: Request) -> None:
    """Ends when the client has left; its body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _look(ending: asyncio.Future[Any]) -> None:
    """So that nobody complains of an error that came when nobody waited any more."""
    if not ending.cancelled():
        ending.exception()
