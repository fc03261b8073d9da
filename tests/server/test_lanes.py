"""Admission: so many run, so many wait, the next is refused; a place is free when its thread has ended, not before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from bouba.server.problems import ClientGone, Overloaded, TimedOut
from bouba.server.work import Lane


def asked(leaves: asyncio.Event | None = None) -> Request:
    """A request whose client leaves when it is told to."""

    async def receive() -> dict[str, Any]:
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "headers": []}, receive)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What keeps threads busy until it is set."""
    event = threading.Event()
    yield event
    event.set()


def lane(threads: int = 1, waiting: int = 1, timeout_s: float = 20.0) -> Lane:
    return Lane("test", threads, waiting, timeout_s)


async def until(true: Any) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to be")


def test_answers_and_errors_come_through() -> None:
    async def run() -> None:
        one = lane()
        assert await one.run(asked(), lambda: 42) == 42
        with pytest.raises(ZeroDivisionError):
            await one.run(asked(), lambda: 1 // 0)
        await until(lambda: one.running == 0)

    asyncio.run(run())


def test_more_than_may_wait_is_refused(gate: threading.Event) -> None:
    async def run() -> None:
        one = lane(threads=2, waiting=3)
        tasks = [asyncio.create_task(one.run(asked(), gate.wait)) for _ in range(5)]
        await until(lambda: (one.running, one.waiting) == (2, 3))
        with pytest.raises(Overloaded, match=r"2 requests .* and 3 wait") as refused:
            await one.run(asked(), gate.wait)
        assert 1 <= refused.value.retry_s <= 30
        with pytest.raises(Overloaded):
            one.check()
        gate.set()
        assert await asyncio.gather(*tasks) == [True] * 5
        await until(lambda: (one.running, one.waiting) == (0, 0))
        one.check()

    asyncio.run(run())


def test_time_is_over_but_the_place_stays_taken(gate: threading.Event) -> None:
    async def run() -> None:
        one = lane(waiting=0, timeout_s=0.05)
        with pytest.raises(TimedOut, match=r"0\.05 s"):
            await one.run(asked(), gate.wait)
        assert one.running == 1
        with pytest.raises(Overloaded):
            await one.run(asked(), gate.wait)
        gate.set()
        await until(lambda: one.running == 0)
        assert await one.run(asked(), lambda: 1) == 1

    asyncio.run(run())


def test_who_leaves_while_waiting_frees_the_place_at_once(gate: threading.Event) -> None:
    async def run() -> None:
        one, leaves, begun = lane(), asyncio.Event(), []
        first = asyncio.create_task(one.run(asked(), gate.wait))
        await until(lambda: one.running == 1)
        second = asyncio.create_task(one.run(asked(leaves), lambda: begun.append(2)))
        await until(lambda: one.waiting == 1)
        leaves.set()
        with pytest.raises(ClientGone):
            await second
        assert one.waiting == 0
        gate.set()
        await first
        await until(lambda: one.running == 0)
        assert begun == []

    asyncio.run(run())


def test_work_that_is_dropped_is_let_go_of(gate: threading.Event) -> None:
    """A picture of megabytes is not to lie in the queue until a thread is free."""

    async def run() -> None:
        one, leaves, freed = lane(), asyncio.Event(), threading.Event()
        first = asyncio.create_task(one.run(asked(), gate.wait))
        await until(lambda: one.running == 1)
        second = asyncio.create_task(one.run(asked(leaves), _Heavy(freed)))
        await until(lambda: one.waiting == 1)
        leaves.set()
        with pytest.raises(ClientGone):
            await second
        del second
        await until(freed.is_set)
        gate.set()
        await first

    asyncio.run(run())


class _Heavy:
    def __init__(self, freed: threading.Event) -> None:
        self._freed = freed

    def __call__(self) -> None: ...

    def __del__(self) -> None:
        self._freed.set()


def test_cancelled_handler_leaks_nothing(gate: threading.Event) -> None:
    async def run() -> None:
        one = lane()
        first = asyncio.create_task(one.run(asked(), gate.wait))
        second = asyncio.create_task(one.run(asked(), gate.wait))
        await until(lambda: one.waiting == 1)
        first.cancel()
        second.cancel()
        await until(lambda: one.waiting == 0)
        assert one.running == 1
        gate.set()
        await until(lambda: one.running == 0)

    asyncio.run(run())


def test_closed_lane_finishes_what_runs(gate: threading.Event) -> None:
    async def run() -> None:
        one = lane()
        first = asyncio.create_task(one.run(asked(), lambda: gate.wait() and "done"))
        await until(lambda: one.running == 1)
        closing = asyncio.create_task(asyncio.to_thread(one.close))
        await asyncio.sleep(0.05)
        assert not closing.done()
        gate.set()
        await closing
        assert await first == "done"
        with pytest.raises(Overloaded, match="stopping"):
            await one.run(asked(), lambda: 1)

    asyncio.run(run())
