"""The two things of EXIF that a search needs: which way is up, and when."""

from __future__ import annotations

from datetime import datetime

from PIL import ExifTags, Image

_UPRIGHT = {  # EXIF 2.32, Orientation: what turns the stored picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FIRST_YEAR = 1826  # of the oldest photograph that there is; cameras without a set clock write year 0
_LAST_YEAR = 2199


def read_exif(image: Image.Image) -> tuple[int, datetime | None]:
    """Orientation (1 to 8) and time taken. Broken EXIF counts as none: the picture itself is fine."""
    try:
        exif = image.getexif()
    except Exception:  # the parser raises nearly every type there is
        return 1, None
    orientation = exif.get(ExifTags.Base.Orientation)
    return (orientation if orientation in _UPRIGHT else 1), _read_taken(exif)


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) as seen; orientations 5 to 8 lie on their side."""
    return size if orientation < 5 else (size[1], size[0])


def _read_taken(exif: Image.Exif) -> datetime | None:
    try:
        original = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
    except Exception:  # as above
        original = None
    return _parse_time(original) or _parse_time(exif.get(ExifTags.Base.DateTime))


def _parse_time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.strptime(value.strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    return time if _FIRST_YEAR <= time.year <= _LAST_YEAR else None
