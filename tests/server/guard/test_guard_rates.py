from __future__ import annotations

import pytest

from bouba.server.guard.rates import Buckets


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_then_so_many_a_minute(clock: Clock) -> None:
    buckets = Buckets(clock=clock)
    assert [buckets.take("a", 60, 3) for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a", 60, 3) == pytest.approx(1.0)
    clock.now = 0.5
    assert buckets.take("a", 60, 3) == pytest.approx(0.5)
    clock.now = 1.0
    assert buckets.take("a", 60, 3) == 0
    assert buckets.take("a", 60, 3) > 0
    assert buckets.take("b", 60, 3) == 0


def test_over_an_hour_it_is_the_rate(clock: Clock) -> None:
    buckets = Buckets(clock=clock)
    passed = 0
    for n in range(36_000):
        clock.now = n / 10
        passed += buckets.take("a", 60, 10) == 0
    assert passed == pytest.approx(3600 + 10, abs=2)


def test_to_wait_as_told_is_enough(clock: Clock) -> None:
    buckets = Buckets(clock=clock)
    for _ in range(5):
        buckets.take("a", 7, 5)
    for _ in range(20):
        clock.now += buckets.take("a", 7, 5) + 1e-9
        assert buckets.take("a", 7, 5) == 0


def test_memory_is_bounded(clock: Clock) -> None:
    buckets = Buckets(most=10, clock=clock)
    for n in range(1000):
        buckets.take(str(n), 60, 1)
    assert len(buckets) == 10
    assert buckets.take("999", 60, 1) > 0  # the latest are remembered
    assert buckets.take("0", 60, 1) == 0
