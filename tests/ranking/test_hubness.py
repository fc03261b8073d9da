from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.ranking import hubness
from bouba.ranking.hubness import hub_bias, k_occurrences, pack_query, pack_rows, row_length, skewness, unpack_rows


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def drawn(n: int, dim: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(n, dim)))


def test_the_bias_is_the_strength_times_the_mean_of_the_highest_cosines():
    bank = np.eye(3, dtype=np.float32)
    item = np.array([[0.8, 0.6, 0.0]], np.float32)
    assert hub_bias(item, bank, neighbours=2, strength=0.5) == pytest.approx([0.5 * (0.8 + 0.6) / 2])
    assert hub_bias(item, bank, neighbours=1, strength=1.0) == pytest.approx([0.8])


def test_a_bank_of_fewer_queries_than_neighbours_counts_whole():
    items, bank = drawn(5, 8), drawn(3, 8, seed=1)
    assert hub_bias(items, bank, neighbours=8, strength=1.0) == pytest.approx((items @ bank.T).mean(axis=1), abs=1e-6)


def test_an_item_has_the_same_bias_whatever_else_is_in_its_batch_or_block(monkeypatch):
    items, bank = drawn(50, 16), drawn(40, 16, seed=1)
    whole = hub_bias(items, bank, neighbours=4, strength=0.5)
    monkeypatch.setattr(hubness, "BLOCK_BYTES", 7 * 4 * len(bank))  # seven items a block
    assert hub_bias(items, bank, neighbours=4, strength=0.5) == pytest.approx(whole, abs=1e-6)
    alone = [hub_bias(items[n : n + 1], bank, neighbours=4, strength=0.5)[0] for n in range(50)]
    assert alone == pytest.approx(whole, abs=1e-6)


def test_no_items_have_no_bias():
    assert hub_bias(drawn(3, 8)[:0], drawn(4, 8), neighbours=2, strength=0.5).shape == (0,)


@pytest.mark.parametrize(("queries", "neighbours"), [(0, 8), (4, 0)])
def test_an_empty_bank_or_no_neighbours_is_refused(queries: int, neighbours: int):
    with pytest.raises(ValueError, match="at least 1"):
        hub_bias(drawn(2, 8), drawn(9, 8)[:queries], neighbours=neighbours, strength=0.5)


@given(dim=st.integers(1, 40), weight=st.floats(-2, 2), seed=st.integers(0, 99))
def test_a_packed_query_asks_for_the_cosine_less_the_bias(dim: int, weight: float, seed: int):
    vectors, query = drawn(6, dim, seed), drawn(1, dim, seed + 100)[0]
    bias = np.linspace(-1, 1, 6, dtype=np.float32)
    rows = pack_rows(vectors, bias)
    assert rows.shape == (6, row_length(dim))
    assert rows.dtype == np.float32
    assert rows @ pack_query(query, weight) == pytest.approx(vectors @ query - weight * bias, abs=1e-5)
    assert rows @ pack_query(query, 0.0) == pytest.approx(vectors @ query, abs=1e-6)


@given(dim=st.integers(1, 2048))
def test_a_row_is_the_shortest_multiple_of_eight_with_room_for_the_bias(dim: int):
    assert row_length(dim) % 8 == 0
    assert dim + 1 <= row_length(dim) < dim + 9


def test_rows_give_back_what_was_packed():
    vectors, bias = drawn(4, 10), np.arange(4, dtype=np.float32)
    back, same = unpack_rows(pack_rows(vectors, bias), 10)
    assert np.array_equal(back, vectors)
    assert np.array_equal(same, bias)


def test_occurrences_count_the_answers_that_an_item_stands_in():
    found = np.array([[0, 1], [0, 2], [0, 1]])
    assert k_occurrences(found, 5).tolist() == [3, 2, 1, 0, 0]


def test_skewness_tells_few_hubs_from_even_counts():
    assert skewness(np.array([2, 2, 2])) == 0
    assert skewness(np.array([1, 2, 3])) == pytest.approx(0)
    # By hand: mean 1, deviations 3 x -1 and 3: 24 / 4 over (12 / 4) ** 1.5
    assert skewness(np.array([0, 0, 0, 4])) == pytest.approx(6 / 3**1.5)


def test_the_correction_takes_a_hub_out_of_answers_that_are_not_its_own():
    """An item that leans towards all that is asked is found for everything, and with its bias only where it is best."""
    topics = np.eye(12, dtype=np.float32)
    items = np.concatenate(
        [unit(topics + 3 * drawn(12, 12, seed=5)), unit(topics.sum(axis=0, keepdims=True) + 2 * topics[:1])]
    )
    bank, queries = (unit(np.repeat(topics, 20, axis=0) + 0.2 * drawn(240, 12, seed=seed)) for seed in (1, 2))
    bias = hub_bias(items, bank, neighbours=8, strength=0.5)
    rows = pack_rows(items, bias)
    own = np.repeat(np.arange(12), 20)

    def asked(weight: float) -> tuple[float, float]:
        order = np.argsort(-np.stack([pack_query(query, weight) for query in queries]) @ rows.T, axis=1)
        return float((order[:, 0] == own).mean()), skewness(k_occurrences(order[:, :3], len(items)))

    (hits, skewed), (better, flatter) = asked(0.0), asked(1.0)
    assert better > hits
    assert flatter < skewed
