"""Any Pillow mode -> 8-bit RGB in sRGB, transparency on white."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

# Averaging neighbours means something in these modes; not in palettes, and `reduce` lacks 16-bit.
_REDUCIBLE = frozenset(["L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"])
_HAS_PROFILE = frozenset(["L", "RGB", "RGBA", "CMYK"])
_WHITE_IS_ZERO = 0  # TIFF 6.0, PhotometricInterpretation
_SRGB = ImageCms.createProfile("sRGB")


def to_rgb(image: Image.Image, side: int | None) -> Image.Image:
    """A new picture of mode RGB. With `side`, reduced by whole factors while its shorter side stays >= `side`."""
    profile = image.info.get("icc_profile")
    if image.mode in _REDUCIBLE and "transparency" not in image.info:
        image = _reduce(image, side)
    image = _to_eight_bits(image)
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    if image.has_transparency_data:
        image = image.convert("RGBA")
    rgb = _on_white(_to_srgb(image, profile))
    return _reduce(rgb, side)


def _reduce(image: Image.Image, side: int | None) -> Image.Image:
    factor = min(image.size) // side if side else 1
    return image.reduce(factor) if factor > 1 else image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale what has more than 8 bits to 0..255; Pillow's own conversion clips."""
    if image.mode.startswith("I;16"):
        return _from_sixteen_bits(image)
    if image.mode in ("I", "F"):
        return _from_measurements(image)
    return image


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    bits, inverted = 16, False
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(BITSPERSAMPLE, (16,))[0]
        inverted = image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    grey = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
    return Image.fromarray(255 - grey if inverted else grey)


def _from_measurements(image: Image.Image) -> Image.Image:
    """32-bit integers and floats have no agreed white: take the usual one that holds the values, else stretch."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    whites = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    white = next((white for white in whites if high <= white), None)
    if low < 0 or white is None:
        values, white = values - low, (high - low) or 1.0
    with np.errstate(all="ignore"):  # a span beyond float32 ends at white
        return Image.fromarray(np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or RGBA. A profile that is damaged, or made for another colour space, is left out of account."""
    if image.mode == "P":
        image = image.convert("RGB")
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    transform = None
    if image.mode == "LAB":
        transform = _lab_to_srgb()
    elif isinstance(profile, bytes) and image.mode in _HAS_PROFILE and not _is_srgb(profile):
        transform = _profile_to_srgb(profile, image.mode, mode)
    return transform.apply(image) if transform else image.convert(mode)


def _is_srgb(profile: bytes) -> bool:
    # The description is ASCII in ICC 2 and UTF-16 in ICC 4. Reading it costs less than building a transform.
    return b"sRGB" in profile or b"s\0R\0G\0B" in profile


@lru_cache(maxsize=8)  # one camera's photos share a profile; LittleCMS transforms may be used by many threads
def _profile_to_srgb(profile: bytes, mode: str, to_mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        return ImageCms.ImageCmsTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.ImageCmsProfile(_SRGB),
            mode,
            to_mode,
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


@lru_cache(maxsize=1)
def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return ImageCms.ImageCmsTransform(lab, ImageCms.ImageCmsProfile(_SRGB), "LAB", "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image)
    return white
