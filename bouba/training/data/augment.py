"""Other views of the same picture, so that what is learned does not hang on its frame, light or compression.

Hue is left alone: captions name colours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

_SIDES = re.compile(r"\b(left|right)(most|ward|wards|hand|-hand|-handed)?\b", re.IGNORECASE)
_JPEG_QUALITY = (40, 90)
_BLUR_RADIUS = (0.002, 0.008)  # of the side: 0.5 to 2 pixels of 256

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Augment:
    """How much a view may differ. The cropping is that of Szegedy et al. (2015), as every CLIP recipe has it."""

    scale: tuple[float, float] = (1.0, 1.0)  # share of the area that is kept
    aspect: tuple[float, float] = (1.0, 1.0)  # width to height, against what the model would see
    mirror: float = 0.0  # probability
    colour: float = 0.0  # brightness, contrast and saturation, each times 1 - colour to 1 + colour
    blur: float = 0.0  # probability
    jpeg: float = 0.0  # probability of a further compression

    def for_texts(self, texts: Iterable[str]) -> Augment:
        """The same, not mirrored where a text tells left from right."""
        return replace(self, mirror=0.0) if self.mirror and any(map(_SIDES.search, texts)) else self

    @property
    def changes(self) -> bool:
        """False where every view is the picture as the model sees it."""
        return self.cuts or any((self.mirror, self.colour, self.blur, self.jpeg))

    @property
    def cuts(self) -> bool:
        return (self.scale, self.aspect) != ((1.0, 1.0), (1.0, 1.0))


_PRESETS = {
    "none": Augment(),
    "light": Augment(scale=(0.6, 1.0), aspect=(0.8, 1.25), colour=0.2, jpeg=0.1),
    "strong": Augment(scale=(0.3, 1.0), aspect=(0.75, 1.333), colour=0.4, blur=0.2, jpeg=0.3),
}


def preset(name: Literal["none", "light", "strong"], *, mirror: bool) -> Augment:
    """`mirror` turns half of the views: not for scans, pictures of writing, and captions that say left and right."""
    return replace(_PRESETS[name], mirror=0.5 if mirror else 0.0)


def crop_box(
    width: int, height: int, resize: Literal["squash", "crop"], augment: Augment, rng: np.random.Generator
) -> Box:
    """A part of the picture in pixels, left top right bottom.

    Where the model squashes, its share of both sides is drawn, so that a view is squashed no more than the whole;
    where it crops a square, the part is near a square."""
    area = rng.uniform(*augment.scale)
    aspect = np.exp(rng.uniform(*np.log(augment.aspect)))
    x, y = rng.random(2)
    whole = (width, height) if resize == "squash" else (min(width, height),) * 2
    across = min(width, whole[0] * float(np.sqrt(area * aspect)))
    down = min(height, whole[1] * float(np.sqrt(area / aspect)))
    left, top = float(x) * (width - across), float(y) * (height - down)
    return left, top, min(left + across, width), min(top + down, height)


def retouched(image: Image.Image, augment: Augment, rng: np.random.Generator) -> Image.Image:
    """Mirror, light and colour, blur, JPEG, in this order; to be used at the model's size, where it costs least."""
    # All is drawn first, so that switching one off leaves the others as they are.
    flip, blurred, compressed, radius, quality = rng.random(5).tolist()  # Pillow takes no NumPy scalar
    factors = 1 + augment.colour * rng.uniform(-1, 1, 3)
    if flip < augment.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if augment.colour:
        image = _recoloured(image, *factors)
    if blurred < augment.blur:
        low, high = _BLUR_RADIUS
        image = image.filter(ImageFilter.GaussianBlur(image.width * (low + (high - low) * radius)))
    if compressed < augment.jpeg:
        low, high = _JPEG_QUALITY
        image = _compressed(image, int(low + (high - low) * quality))
    return image


def _recoloured(image: Image.Image, brightness: float, contrast: float, saturation: float) -> Image.Image:
    image = ImageEnhance.Brightness(image).enhance(brightness)
    image = ImageEnhance.Contrast(image).enhance(contrast)
    return ImageEnhance.Color(image).enhance(saturation)


def _compressed(image: Image.Image, quality: int) -> Image.Image:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out).convert("RGB")
