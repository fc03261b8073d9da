"""Which records a step takes: a function of the seed and the step alone, so that a resumed run goes on alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bouba.errors import TrainingError

Indices = npt.NDArray[np.int64]


class Sampler:
    """Walks every source through seeded orders of its own, each record once an epoch.

    No record comes twice in a step, unless its source has fewer records than the step takes."""

    def __init__(self, sizes: Sequence[int], per_step: Sequence[int], seed: int) -> None:
        if not sizes or len(sizes) != len(per_step) or min(*sizes, *per_step) < 1:
            raise TrainingError(
                f"sources of {list(sizes)} records can't give {list(per_step)} a step: each at least 1."
            )
        self.sizes, self.per_step, self.seed = tuple(sizes), tuple(per_step), seed
        self._orders: dict[tuple[int, int], Indices] = {}  # (source, epoch); only to save time

    def batch(self, step: int) -> list[Indices]:
        """For each source int64 [per_step]: records of step `step`, counted from 0."""
        return [self._take(source, step) for source in range(len(self.sizes))]

    def _take(self, source: int, step: int) -> Indices:
        per = self.per_step[source]
        positions = step * per + np.arange(per)
        epochs, places = np.divmod(positions, self.sizes[source])
        out = np.empty(per, np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            out[here] = self._order(source, int(epoch))[places[here]]
        return out

    def _order(self, source: int, epoch: int) -> Indices:
        if (source, epoch) not in self._orders:
            # A step touches few epochs; older ones are dropped.
            keep = epoch - 1 - self.per_step[source] // self.sizes[source]
            self._orders = {k: v for k, v in self._orders.items() if k[0] != source or k[1] >= keep}
            self._orders[source, epoch] = self._draw(source, epoch)
        return self._orders[source, epoch]

    def _draw(self, source: int, epoch: int) -> Indices:
        size, per = self.sizes[source], self.per_step[source]
        if size < 2 * per:
            # Repeats of one order never hold a record twice in `size` places. A new one begins only where a step does.
            return _shuffled(self.seed, source, epoch - epoch % (per // math.gcd(size, per)), size)
        order = _shuffled(self.seed, source, epoch, size)
        before = epoch * size % per  # places of the step that ends the epoch before
        if before:
            last = _shuffled(self.seed, source, epoch - 1, size)[-before:]
            _keep_apart(order, per - before, last)
        return order


def _shuffled(seed: int, source: int, epoch: int, size: int) -> Indices:
    return np.random.default_rng([seed % 2**64, source, epoch]).permutation(size)


def _keep_apart(order: Indices, head: int, last: Indices) -> None:
    """Swap what the first `head` places share with `last` for what follows them, in place.

    Of the next len(last) places enough are free, as `last` has no more records than that; and with two steps or more
    an epoch, they end before the epoch's own last places, which the next epoch relies on."""
    shared = np.flatnonzero(np.isin(order[:head], last))
    after = head + np.flatnonzero(~np.isin(order[head : head + len(last)], last))[: len(shared)]
    order[shared], order[after] = order[after], order[shared]
