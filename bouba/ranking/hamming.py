"""Which of very many perceptual hashes are near each other, without comparing all with all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

MOST_BITS = 16  # beyond it the tables are so many, and their keys so short, that all is compared with all
AGREEING = 3  # blocks: with two, keys of 100,000 words are too short; with four, the tables are a thousand
_PENDING = 1 << 20  # pairs kept before they are joined


def connected(words: Words, max_bits: int) -> Ints:
    """A number for each of the distinct words [n], the same for words joined by steps of at most `max_bits` bits.

    Words cut into `max_bits` + 3 blocks agree in at least three of them if no more than `max_bits` bits differ, so only
    words that share three blocks are compared (Manku, Jain and Das Sarma, Detecting Near-Duplicates for Web Crawling,
    WWW 2007). Some tens of bytes a word are needed."""
    if not 0 <= max_bits <= MOST_BITS:
        raise ValueError(f"max_bits is {max_bits}: from 0 to {MOST_BITS} of the 64 bits may differ")
    labels = np.arange(len(words))
    for key in _keys(max_bits + AGREEING):
        for near, far in _near_pairs(words, key, max_bits):
            labels = _joined(labels, near, far)
    return labels


def _keys(blocks: int) -> list[np.uint64]:
    """Masks of every three of so many blocks of the 64 bits."""
    edges = [64 * n // blocks for n in range(blocks + 1)]
    masks = [((1 << high) - 1) ^ ((1 << low) - 1) for low, high in pairwise(edges)]
    return [np.uint64(a | b | c) for a, b, c in combinations(masks, AGREEING)]


def _near_pairs(words: Words, key: np.uint64, max_bits: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows of words that are equal under the mask and near: in order of the key, each with those that follow."""
    order = np.argsort(words & key)
    ordered = words[order]
    keys = ordered & key
    rows, step, pending = np.flatnonzero(keys[1:] == keys[:-1]), 1, 0
    found: list[tuple[Ints, Ints]] = []
    while len(rows):
        hits = rows[np.bitwise_count(ordered[rows] ^ ordered[rows + step]) <= max_bits]
        found.append((order[hits], order[hits + step]))
        pending, step = pending + len(hits), step + 1
        rows = rows[rows < len(words) - step]
        rows = rows[keys[rows] == keys[rows + step]]
        if pending >= _PENDING or not len(rows):
            yield np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])
            found, pending = [], 0


def _joined(labels: Ints, near: Ints, far: Ints) -> Ints:
    """Labels, each the lowest row of its set, after these pairs of rows were joined."""
    while True:
        a, b = labels[near], labels[far]
        apart = a != b
        if not apart.any():
            return labels
        near, far, a, b = near[apart], far[apart], a[apart], b[apart]
        np.minimum.at(labels, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(nearer := labels[labels], labels):
            labels = nearer
