"""Pictures and texts that any dual encoder can be tried on, where there are none of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from bouba.types import Pixels

TEXTS = (
    "a photo of a dog",
    "two children run along a beach at sunset",
    "a red car",
    "an old man reads a newspaper on a bench",
    "a bowl of fruit on a wooden table",
    "a cat asleep on a keyboard",
    "mountains behind a lake",
    "a bird",
    "a crowded street in the rain, seen from above",
    "a woman in a blue dress plays the violin",
    "three bicycles lean against a wall",
    "a chest X-ray",
    "leather shoes, size 42, brown",
    "no people",
    "a black and white picture of a bridge",
    "a child holds a yellow balloon and laughs",
    "snow",
    "a plate with rice, beans and a fried egg",
    "a train leaves the station",
    "green",
)


def drawn_pictures(count: int, size: int, seed: int = 0) -> list[Pixels]:
    """Shapes on gradients and plain noise, by turns: uint8 [size, size, 3]."""
    rng = np.random.default_rng(seed)
    return [_noise(rng, size) if i % 2 else _shapes(rng, size) for i in range(count)]


def _noise(rng: np.random.Generator, size: int) -> Pixels:
    return rng.integers(0, 256, (size, size, 3), dtype=np.uint8)


def _shapes(rng: np.random.Generator, size: int) -> Pixels:
    corners = Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8))
    picture = corners.resize((size, size), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    for _ in range(6):
        (left, right), (top, bottom) = np.sort(rng.integers(0, size, (2, 2)), axis=1).tolist()
        colour = tuple(rng.integers(0, 256, 3).tolist())
        draw_shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        draw_shape((left, top, right, bottom), fill=colour)
    return np.asarray(picture)
