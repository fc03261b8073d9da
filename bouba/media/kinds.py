"""What a file is, judged by its first bytes and never by its name, and the one decoder that may read it.

Each allowed kind goes straight to its own Pillow class. `PIL.Image.open` would try every registered plugin,
among them PostScript, and would apply a process-wide pixel limit in place of `Limits`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bouba.errors import MediaEmpty, MediaUnsupported


@dataclass(frozen=True, slots=True)
class Kind:
    """A format that bouba reads."""

    name: str
    media_type: str
    open: Callable[[IO[bytes]], ImageFile]


def _open_heif(stream: IO[bytes]) -> ImageFile:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise MediaUnsupported(
            "HEIC pictures need one more package. Install it with: pip install 'bouba[heic]'"
        ) from error
    opener: Callable[[IO[bytes]], ImageFile] = HeifImageFile
    return opener(stream)


# JpegImageFile also reads MPO (several JPEGs in one file, as phones write): the first is the photo.
JPEG = Kind("JPEG", "image/jpeg", JpegImageFile)
PNG = Kind("PNG", "image/png", PngImageFile)
WEBP = Kind("WebP", "image/webp", WebPImageFile)
GIF = Kind("GIF", "image/gif", GifImageFile)
BMP = Kind("BMP", "image/bmp", BmpImageFile)
TIFF = Kind("TIFF", "image/tiff", TiffImageFile)
AVIF = Kind("AVIF", "image/avif", AvifImageFile)
HEIC = Kind("HEIC", "image/heic", _open_heif)
HEIF = Kind("HEIF", "image/heif", _open_heif)

_READ_KINDS = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC pictures"

_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),  # BigTIFF
    (b"MM\0+", TIFF),
)

# Brands of ISO/IEC 23008-12 (HEIF) and of the AVIF specification, in the `ftyp` box.
_BRANDS: dict[bytes, Kind] = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), HEIC),
    **dict.fromkeys((b"mif1", b"msf1", b"hevc", b"hevx"), HEIF),
}

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"8BPS", "a Photoshop document"),
    (b"%!PS", "a PostScript document"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "an Ogg sound or video"),
    (b"RIFF", "a RIFF sound or video"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"version https://git-lfs", "a Git LFS pointer in place of the file (run: git lfs pull)"),
)


def sniff(data: bytes) -> Kind:
    """The kind of picture in `data`. Raises MediaEmpty, or MediaUnsupported that says what it is instead."""
    if not data:
        raise MediaEmpty("no data: the file has 0 bytes.")
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WEBP
    if data[4:8] == b"ftyp":
        return _by_brand(data)
    raise MediaUnsupported(f"this is {describe(data)}. bouba reads {_READ_KINDS}.")


def _by_brand(data: bytes) -> Kind:
    compatible = data[16 : min(int.from_bytes(data[:4]), 256)]
    kind = _BRANDS.get(data[8:12])
    if kind is HEIF and b"avif" in compatible:
        return AVIF
    if kind is HEIF and b"heic" in compatible:
        return HEIC
    if kind is None:
        raise MediaUnsupported(f"this is a video or another ISO media file. bouba reads {_READ_KINDS}.")
    return kind


def describe(data: bytes) -> str:
    for signature, what in _OTHERS:
        if data.startswith(signature):
            return what
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head and head.startswith(b"<"):
        return "an SVG drawing (export it as PNG first)"
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML)"
    if head.startswith(b"<?xml"):
        return "an XML document"
    if _is_text(head):
        return "text"
    return f"of an unknown kind (it begins with {data[:8].hex(' ')})"


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", "ignore")  # the cut at 1024 bytes can split a character
    return text != "" and len(text.encode()) > len(head) - 4 and all(c.isprintable() or c.isspace() for c in text)
