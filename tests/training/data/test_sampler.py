"""Every record once an epoch, none twice in a step, and all of it a function of seed and step."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bouba.errors import TrainingError
from bouba.training.data.sampler import Sampler


@settings(max_examples=150, deadline=None)
@given(size=st.integers(1, 60), per=st.integers(1, 25), seed=st.integers(-3, 2**40))
def test_every_record_once_an_epoch_and_none_twice_a_step(size: int, per: int, seed: int) -> None:
    steps = 3 * size // per + 3
    sampler = Sampler([size], [per], seed)
    batches = [sampler.batch(step)[0] for step in range(steps)]
    stream = np.concatenate(batches)
    for start in range(0, len(stream) - size + 1, size):
        assert sorted(stream[start : start + size]) == list(range(size))
    for batch in batches:
        most = np.bincount(batch).max()
        assert most <= -(-per // size)


@given(step=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_a_step_hangs_on_nothing_before_it(step: int) -> None:
    walked = Sampler([101, 7, 12], [10, 9, 8], seed=4)
    for earlier in (step + 5, max(0, step - 1), step):
        last = walked.batch(earlier)
    fresh = pickle.loads(pickle.dumps(Sampler([101, 7, 12], [10, 9, 8], seed=4))).batch(step)
    assert all(np.array_equal(a, b) for a, b in zip(last, fresh, strict=True))


def test_epochs_sources_and_seeds_have_orders_of_their_own() -> None:
    sampler = Sampler([40, 40], [40, 40], seed=1)
    orders = [*sampler.batch(0), *sampler.batch(1), *Sampler([40], [40], seed=2).batch(0)]
    assert len({tuple(order) for order in orders}) == 5


def test_what_cannot_be_drawn() -> None:
    for sizes, per in (([], []), ([3], [1, 2]), ([0], [1]), ([3], [0])):
        with pytest.raises(TrainingError, match="each at least 1"):
            Sampler(sizes, per, 0)


def test_memory_stays_bounded_over_epochs() -> None:
    sampler = Sampler([30], [10], seed=0)
    for step in range(100):
        sampler.batch(step)
    assert len(sampler._orders) <= 3
