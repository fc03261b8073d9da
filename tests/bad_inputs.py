"""Files that are no usable picture, each with the error that it must end in. Also used by the tests of ingest."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bouba.errors import BoubaError, MediaCorrupt, MediaEmpty, MediaMissing, MediaTooLarge, MediaUnsupported

BadFile = tuple[str, bytes, type[BoubaError]]


def write_corpus(folder: Path) -> dict[str, type[BoubaError]]:
    """Write the files into `folder`; returns file name -> error class. Nothing here is large or slow to write."""
    expected: dict[str, type[BoubaError]] = {}
    for make in (_not_pictures, _cut_short, _damaged, _too_large):
        for name, data, error in make():
            (folder / name).write_bytes(data)
            expected[name] = error
    with (folder / "sparse.jpg").open("wb") as file:
        file.truncate(2**38)
    return {**expected, "sparse.jpg": MediaTooLarge, **_special_files(folder)}


def picture() -> Image.Image:
    """48 x 32 pixels that no format compresses to a few bytes."""
    noise = Image.effect_noise((48, 32), 60)
    return Image.merge("RGB", (noise, noise.rotate(180), Image.linear_gradient("L").resize((48, 32))))


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG of 8-bit RGB with a claimed size and whatever chunks."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def jpeg_of_size(width: int, height: int, **options: Any) -> bytes:
    """A JPEG whose frame header claims another size than its data has."""
    jpeg = encode(picture(), "JPEG", **options)
    marker = b"\xff\xc2" if options.get("progressive") else b"\xff\xc0"
    at = jpeg.index(marker) + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def jpeg_with_scans(count: int, side: int) -> bytes:
    """A progressive JPEG that repeats its last scan."""
    jpeg = encode(Image.new("L", (side, side)), "JPEG", progressive=True)
    scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + scan * count + jpeg[-2:]


def _not_pictures() -> Iterator[BadFile]:
    yield "empty.jpg", b"", MediaEmpty
    kinds: dict[str, bytes] = {
        "page.jpg": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "page_without_doctype.jpg": b"\n<html><head></head></html>",
        "note.jpg": b"This is not a picture.\n",
        "data.jpg": b'{"error": "not found"}',
        "utf16.jpg": "not a picture".encode("utf-16"),
        "document.jpg": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
        "postscript.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "archive.jpg": b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(20),
        "archive_gzip.png": b"\x1f\x8b\x08\0" + bytes(20),
        "archive_7z.png": b"7z\xbc\xaf\x27\x1c" + bytes(20),
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "drawing_named.png": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
        "feed.jpg": b'<?xml version="1.0"?><rss/>',
        "layers.jpg": b"8BPS\0\1" + bytes(30),
        "jpeg2000.jpg": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(20),
        "jpegxl.jpg": b"\xff\x0a" + bytes(20),
        "icon.jpg": b"\0\0\1\0\1\0" + bytes(20),
        "sound.jpg": b"RIFF\x24\0\0\0WAVEfmt " + bytes(20),
        "song.jpg": b"ID3\x03" + bytes(20),
        "video.jpg": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(20),
        "video_webm.jpg": b"\x1aE\xdf\xa3" + bytes(20),
        "program.jpg": b"\x7fELF\2\1\1" + bytes(20),
        "pointer.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "zeros.jpg": bytes(1000),
        "noise.jpg": bytes(range(200, 100, -1)),
        "two_bytes.jpg": b"\xff\xd8",
        "float_colours.tiff": _tiff_with(encode(picture(), "TIFF"), 258, 3, 64),
        "depth_7.bmp": _patched(encode(picture(), "BMP"), 28, struct.pack("<H", 7)),
    }
    for name, data in kinds.items():
        yield name, data, MediaUnsupported


def _cut_short() -> Iterator[BadFile]:
    for format, options in (
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("AVIF", {}),
    ):
        data = encode(picture(), format, **options)
        name = "_".join(["cut", format, *options, "half"]).lower()
        yield f"{name}.jpg", data[: len(data) // 2], MediaCorrupt
    for format, kept in (("JPEG", 3), ("PNG", 8), ("PNG", 30), ("WEBP", 12), ("GIF", 6), ("BMP", 2), ("TIFF", 4)):
        yield f"head_{format.lower()}_{kept}.jpg", encode(picture(), format)[:kept], MediaCorrupt
    if find_spec("pillow_heif"):
        yield "head_heic.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(20), MediaCorrupt


def _damaged() -> Iterator[BadFile]:
    jpeg, png_data, gif = (encode(picture(), format) for format in ("JPEG", "PNG", "GIF"))
    pixels = png_data.index(b"IDAT") + 4
    yield "no_scan.jpg", jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9", MediaCorrupt
    yield "endless_metadata.jpg", jpeg[:2] + b"\xff\xe1\0\x0aExif\0\0XX" * 200_000 + jpeg[2:], MediaCorrupt
    yield "endless_filling.jpg", jpeg[:2] + b"\xff" * 2_000_000 + jpeg[2:], MediaCorrupt
    yield "no_frame.jpg", b"\xff\xd8" + jpeg[jpeg.index(b"\xff\xda") :], MediaCorrupt
    yield "bad_huffman.jpg", _patched(jpeg, jpeg.index(b"\xff\xc4") + 5, b"\xff" * 16), MediaCorrupt
    yield "no_width.jpg", jpeg_of_size(0, 32), MediaCorrupt
    yield "no_width.png", png(0, 9, png_chunk(b"IDAT", b"")), MediaCorrupt
    yield "no_pixels.png", png(9, 9), MediaCorrupt
    yield "claims_more.png", png(90, 90, png_chunk(b"IDAT", zlib.compress(bytes(100)))), MediaCorrupt
    yield "bad_header_sum.png", _patched(png_data, 29, b"\0\0\0\0"), MediaCorrupt
    yield "bad_pixels.png", _patched(png_data, pixels, b"\xff" * 40), MediaCorrupt
    yield "no_width.gif", b"GIF89a" + bytes(7) + b"," + bytes(9) + b"\2\0;", MediaCorrupt
    yield "no_frame.gif", gif[:13] + b";", MediaCorrupt
    yield "no_width.bmp", _patched(encode(picture(), "BMP"), 18, bytes(4)), MediaCorrupt
    yield "bad_body.webp", _patched(encode(picture(), "WEBP"), 20, bytes(40)), MediaCorrupt
    yield "directory_outside.tiff", b"II*\0" + struct.pack("<I", 10**6), MediaCorrupt
    yield "directory_empty.tiff", b"II*\0" + struct.pack("<IHI", 8, 0, 0), MediaCorrupt


def _too_large() -> Iterator[BadFile]:
    bomb = zlib.compress(bytes(2**24), 9)
    yield "bomb.jpg", jpeg_of_size(65500, 65500), MediaTooLarge
    yield "bomb_coefficients.jpg", jpeg_of_size(22000, 22000, progressive=True), MediaTooLarge
    yield "bomb_scans.jpg", jpeg_with_scans(5000, 2000), MediaTooLarge
    yield "bomb.png", png(60_000, 60_000, png_chunk(b"IDAT", bomb)), MediaTooLarge
    yield "bomb_memory.png", png(20_000, 20_000, png_chunk(b"IDAT", bomb)), MediaTooLarge
    yield "bomb_width.png", png(2**31 - 1, 1, png_chunk(b"IDAT", bomb)), MediaTooLarge
    yield "bomb_text.png", png(9, 9, png_chunk(b"zTXt", b"k\0\0" + bomb)), MediaTooLarge
    yield "bomb_profile.png", png(9, 9, png_chunk(b"iCCP", b"k\0\0" + bomb)), MediaTooLarge
    yield "bomb.gif", _patched(encode(picture(), "GIF"), 6, b"\xff\xff\xff\xff"), MediaTooLarge
    yield "bomb.bmp", _patched(encode(picture(), "BMP"), 18, struct.pack("<ii", 60_000, 60_000)), MediaTooLarge
    yield "bomb.webp", _webp_of_size(16_383), MediaTooLarge
    yield "bomb.tiff", _tiff_with(_tiff_with(encode(picture(), "TIFF"), 256, 4, 60_000), 257, 4, 60_000), MediaTooLarge
    text = PngInfo()
    text.add_itxt("k", "x" * 2**24, zip=True)
    yield "bomb_itxt.png", encode(picture(), "PNG", pnginfo=text), MediaTooLarge


def _special_files(folder: Path) -> dict[str, type[BoubaError]]:
    """What is no regular file, where the platform and the user's rights have it."""
    made: dict[str, type[BoubaError]] = {}
    with suppress(OSError, NotImplementedError):
        (folder / "loop.jpg").symlink_to("loop.jpg")
        (folder / "dangling.jpg").symlink_to("nowhere.jpg")
        made |= {"loop.jpg": MediaMissing, "dangling.jpg": MediaMissing}
    if Path("/dev/zero").is_char_device():
        (folder / "device.jpg").symlink_to("/dev/zero")
        made["device.jpg"] = MediaMissing
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        made["pipe.jpg"] = MediaMissing
    with suppress(OSError, AttributeError), socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.jpg"))  # fails where the path has over 107 bytes
        made["socket.jpg"] = MediaMissing
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        (folder / "locked.jpg").write_bytes(encode(picture(), "JPEG"))
        (folder / "locked.jpg").chmod(0)
        made["locked.jpg"] = MediaMissing
    return made


def _patched(data: bytes, at: int, patch: bytes) -> bytes:
    return data[:at] + patch + data[at + len(patch) :]


def _tiff_with(tiff: bytes, tag: int, kind: int, value: int) -> bytes:
    """Replace the type, count and value of one entry of the first directory (little-endian files)."""
    (directory,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", tiff, at)[0] == tag:
            return _patched(tiff, at + 2, struct.pack("<HII", kind, 1, value))
    raise LookupError(tag)


def _webp_of_size(side: int) -> bytes:
    """An extended WebP whose canvas is larger than the frame that it holds."""
    frame = encode(picture(), "WEBP")[12:]
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + struct.pack("<I", side - 1)[:3] * 2
    body = b"WEBP" + canvas + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body
