"""What stands between a hostile file and Pillow: size checks before decoding, one error tree, no warnings."""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from bouba.errors import MediaCorrupt, MediaError, MediaTooLarge, MediaUnsupported
from bouba.media.jpeg import count_scans, has_endless_header
from bouba.media.limits import Limits

_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # others: 4
_RGB_BYTES_PER_PIXEL = 4
_SCAN_PIXELS_MAX = 4_000_000_000  # scans x pixels of one JPEG: 200 megapixels in the usual 10 scans pass

_HEADER_SEGMENTS_MAX = 1000  # of a JPEG: a profile takes up to 255, depth maps in extended XMP some hundred
_HEADER_JUNK_BYTES_MAX = 2**16

# How Pillow words "I have no decoder for this"; anything else that it raises means damage.
_NO_DECODER = ("unsupported", "unknown", "not supported", "not available", "not installed", "unrecognized")
_BOMB = ("too large", "too big", "decompression bomb")
_NO_HEADER = "not identified by this driver"


def check_claim(image: Image.Image, limits: Limits) -> None:
    """Refuse what the header claims, before anything of that size is allocated."""
    width, height = image.size
    if width < 1 or height < 1:
        raise MediaCorrupt(f"{width} x {height} pixels: there is nothing in this picture.")
    if max(width, height) > limits.max_side_pixels:
        raise MediaTooLarge(
            _over(f"a side of {max(width, height):,} pixels", limits.max_side_pixels, "max_side_pixels")
        )
    if width * height > limits.max_pixels:
        raise MediaTooLarge(
            _over(f"{width:,} x {height:,} = {width * height:,} pixels", limits.max_pixels, "max_pixels")
        )


def check_segments(data: bytes) -> None:
    """Refuse a JPEG whose header would take minutes to read."""
    if has_endless_header(data, _HEADER_SEGMENTS_MAX, _HEADER_JUNK_BYTES_MAX):
        raise MediaCorrupt(f"no picture within {_HEADER_SEGMENTS_MAX:,} segments of metadata.")


def check_scans(image: JpegImageFile, data: bytes, limits: Limits) -> None:
    """Refuse a JPEG whose scans would take minutes, or whose coefficients would fill the memory."""
    pixels = image.width * image.height
    limit = _SCAN_PIXELS_MAX // pixels + 1
    scans = count_scans(data, limit)
    if scans >= limit:
        raise MediaTooLarge(f"{scans:,} or more scans of {pixels:,} pixels each: made to keep a decoder busy.")
    if scans > 1:
        _, across, down, _ = zip(*image.layer, strict=True)
        samples = sum(a * d for a, d in zip(across, down, strict=True)) / (max(across) * max(down))
        _check_bytes(int(2 * samples * pixels), limits)


def check_memory(image: Image.Image, limits: Limits) -> None:
    """Refuse what decoding at `image.size` (after `draft`) and converting to RGB would allocate."""
    per_pixel = _BYTES_PER_PIXEL.get(image.mode, 4) + (_RGB_BYTES_PER_PIXEL if image.mode != "RGB" else 0)
    _check_bytes(image.width * image.height * per_pixel, limits)


def _check_bytes(needed: int, limits: Limits) -> None:
    if needed > limits.max_decoded_bytes:
        raise MediaTooLarge(
            _over(f"{needed:,} bytes of memory to decode", limits.max_decoded_bytes, "max_decoded_bytes")
        )


def _over(what: str, limit: int, name: str) -> str:
    return f"{what}, the limit is {limit:,}. Make the picture smaller or raise Limits.{name}."


@contextmanager
def pillow_guard(what: str) -> Iterator[None]:
    """Inside, whatever Pillow raises becomes a MediaError about `what`, and its warnings are dropped."""
    try:
        with _SILENCE:
            yield
    except MediaError as error:
        raise type(error)(f"{what}: {error}") from error
    except MemoryError as error:
        raise MediaTooLarge(f"{what}: too large to decode in the memory there is.") from error
    except Exception as error:  # Pillow's decoders raise nearly every type there is
        raise _blame(what, error) from error


def _blame(what: str, error: Exception) -> MediaError:
    words = " ".join(str(error).split())[:200].replace(_NO_HEADER, "no size in its header") or "no details"
    lowered = words.lower()
    if any(word in lowered for word in _BOMB):
        return MediaTooLarge(f"{what}: it, or a part of it, unpacks to more than any real picture has ({words}).")
    if any(word in lowered for word in _NO_DECODER):
        return MediaUnsupported(f"{what}: a variant that no installed decoder reads ({words}). Save it as PNG.")
    ended = (struct.error, IndexError, EOFError)  # a field was to be read where there is nothing
    if "truncated" in lowered or isinstance(error, ended) or isinstance(error.__cause__, ended):
        return MediaCorrupt(f"{what}: truncated, the file ends before the picture does. Copy it again.")
    return MediaCorrupt(f"{what}: damaged, it cannot be decoded ({words}).")


class _Silence:
    """Drop Pillow's warnings while any thread is inside.

    `warnings.catch_warnings` alone is not safe here: threads that leave in another order than they came would
    put back each other's filters. So only the first in and the last out touch them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\b|pillow_heif\b")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


_SILENCE = _Silence()
