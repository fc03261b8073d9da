from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.ranking.hamming import MOST_BITS, connected


def by_all_pairs(words: np.ndarray, max_bits: int) -> list[frozenset[int]]:
    sets = {row: {row} for row in range(len(words))}
    for a in range(len(words)):
        for b in range(a):
            if int(words[a] ^ words[b]).bit_count() <= max_bits and sets[a] is not sets[b]:
                sets[a] |= sets[b]
                for row in sets[b]:
                    sets[row] = sets[a]
    return sorted({frozenset(each) for each in sets.values()}, key=min)


@given(st.integers(0, MOST_BITS), st.integers(1, 60), st.integers(0, 2**32))
def test_the_same_sets_as_comparing_all(max_bits: int, count: int, seed: int) -> None:
    """Few bits are random in turn, so that chains and near misses are frequent."""
    rng = np.random.default_rng(seed)
    seeds = rng.integers(0, 2**64, 4, dtype=np.uint64)
    words = np.empty(count, np.uint64)
    for row in range(count):
        moved = rng.choice(64, rng.integers(0, 2 * MOST_BITS), replace=False).astype(np.uint64)
        words[row] = seeds[rng.integers(4)] ^ np.bitwise_or.reduce(np.uint64(1) << moved, initial=np.uint64(0))
    words = np.unique(words)
    labels = connected(words, max_bits)
    found = {label: frozenset(np.flatnonzero(labels == label).tolist()) for label in labels}
    assert sorted(found.values(), key=min) == by_all_pairs(words, max_bits)
    assert all(min(rows) == label for label, rows in found.items())


def test_none_and_one() -> None:
    assert connected(np.empty(0, np.uint64), 10).tolist() == []
    assert connected(np.uint64([7]), 10).tolist() == [0]


@pytest.mark.parametrize("bits", [-1, MOST_BITS + 1])
def test_bits_have_a_limit(bits: int) -> None:
    with pytest.raises(ValueError, match=str(MOST_BITS)):
        connected(np.uint64([1]), bits)
