"""Changes of a picture: RGB image and generator -> a new RGB image."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

Rng = np.random.Generator

_MID_GREY = (128, 128, 128)
_BAR = (236, 236, 240)


def crop(image: Image.Image, rng: Rng) -> Image.Image:
    width, height = (max(1, round(side * 0.7)) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def blur(image: Image.Image, rng: Rng) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(0.02 * min(image.size)))


def jpeg(image: Image.Image, rng: Rng) -> Image.Image:
    coded = io.BytesIO()
    image.save(coded, "JPEG", quality=20)
    return Image.open(coded).convert("RGB")


def greyscale(image: Image.Image, rng: Rng) -> Image.Image:
    return ImageOps.grayscale(image).convert("RGB")


def rotated(image: Image.Image, rng: Rng) -> Image.Image:
    angle = 15 if rng.random() < 0.5 else -15
    return image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=_MID_GREY)


def screenshot(image: Image.Image, rng: Rng) -> Image.Image:
    """The picture on a page, as a phone's screenshot shows it: larger than before by margins and bars."""
    margin = max(1, round(0.05 * min(image.size)))
    bar = max(1, round(0.12 * image.height))
    page = Image.new("RGB", (image.width + 2 * margin, image.height + 2 * (margin + bar)), "white")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, page.width, bar - 1), fill=_BAR)
    draw.rectangle((0, page.height - bar, page.width, page.height), fill=_BAR)
    page.paste(image, (margin, bar + margin), _rounded(image.size))
    return page


def _rounded(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=0.08 * min(size), fill=255)
    return mask


def small(image: Image.Image, rng: Rng) -> Image.Image:
    scale = min(1.0, 64 / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)
