from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bouba.errors import StoreUnavailable
from bouba.overlay import GAP, overlay, save

PICTURE = Image.new("RGB", (90, 60), (40, 120, 60))
CORNER = np.array([[1, -1, -1], [-1, -1, -1], [-1, -1, -1]], np.float32)


def pixels(*maps: np.ndarray, box: tuple[float, float, float, float] = (0, 0, 90, 60)) -> np.ndarray:
    return np.asarray(overlay(PICTURE, box, maps), int)


def test_warm_places_light_up_and_cold_ones_stay() -> None:
    drawn, bare = pixels(CORNER), pixels(np.zeros((3, 3), np.float32))
    assert drawn.shape == (60, 90, 3)
    assert (drawn[30:, 60:] == bare[30:, 60:]).all()
    assert drawn[10, 15].sum() > bare[10, 15].sum() + 150  # yellow, the lightest


def test_a_flat_map_leaves_the_picture_without_a_mark() -> None:
    drawn = pixels(np.zeros((9, 9), np.float32))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_a_ring_marks_the_warmest_place() -> None:
    drawn = pixels(CORNER)
    white = np.argwhere((drawn == 255).all(-1))
    assert len(white)
    assert np.abs(white - [10, 15]).max() <= 8


def test_a_map_covers_its_box_alone() -> None:
    drawn, bare = pixels(CORNER, box=(15, 0, 75, 60)), pixels(np.zeros((3, 3), np.float32))
    assert (drawn[:, :14] == bare[:, :14]).all()
    assert (drawn[2, 17] != bare[2, 17]).any()


def test_maps_stand_side_by_side() -> None:
    both = pixels(CORNER, -CORNER)
    assert both.shape == (60, 2 * 90 + GAP, 3)
    assert (both[:, :90] == pixels(CORNER)).all()
    assert (both[:, 90 : 90 + GAP] == 255).all()


@pytest.mark.parametrize("name", ["no/folder/heat.png", "heat.what"])
def test_places_that_cannot_be_written_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"heat map cannot be written to .*heat\.\w+"):
        save(overlay(PICTURE, (0, 0, 90, 60), [CORNER]), tmp_path / name)
