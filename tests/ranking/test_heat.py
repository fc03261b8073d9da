from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.ranking.heat import (
    PLACES,
    Window,
    halves,
    halves_and_thirds,
    in_words,
    map_of_crops,
    map_of_grids,
    peak,
    warmth,
)

AXES = np.eye(4, dtype=np.float32)
ROWS, COLUMNS = 9, 12  # of a window's grid
POINTS = [(0.1, 0.1), (0.9, 0.2), (0.5, 0.5), (0.15, 0.85), (0.7, 0.4)]


def grids_with(x: float, y: float) -> np.ndarray:
    """Cells of nine windows that all say "1", but for those at a point, which say "0"."""
    grids = np.tile(AXES[1], (9, ROWS, COLUMNS, 1))
    for grid, window in zip(grids, halves(), strict=True):
        left, top, right, bottom = window.box
        row, column = int((y - top) / (bottom - top) * ROWS), int((x - left) / (right - left) * COLUMNS)
        if 0 <= row < ROWS and 0 <= column < COLUMNS and x >= left and y >= top:
            grid[row, column] = AXES[0]
    return grids


@given(st.floats(0.03, 0.97), st.floats(0.03, 0.97))
def test_a_map_of_grids_is_warmest_where_the_cells_match(x: float, y: float) -> None:
    (heat,) = map_of_grids(grids_with(x, y), AXES[:1])
    assert heat.shape == (2 * ROWS, 2 * COLUMNS)
    assert np.abs(np.subtract(peak(heat), (x, y))).max() < 0.09


def test_each_query_has_its_own_map_about_nought() -> None:
    for heats in (
        map_of_grids(grids_with(0.3, 0.4), AXES),
        map_of_crops(np.stack([AXES[n % 2] for n in range(34)]), AXES),
    ):
        assert len(heats) == 4
        np.testing.assert_allclose(heats.mean(axis=(1, 2)), 0, atol=1e-6)
        np.testing.assert_allclose(heats[0], -heats[1], atol=1e-6)
        assert not heats[2].any()


@pytest.mark.parametrize(("windows", "count", "least"), [(halves(), 9, 1), (halves_and_thirds(), 34, 2)])
def test_windows_cover_every_place_within_the_picture(windows: list[Window], count: int, least: int) -> None:
    covered = np.zeros((PLACES, PLACES), int)
    for window in windows:
        assert min(window.box) >= 0
        assert max(window.box) <= 1
        covered[window.top : window.top + window.side, window.left : window.left + window.side] += 1
    assert len(windows) == count
    assert covered.min() == least
    np.testing.assert_array_equal(covered, covered[::-1])
    np.testing.assert_array_equal(covered, covered.T)


@pytest.mark.parametrize(("x", "y"), POINTS)
def test_crops_that_hold_a_point_point_at_it(x: float, y: float) -> None:
    def holds(box: tuple[float, float, float, float]) -> bool:
        return box[0] <= x <= box[2] and box[1] <= y <= box[3]

    vectors = np.stack([AXES[0] if holds(window.box) else AXES[1] for window in halves_and_thirds()])
    (heat,) = map_of_crops(vectors, AXES[:1])
    assert heat.shape == (PLACES, PLACES)
    assert np.hypot(*np.subtract(peak(heat), (x, y))) < 1 / 6  # the step of the thirds


@pytest.mark.parametrize(
    ("row", "column", "where"),
    [(0, 0, "upper left"), (0, 4, "top"), (0, 8, "upper right"), (4, 0, "left side"), (4, 4, "middle"),
     (4, 8, "right side"), (8, 0, "lower left"), (8, 4, "bottom"), (8, 8, "lower right")],
)  # fmt: skip
def test_places_have_names(row: int, column: int, where: str) -> None:
    heat = np.zeros((9, 9), np.float32)
    heat[row, column] = 1
    assert in_words(heat) == where
    assert peak(heat) == pytest.approx(((column + 0.5) / 9, (row + 0.5) / 9))


def test_a_flat_map_points_nowhere() -> None:
    flat = np.full((9, 9), 1e-6, np.float32)
    assert in_words(flat) == "all over"
    assert peak(flat) == (0.5, 0.5)
    assert not warmth(flat).any()


def test_of_places_alike_the_one_amid_them_is_the_peak() -> None:
    heat = np.zeros((9, 9), np.float32)
    heat[1:4, 5:8] = 0.5
    assert peak(heat) == pytest.approx((6.5 / 9, 2.5 / 9))


def test_warmth_is_what_is_above_the_mean() -> None:
    heat = np.array([[-0.2, 0.0], [0.1, 0.2]], np.float32)
    np.testing.assert_allclose(warmth(heat), [[0, 0], [0.5, 1]])
