"""Where in a picture a query matches: scores of its parts, as a map.

The picture is looked at through overlapping windows. What a window shows as a whole is known of any model: windows say
what it sees in a place as occlusion does (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional
Networks") and random masks do (RISE: Petsiuk et al. 2018), and point better for as many runs. A tower with a grid
also says what stands in each cell of a window, as in class activation maps (Zhou et al. 2016, "Learning Deep Features
for Discriminative Localization"), so that fewer windows do; the grid of the picture as a whole is coarser, and a cell
of it knows too much of the others (benchmarks/pointing.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bouba.types import Vectors

Floats = npt.NDArray[np.float32]

PLACES = 12  # rows and columns that windows are cut along, and of a map that is made of crops
HALVES, THIRDS = (6, 3), (4, 2)  # in places: the side of a window, and the step to the next one
# So many windows of average score every place is counted into: corners lie in few, and stand out by chance otherwise.
GRID_DOUBT, CROP_DOUBT = 1, 4
FLAT = 1e-4  # of the cosine: below it a map says nothing
TIE = 1e-6  # of the cosine
ROWS, COLUMNS = ("upper", "", "lower"), ("left", "", "right")
SIDES = {"upper ": "top", "lower ": "bottom", " left": "left side", " right": "right side", " ": "middle"}


@dataclass(frozen=True, slots=True)
class Window:
    """A square of places."""

    left: int
    top: int
    side: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in shares of the picture's width and height."""
        right, bottom = self.left + self.side, self.top + self.side
        return self.left / PLACES, self.top / PLACES, right / PLACES, bottom / PLACES


def halves() -> list[Window]:
    """Nine windows of half the width and height, for `map_of_grids`."""
    return list(_windows(*HALVES))


def halves_and_thirds() -> list[Window]:
    """34 windows, for `map_of_crops`."""
    return [*_windows(*HALVES), *_windows(*THIRDS)]


def _windows(side: int, step: int) -> Iterator[Window]:
    for top in range(0, PLACES - side + 1, step):
        for left in range(0, PLACES - side + 1, step):
            yield Window(left, top, side)


def map_of_grids(grids: Vectors, queries: Vectors) -> Floats:
    """Unit vectors of the cells of `halves()` [9, rows, columns, dim] and of queries [q, dim] -> maps [q, 2 rows,
    2 columns].

    A place has the mean cosine of the cells that lie there, drawn to the mean over all where few do, smoothed with its
    neighbours, less the mean over the picture: above 0 is what matches better than the picture does on average."""
    scores = _smoothed(np.einsum("wijd,qd->wqij", grids, queries))
    scores -= scores.mean(axis=(0, 2, 3), keepdims=True)
    fine = scores.repeat(2, axis=2).repeat(2, axis=3)  # so that windows a quarter apart meet at whole numbers
    rows, columns = grids.shape[1:3]
    sums, counts = _empty(len(queries), 4 * rows, 4 * columns)
    for window, heat in zip(halves(), fine, strict=True):
        top, left = window.top * rows // HALVES[1], window.left * columns // HALVES[1]
        sums[:, top : top + 2 * rows, left : left + 2 * columns] += heat
        counts[top : top + 2 * rows, left : left + 2 * columns] += 1
    heats = (sums / (counts + GRID_DOUBT)).reshape(len(queries), 2 * rows, 2, 2 * columns, 2).mean(axis=(2, 4))
    return _contrasted(_smoothed(heats))


def map_of_crops(vectors: Vectors, queries: Vectors) -> Floats:
    """Unit vectors of `halves_and_thirds()` [34, dim] and of queries [q, dim] -> maps [q, PLACES, PLACES].

    A place has the mean cosine of the windows that it lies in, drawn, smoothed and contrasted in the same way."""
    scores = vectors @ queries.T
    scores -= scores.mean(axis=0)
    sums, counts = _empty(len(queries), PLACES, PLACES)
    for window, heat in zip(halves_and_thirds(), scores, strict=True):
        rows, columns = (slice(start, start + window.side) for start in (window.top, window.left))
        sums[:, rows, columns] += heat[:, None, None]
        counts[rows, columns] += 1
    return _contrasted(_smoothed(sums / (counts + CROP_DOUBT)))


def _empty(queries: int, rows: int, columns: int) -> tuple[Floats, Floats]:
    """For each query a sum, and how many were summed."""
    return np.zeros((queries, rows, columns), np.float32), np.zeros((rows, columns), np.float32)


def _contrasted(maps: Floats) -> Floats:
    return np.asarray(maps - maps.mean(axis=(1, 2), keepdims=True), np.float32)


def _smoothed(maps: Floats) -> Floats:
    """Each number of maps [..., rows, columns] the mean of 3 x 3; at the border its own stand for those outside."""
    rows, columns = maps.shape[-2:]
    padded = np.pad(maps, [(0, 0)] * (maps.ndim - 2) + [(1, 1), (1, 1)], mode="edge")
    shifted = [padded[..., i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return np.asarray(np.mean(shifted, axis=0), np.float32)


def warmth(heat: Floats) -> Floats:
    """A map to be shown: 0 where it matches no better than on average, 1 at its maximum; all 0 where it is flat."""
    top = float(heat.max())
    return np.clip(heat / top, 0, 1) if top > FLAT else np.zeros_like(heat)


def peak(heat: Floats) -> tuple[float, float]:
    """The middle of the warmest place of a map [rows, columns], in shares of the width and of the height; of several
    alike, as within one crop, the one amid them; of a flat map, the picture's middle."""
    if float(heat.max()) <= FLAT:
        return 0.5, 0.5
    alike = np.argwhere(heat >= heat.max() - TIE)
    row, column = alike[np.abs(alike - alike.mean(axis=0)).sum(axis=1).argmin()].tolist()
    return (column + 0.5) / heat.shape[1], (row + 0.5) / heat.shape[0]


def in_words(heat: Floats) -> str:
    """Where the warmest place lies: "upper left", "top", "middle", ...; "all over" for a flat map."""
    if float(heat.max()) <= FLAT:
        return "all over"
    x, y = peak(heat)
    name = f"{ROWS[int(3 * y)]} {COLUMNS[int(3 * x)]}"
    return SIDES.get(name, name)
