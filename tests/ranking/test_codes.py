"""Smaller vectors keep what they can keep, and a second look finds what codes alone do not."""

from __future__ import annotations

import numpy as np
import pytest

from bouba.ranking import codes


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def test_the_first_dimensions_have_length_one_again() -> None:
    vectors = codes.unit(normal(5, 12))
    short = codes.truncated(vectors, 4)
    assert short.shape == (5, 4)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(short[0] / short[0, 0], vectors[0, :4] / vectors[0, 0], rtol=1e-4)
    np.testing.assert_array_equal(codes.truncated(vectors, 12), codes.unit(vectors))


@pytest.mark.parametrize("dims", [0, 13])
def test_no_more_dimensions_than_there_are(dims: int) -> None:
    with pytest.raises(ValueError, match=f"{dims} of 12"):
        codes.truncated(normal(2, 12), dims)
    with pytest.raises(ValueError, match=f"{dims} of 12"):
        codes.principal_axes(normal(2, 12), dims)


def test_principal_axes_keep_all_where_vectors_lie_in_a_subspace() -> None:
    vectors = codes.unit(normal(200, 5) @ normal(5, 40, seed=1))
    axes = codes.principal_axes(vectors, 5)
    np.testing.assert_allclose(axes.T @ axes, np.eye(5), atol=1e-5)
    np.testing.assert_allclose((vectors @ axes) @ (vectors @ axes).T, vectors @ vectors.T, atol=1e-4)
    plain = codes.truncated(vectors, 5)
    assert np.abs(plain @ plain.T - vectors @ vectors.T).max() > 0.2


def test_every_machine_finds_the_same_axes() -> None:
    """In another order of the vectors, which rounds sums differently; and where they leave most axes open."""
    vectors = normal(7, 24)
    one, other = codes.principal_axes(vectors, 16), codes.principal_axes(vectors[::-1], 16)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_int8_scores_are_near_the_exact_ones() -> None:
    vectors, queries = codes.unit(normal(300, 64)), codes.unit(normal(9, 64, seed=1))
    scale = codes.int8_scale(vectors)
    coded = codes.int8_codes(vectors, scale)
    assert coded.dtype == np.int8
    assert np.abs(coded).max() == codes.STEPS
    error = np.abs(codes.int8_scores(queries, coded, scale) - queries @ vectors.T)
    assert error.max() <= (np.abs(queries) * scale / 2).sum(axis=1).max() + 1e-6
    assert codes.int8_codes(10 * vectors, scale).max() == codes.STEPS


def test_signs_are_bits_around_the_centre() -> None:
    vectors = np.array([[1, 2, 3, 4, 5, 6, 7, 8]], np.float32)
    assert codes.sign_codes(vectors, np.float32([0, 3, 0, 9, 0, 9, 9, 8])).tolist() == [[0b10101000]]


def test_candidates_are_those_with_the_fewest_unlike_bits() -> None:
    rng = np.random.default_rng(0)
    held, asked = (rng.integers(0, 256, (n, 8), np.uint8) for n in (500, 4))
    found = codes.sign_candidates(asked, held, 20)
    for query, rows in zip(asked, found, strict=True):
        distances = np.unpackbits(held ^ query, axis=1).sum(axis=1)
        assert distances[rows].max() <= np.delete(distances, rows).min()
    assert codes.sign_candidates(asked, held[:3], 20).shape == (4, 3)


def test_a_second_look_at_more_candidates_finds_more() -> None:
    centre = normal(1, 128)[0]
    vectors = codes.unit(centre * 0.5 + normal(2000, 128, seed=1))
    queries = codes.unit(vectors[:50] + 0.1 * normal(50, 128, seed=2))
    exact = codes.best_scored(queries @ vectors.T, 10)
    means = queries.mean(0), vectors.mean(0)
    asked, held = codes.sign_codes(queries, means[0]), codes.sign_codes(vectors, means[1])
    shares = []
    for look in (10, 100, 2000):
        found = codes.rescored(queries, codes.sign_candidates(asked, held, look), vectors, 10)
        shares.append(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, found, strict=True)]))
    assert shares[0] < shares[1] < shares[2] == 1.0
    np.testing.assert_array_equal(found, exact)
