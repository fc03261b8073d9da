"""A record's picture as the image tower takes it, the way the finished model will."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from bouba.encoders.model import fit_picture
from bouba.errors import MediaError
from bouba.media import Picture, decode_image
from bouba.training.data.augment import Augment, crop_box, retouched
from bouba.training.data.chance import generator
from bouba.training.data.media import Media

if TYPE_CHECKING:
    from bouba.types import Pixels

Resize = Literal["squash", "crop"]
Interpolation = Literal["bilinear", "bicubic"]


def decode(media: Media, size: int, resize: Resize, interpolation: Interpolation) -> Pixels:
    """uint8 [size, size, 3], equal to what a gallery encodes. Raises MediaError for a picture that cannot be used."""
    return fit_picture(_picture(media, size).rgb, size, resize, interpolation)


def decode_view(
    media: Media,
    size: int,
    resize: Resize,
    interpolation: Interpolation,
    augment: Augment,
    *,
    seed: int,
    key: str,
    view: int,
) -> Pixels:
    """As `decode`, changed by `augment`: the same seed, key (a record's item, say) and view give the same pixels."""
    if not augment.changes:
        return decode(media, size, resize, interpolation)
    rng = generator(seed, key, view)
    # A small part must still have `size` pixels, so that a view is not blurred by decoding.
    rgb = _picture(media, math.ceil(size / math.sqrt(augment.scale[0]))).rgb
    drawn = crop_box(*rgb.size, resize, augment, rng)
    pixels = fit_picture(rgb, size, resize, interpolation, box=drawn if augment.cuts else None)
    return np.asarray(retouched(Image.fromarray(pixels), augment, rng))


def _picture(media: Media, side: int) -> Picture:
    data = media.read()
    try:
        return decode_image(data, side=side)
    except MediaError as error:
        raise type(error)(f"{media.name}: {error}") from error
