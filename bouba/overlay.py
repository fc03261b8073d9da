"""A heat map laid over its picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

from bouba.errors import StoreUnavailable
from bouba.ranking.heat import Floats, peak, warmth

Box = tuple[float, float, float, float]
# Five colours of "plasma" (van der Walt and Smith 2015): lighter is warmer, so that it is read without telling hues.
COLOURS = ((13, 8, 135), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33))
STRONGEST = 0.7  # how much of the picture the warmest place covers
SATURATION = 0.4  # of the picture below, whose own colours should not be taken for heat
RING = 0.035  # of the picture's shorter side: the mark around the warmest place
GAP = 12  # pixels between pictures
PAPER = "#ffffff"


def overlay(picture: Image.Image, box: Box, maps: Sequence[Floats]) -> Image.Image:
    """`picture` once for each map [rows, columns], which covers `box` (pixels: left, top, right, bottom) of it, side by
    side. A ring marks the warmest place; where a map is cold the picture shows through."""
    width, height = picture.size
    drawn = Image.new("RGB", (len(maps) * (width + GAP) - GAP, height), PAPER)
    for place, heat in enumerate(maps):
        drawn.paste(_heated(picture, box, heat), (place * (width + GAP), 0))
    return drawn


def save(drawn: Image.Image, path: Path) -> None:
    """In the format that the file name's ending asks for. Raises StoreUnavailable."""
    try:
        drawn.save(path)
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"The heat map cannot be written to {path}: {error}. Try another name.png.") from error


def _heated(picture: Image.Image, box: Box, heat: Floats) -> Image.Image:
    shown = ImageEnhance.Color(picture).enhance(SATURATION)
    left, top, right, bottom = (round(edge) for edge in box)
    size = max(1, right - left), max(1, bottom - top)
    grey = Image.fromarray(np.round(255 * warmth(heat)).astype(np.uint8))
    warm = np.asarray(grey.resize(size, Image.Resampling.BILINEAR)).astype(np.float32) / np.float32(255)
    cover = Image.fromarray(np.round(255 * STRONGEST * warm).astype(np.uint8))
    shown.paste(Image.fromarray(_coloured(warm)), (left, top), cover)
    if warm.any():
        x, y = peak(heat)
        _ring(shown, left + x * size[0], top + y * size[1])
    return shown


def _coloured(warm: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """0 to 1 [height, width] -> RGB [height, width, 3]."""
    stops = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(warm, stops, [colour[i] for colour in COLOURS]) for i in range(3)]
    return np.round(np.stack(channels, axis=-1)).astype(np.uint8)


def _ring(picture: Image.Image, x: float, y: float) -> None:
    radius = max(4.0, RING * min(picture.size))
    draw = ImageDraw.Draw(picture)
    for colour, width in (("black", 5), ("white", 2)):  # seen on any ground
        reach = radius + width / 2
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=colour, width=width)
