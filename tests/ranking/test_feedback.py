from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.errors import QueryError
from bouba.ranking.feedback import MARGIN, MAX_EXAMPLES, STEP, Spread, steer

DIM = 24
NONE = np.empty((0, DIM), np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def drawn(n: int, seed: int = 0, dim: int = DIM) -> np.ndarray:
    """Unit vectors that have a mean and differ more in some directions than in others, as pictures do."""
    rng = np.random.default_rng(seed)
    return unit(rng.normal(size=(n, dim)) * np.linspace(2, 0.3, dim) + np.linspace(0, 1, dim))


@pytest.fixture(scope="module")
def spread() -> Spread:
    return Spread.of(drawn(400), 400)


def ranks(direction: np.ndarray, items: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(-(items @ direction)))


def test_without_examples_it_is_the_query(spread: Spread) -> None:
    query = drawn(1, seed=1)[0]
    assert np.array_equal(steer(query, NONE, NONE, spread).vector, query)


def test_liked_items_rise_and_disliked_ones_fall(spread: Spread) -> None:
    items, query = drawn(400), drawn(1, seed=1)[0]
    order = np.argsort(-(items @ query))
    liked, disliked = order[[5, 9, 14]], order[[0, 1, 2]]
    after = ranks(steer(query, items[liked], items[disliked], spread).vector, items)
    before = ranks(query, items)
    assert (after[liked] < before[liked]).all()
    assert (after[disliked] > before[disliked]).all()


def test_what_is_like_the_examples_moves_with_them(spread: Spread) -> None:
    items, query = drawn(400), drawn(1, seed=1)[0]
    order = np.argsort(-(items @ query))
    liked, disliked = items[order[20:23]], items[order[0:3]]
    rng = np.random.default_rng(3)
    near_liked, near_disliked = (unit(rows + rng.normal(0, 0.02, rows.shape)) for rows in (liked, disliked))
    direction = steer(query, liked, disliked, spread).vector
    gap = (near_liked @ direction).mean() - (near_disliked @ direction).mean()
    assert gap > (near_liked @ query).mean() - (near_disliked @ query).mean()


def test_the_weights_say_which_example_told_something_new(spread: Spread) -> None:
    items, query = drawn(400), drawn(1, seed=1)[0]
    order = np.argsort(-(items @ query))
    steered = steer(query, items[order[[0, 200]]], items[order[[1, 399]]], spread)
    assert min(steered.liked) > 0
    assert max(steered.disliked) < 0
    assert steered.liked[0] < steered.liked[1]  # the query's first hit was liked anyway
    assert steered.disliked[0] < steered.disliked[1]  # and nobody was shown the last one


def test_without_a_query_it_starts_from_what_is_liked(spread: Spread) -> None:
    items = drawn(400)
    liked = items[[3, 4]]
    direction = steer(None, liked, NONE, spread).vector
    assert set(np.argsort(-(items @ direction))[:2]) == {3, 4}


def test_nothing_that_is_looked_for_is_refused(spread: Spread) -> None:
    with pytest.raises(QueryError, match="Nothing is looked for"):
        steer(None, NONE, drawn(2), spread)


@pytest.mark.parametrize("side", ["liked", "disliked"])
def test_too_many_examples_are_refused_with_their_number(spread: Spread, side: str) -> None:
    many = drawn(MAX_EXAMPLES + 1)
    with pytest.raises(QueryError, match=f"{MAX_EXAMPLES + 1} {side}"):
        steer(drawn(1)[0], many if side == "liked" else NONE, NONE if side == "liked" else many, spread)


def test_as_many_as_are_allowed_are_separated(spread: Spread) -> None:
    items, query = drawn(400, seed=5), drawn(1, seed=1)[0]
    wish = drawn(1, seed=9)[0] - drawn(1, seed=8)[0]
    order = np.argsort(-(items @ wish))
    liked, disliked = items[order[:MAX_EXAMPLES]], items[order[-MAX_EXAMPLES:]]
    direction = steer(query, liked, disliked, spread).vector
    rest = items[order[MAX_EXAMPLES:-MAX_EXAMPLES]]
    assert np.corrcoef(rest @ direction, rest @ wish)[0, 1] > np.corrcoef(rest @ query, rest @ wish)[0, 1] + 0.2


def test_an_empty_gallery_is_refused() -> None:
    with pytest.raises(QueryError, match="empty"):
        Spread.of(NONE, 0)


def test_a_direction_that_cancels_out_is_refused(spread: Spread) -> None:
    one = drawn(1)
    with pytest.raises(QueryError, match="cancel"):
        steer(None, np.concatenate([one, -one]), NONE, spread)


@given(
    items=st.integers(1, 40),
    liked=st.integers(0, 8),
    disliked=st.integers(0, 8),
    copies=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_gallery_and_any_examples_give_a_direction(
    items: int, liked: int, disliked: int, copies: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    gallery = drawn(items, seed)
    gallery = gallery[np.zeros(items, int)] if copies else gallery
    more, less = (gallery[rng.integers(0, items, count)] for count in (liked, disliked))
    steered = steer(drawn(1, seed + 1)[0], more, less, Spread.of(gallery, items))
    assert steered.vector.dtype == np.float32
    assert np.linalg.norm(steered.vector) == pytest.approx(1, abs=1e-5)
    assert (len(steered.liked), len(steered.disliked)) == (liked, disliked)
    assert all(pull >= 0 for pull in steered.liked)
    assert all(pull <= 0 for pull in steered.disliked)


@given(seed=st.integers(0, 200), turn=st.integers(1, 5))
def test_the_order_of_examples_and_the_axes_of_space_do_not_matter(seed: int, turn: int) -> None:
    """The same gallery in another coordinate system has the same answer there."""
    items, query = drawn(60, seed), drawn(1, seed + 1)[0]
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))[0].astype(np.float32)
    spread, turned = Spread.of(items, 60), Spread.of(items @ rotation, 60)
    liked, disliked = items[:3], items[3:6]
    here = steer(query, liked, disliked, spread).vector
    there = steer(query @ rotation, np.roll(liked, turn, 0) @ rotation, np.roll(disliked, turn, 0) @ rotation, turned)
    assert there.vector == pytest.approx(here @ rotation, abs=1e-4)


def test_the_fit_is_the_minimum(spread: Spread) -> None:
    """Against plain gradient descent on the same cost, in the space of directions."""
    items, query = drawn(400), drawn(1, seed=1)[0].astype(np.float64)
    liked, disliked = items[:3].astype(np.float64), items[3:5].astype(np.float64)
    examples = np.concatenate([liked, disliked]) - spread.mean
    signs = np.array([1, 1, 1, -1, -1])
    weights = np.where(signs > 0, 5 / 2 / 3, 5 / 2 / 2)
    prior = query / spread.deviation(query)
    change = np.zeros(DIM)
    for _ in range(20_000):
        wrong = 1 / (1 + np.exp(signs * (examples @ (prior + change) - MARGIN * spread.reach)))
        change += 0.05 * (STEP * spread.metric @ examples.T @ (weights * signs * wrong) - change)
    expected = unit(prior + change)
    assert steer(query.astype(np.float32), items[:3], items[3:5], spread).vector == pytest.approx(expected, abs=1e-4)
