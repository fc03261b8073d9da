from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.ranking.diversity import (
    BUSY_COSINE,
    MAX_BITS,
    MIN_SET_BITS,
    SEEN_COSINE,
    diverse,
    fold,
    hash_words,
    next_fetch,
    telling,
)

HALF = 0x0F0F0F0F0F0F0F0F  # 32 bits set


def flipped(word: int, bits: range) -> int:
    for bit in bits:
        word ^= 1 << bit
    return word


def words(*values: int) -> np.ndarray:
    return hash_words([f"{value:016x}" for value in values])


def at_cosines(*cosines: float) -> np.ndarray:
    """The first unit vector, and one at each of these cosines from it."""
    rows = [[c, np.sqrt(1 - c * c)] for c in (1.0, *cosines)]
    return np.asarray(rows, np.float32)


def no_look(rows: np.ndarray) -> np.ndarray:
    return np.full((len(rows), 768), np.nan, np.float32)


def busy_look(*differences: float) -> object:
    """Miniatures of many shades; each differs from the first by a constant."""
    shades = np.linspace(-1.7, 1.7, 768, dtype=np.float32)
    looks = np.stack([shades + difference for difference in (0.0, *differences)])
    return lambda rows: looks[rows]


def on_white(*differences: float) -> object:
    """The same for pictures whose background is most of them."""
    shades = np.full(768, 0.5, np.float32)
    shades[:192] = np.linspace(-3, 0, 192)
    looks = np.stack([shades + difference for difference in (0.0, *differences)])
    return lambda rows: looks[rows]


def test_the_same_hash_and_vector_are_one_without_a_look() -> None:
    def unasked(rows: np.ndarray) -> np.ndarray:
        raise AssertionError(rows)

    assert fold(words(HALF, HALF ^ 3), at_cosines(0.995), unasked) == [[0, 1]]


@pytest.mark.parametrize(
    ("bits", "cosine", "look", "joined"),
    [
        (MAX_BITS, SEEN_COSINE + 0.01, busy_look(0.29), True),  # it looks the same
        (MAX_BITS, SEEN_COSINE + 0.01, busy_look(0.31), False),
        (MAX_BITS, SEEN_COSINE - 0.01, busy_look(0.0), False),
        (MAX_BITS + 1, 0.999, busy_look(0.0), False),
        (MAX_BITS, BUSY_COSINE + 0.01, busy_look(2.0), True),  # a crop of a photo
        (MAX_BITS, BUSY_COSINE - 0.01, busy_look(2.0), False),
        (MAX_BITS, 0.98, on_white(2.0), False),  # another shoe on white
        (MAX_BITS, 0.98, on_white(0.2), True),
        (MAX_BITS, 0.98, no_look, False),
    ],
)
def test_witnesses(bits: int, cosine: float, look: object, joined: bool) -> None:
    found = fold(words(HALF, flipped(HALF, range(bits))), at_cosines(cosine), look)
    assert found == ([[0, 1]] if joined else [[0], [1]])


@pytest.mark.parametrize("plain", [0, 2**64 - 1 >> 50])
def test_plain_pictures_are_never_folded(plain: int) -> None:
    assert plain.bit_count() < MIN_SET_BITS
    assert fold(words(plain, plain), at_cosines(1.0), busy_look(0.0)) == [[0], [1]]


def test_no_hash_is_a_plain_one() -> None:
    assert telling(hash_words(["", "0f" * 8, "zz"[:0]])).tolist() == [False, True, False]


def test_a_chain_does_not_join_its_ends() -> None:
    """Each is near the next; the third is far from the first, which leads the second."""
    chain = words(*(flipped(HALF, range(8 * n)) for n in range(5)))
    same = np.tile(np.float32([1, 0]), (5, 1))
    assert fold(chain, same, busy_look(0, 0, 0, 0)) == [[0, 1], [2, 3], [4]]


def test_limit_stops_with_all_copies_of_its_groups() -> None:
    far = 0xF0F0F0F0F0F0F0F0
    rows = words(HALF, far, 0xFF00FF00FF00FF00, HALF, far)
    same = np.tile(np.float32([1, 0]), (5, 1))
    assert fold(rows, same, no_look, limit=2) == [[0, 3], [1, 4]]
    assert fold(rows, same, no_look) == [[0, 3], [1, 4], [2]]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=12), st.integers(0, 2**32))
def test_every_row_is_in_one_group_whose_leader_is_its_best(values: list[int], seed: int) -> None:
    """And leaders come in the order of their ranks."""
    rng = np.random.default_rng(seed)
    mixed = [values[i] ^ (1 << int(rng.integers(64))) for i in rng.integers(0, len(values), 2 * len(values))] + values
    vectors = np.tile(np.float32([1, 0]), (len(mixed), 1))
    groups = fold(words(*mixed), vectors, no_look)
    assert sorted(row for group in groups for row in group) == list(range(len(mixed)))
    assert all(group == sorted(group) for group in groups)
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)


def test_next_fetch_grows_until_there_is_enough() -> None:
    fetched = next_fetch(12)
    assert fetched > 12
    assert next_fetch(12, fetched, 11) == 2 * fetched
    assert next_fetch(12, 100, 1) >= 1200  # by what was seen: a hundred copies of each


def clusters(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three tight clusters of ten, the best one first, and a stray at the end."""
    centres = np.eye(4, 8)
    rows = np.concatenate([np.repeat(centres[:3], 10, axis=0), centres[3:]]) + rng.normal(0, 0.05, (31, 8))
    scores = np.append(np.linspace(0.9, 0.8, 30), 0.5)
    return scores, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_diverse_takes_one_of_each_kind_and_no_stray() -> None:
    scores, vectors = clusters(np.random.default_rng(0))
    chosen = diverse(scores, vectors, 3)
    assert chosen[0] == 0
    assert [row // 10 for row in chosen] == [0, 1, 2]


def test_only_relevance_is_the_ranking_itself() -> None:
    scores, vectors = clusters(np.random.default_rng(1))
    assert diverse(scores, vectors, 5, relevance=1.0) == [0, 1, 2, 3, 4]


@given(st.integers(1, 12), st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_lazy_is_greedy(k: int, seed: int, relevance: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(30, 6))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    scores = np.sort(rng.uniform(size=30))[::-1]
    about = vectors - vectors.mean(axis=0)
    about /= np.linalg.norm(about, axis=1, keepdims=True)
    likeness = np.maximum(about @ about.T, 0)
    goodness = (scores - scores.min()) / np.ptp(scores)
    weight = 1 / np.log2(2 + np.arange(30))
    weight *= (1 - relevance) * k / weight.sum()
    chosen = [0]
    while len(chosen) < k:
        covered = likeness[chosen].max(axis=0)
        gains = relevance * goodness + np.maximum(likeness - covered, 0) @ weight
        gains[chosen] = -np.inf
        chosen.append(int(np.argmax(gains)))
    assert diverse(scores, vectors, k, relevance) == sorted(chosen)


def test_few_rows_are_all_chosen() -> None:
    assert diverse(np.ones(2), at_cosines(0.5), 5) == [0, 1]
    assert diverse(np.empty(0), np.empty((0, 2), np.float32), 5) == []


def test_equal_scores_and_vectors() -> None:
    assert diverse(np.ones(6), np.tile(np.float32([1, 0]), (6, 1)), 3) == [0, 1, 2]


def test_relevance_is_a_share() -> None:
    with pytest.raises(ValueError, match="share"):
        diverse(np.ones(2), at_cosines(0.5), 1, relevance=1.5)
