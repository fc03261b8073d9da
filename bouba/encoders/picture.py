"""A picture as an image tower takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

    from bouba.types import Pixels


def fit_picture(
    rgb: Image,
    size: int,
    resize: Literal["squash", "crop"],
    interpolation: Literal["bilinear", "bicubic"],
    *,
    box: tuple[float, float, float, float] | None = None,
) -> Pixels:
    """An RGB picture as uint8 [size, size, 3]: all of it squashed, its middle square, or the part `box` (pixels, left
    top right bottom)."""
    from PIL.Image import Resampling

    filter_ = Resampling.BILINEAR if interpolation == "bilinear" else Resampling.BICUBIC
    if box is None and resize == "crop":
        side = min(rgb.size)
        left, top = (rgb.width - side) / 2, (rgb.height - side) / 2
        box = (left, top, left + side, top + side)
    return np.asarray(rgb.resize((size, size), filter_, box=box))
