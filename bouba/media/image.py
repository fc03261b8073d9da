"""A picture from anywhere -> checked, upright 8-bit RGB, decoded no larger than it will be used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from bouba.errors import MediaError
from bouba.media.colour import to_rgb
from bouba.media.exif import read_exif, turn_upright, upright_size
from bouba.media.guard import check_claim, check_memory, check_scans, check_segments, pillow_guard
from bouba.media.kinds import JPEG, sniff
from bouba.media.limits import DEFAULT_LIMITS, Limits
from bouba.media.source import describe_source, read_source

if TYPE_CHECKING:
    from bouba.types import ImageSource

__all__ = ["DEFAULT_LIMITS", "Limits", "Picture", "decode_image", "load_image", "read_source"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded, checked picture."""

    rgb: Image.Image  # mode RGB, upright, possibly reduced; carries no metadata
    width: int  # pixels of the original, after EXIF orientation
    height: int
    media_type: str  # "image/jpeg", from content, never from the name; "" for a Pillow image made in memory
    bytes: int  # of the file; 0 for a Pillow image
    taken: datetime | None  # EXIF DateTimeOriginal, else DateTime; without time zone, as EXIF has none


def load_image(
    source: ImageSource, *, side: int | None = None, limits: Limits = DEFAULT_LIMITS, fetch: bool = False
) -> Picture:
    """`read_source` and `decode_image` in one, with the source's name in every message.

    A Pillow image is taken too: it stays as it is, the result is a copy."""
    if isinstance(source, Image.Image):
        return _from_pillow(source, side, limits)
    data = read_source(source, limits=limits, fetch=fetch)
    try:
        return decode_image(data, side=side, limits=limits)
    except MediaError as error:
        raise type(error)(f"{describe_source(source)}: {error}") from error


def decode_image(data: bytes, *, side: int | None = None, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Decode the first frame of a picture file.

    With `side`, the picture will be used at `side` x `side` pixels: it comes reduced by whole factors, while
    decoding where the format can, to a shorter side in [side, 2 side); never enlarged. Without, in full size.
    Raises MediaEmpty, MediaUnsupported, MediaCorrupt (truncated or damaged) or MediaTooLarge."""
    kind = sniff(data)
    with pillow_guard(f"{kind.name} picture"):
        if kind is JPEG:
            check_segments(data)
        image = kind.open(BytesIO(data))
        check_claim(image, limits)
        full_size = None
        # Of the drafts only JPEG's: HEIF's is an embedded thumbnail, which may show something else.
        if isinstance(image, JpegImageFile):
            check_scans(image, data, limits)
            full_size = image.size
            image.draft(None, (side, side) if side else None)
        check_memory(image, limits)
        image.load()
        return _finish(image, full_size or image.size, side, kind.media_type, len(data))


def _from_pillow(source: Image.Image, side: int | None, limits: Limits) -> Picture:
    with pillow_guard(f"{describe_source(source)} of mode {source.mode}"):
        check_claim(source, limits)
        check_memory(source, limits)
        source.load()
        return _finish(source, source.size, side, Image.MIME.get(source.format or "", ""), 0)


def _finish(image: Image.Image, size: tuple[int, int], side: int | None, media_type: str, length: int) -> Picture:
    orientation, taken = read_exif(image)
    width, height = upright_size(size, orientation)
    rgb = turn_upright(to_rgb(image, side), orientation)
    rgb.info = {}
    return Picture(rgb, width, height, media_type, length, taken)
