from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from bad_inputs import encode, jpeg_of_size, jpeg_with_scans, picture
from PIL import Image, ImageCms

from bouba.errors import MediaCorrupt, MediaError, MediaTooLarge
from bouba.media import Limits, Picture, decode_image, load_image
from bouba.media.jpeg import count_scans

LOSSLESS = [("PNG", "image/png"), ("BMP", "image/bmp"), ("TIFF", "image/tiff")]
LOSSY = [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif"), ("AVIF", "image/avif")]


def quadrants(width: int = 64, height: int = 32) -> Image.Image:
    """Red, green / blue, grey: every flip and turn of it is another picture."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    image.paste((30, 200, 30), (width // 2, 0, width, height // 2))
    image.paste((30, 30, 200), (0, height // 2, width // 2, height))
    image.paste((128, 128, 128), (width // 2, height // 2, width, height))
    return image


def assert_alike(actual: Image.Image, expected: Image.Image, tolerance: float = 3.0) -> None:
    assert actual.mode == "RGB"
    assert actual.size == expected.size
    difference = np.abs(np.asarray(actual, dtype=float) - np.asarray(expected.convert("RGB"), dtype=float))
    assert difference.mean() <= tolerance


@pytest.mark.parametrize(("format", "media_type"), LOSSLESS + LOSSY)
def test_format_is_known_by_content(format: str, media_type: str) -> None:
    data = encode(quadrants(), format)
    decoded = decode_image(data)
    assert (decoded.width, decoded.height, decoded.media_type, decoded.bytes) == (64, 32, media_type, len(data))
    assert decoded.taken is None
    assert_alike(decoded.rgb, quadrants(), tolerance=0.0 if (format, media_type) in LOSSLESS else 6.0)


def test_heic() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    out = BytesIO()
    pillow_heif.from_pillow(quadrants()).save(out)
    decoded = decode_image(out.getvalue())
    assert decoded.media_type == "image/heic"
    assert_alike(decoded.rgb, quadrants(), tolerance=6.0)


def test_heic_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(MediaError, match=r"pip install 'bouba\[heic\]'"):
        decode_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


def test_mpo_is_its_first_jpeg() -> None:
    out = BytesIO()
    quadrants().save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 32))])
    decoded = decode_image(out.getvalue())
    assert decoded.media_type == "image/jpeg"
    assert_alike(decoded.rgb, quadrants(), tolerance=6.0)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "TIFF"])
def test_first_frame_of_several(format: str) -> None:
    frames = [Image.new("RGB", (64, 32), colour) for colour in ("white", "black")]
    data = encode(quadrants(), format, save_all=True, append_images=frames)
    assert_alike(decode_image(data).rgb, quadrants(), tolerance=6.0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "YCbCr", "P", "L", "LA", "1"])
def test_mode_of_a_file(mode: str) -> None:
    image = quadrants().convert(mode)
    format = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    expected = image.convert("RGB")
    assert_alike(decode_image(encode(image, format)).rgb, expected, tolerance=2.0)


def test_cmyk_jpeg_is_not_inverted() -> None:
    assert_alike(decode_image(encode(quadrants().convert("CMYK"), "JPEG")).rgb, quadrants(), tolerance=8.0)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I", "F"])
def test_more_than_eight_bits_are_scaled_not_clipped(mode: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    arrays = {"I;16": ramp, "I;16B": ramp.astype(">u2"), "I": ramp.astype(np.int32), "F": (ramp / 65535).astype("f4")}
    data = encode(Image.fromarray(arrays[mode]), "TIFF")
    assert_alike(decode_image(data).rgb, Image.fromarray((ramp >> 8).astype(np.uint8)), tolerance=1.0)


def test_sixteen_bit_png_is_scaled() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    decoded = decode_image(encode(Image.fromarray(ramp), "PNG"))
    assert_alike(decoded.rgb, Image.fromarray((ramp >> 8).astype(np.uint8)), tolerance=0.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([-10.0, 0.0, 10.0], [0, 128, 255]),
        ([0.0, 1e9, 2e9], [0, 128, 255]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([7e5, 7e5, 7e5], [0, 0, 0]),
    ],
)
def test_floats_take_the_white_that_holds_them(values: list[float], expected: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    assert np.asarray(load_image(image).rgb)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette", "colour key", "RGBa"])
def test_transparency_turns_white(kind: str) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 8))
    options = {}
    if kind == "palette":
        image = image.quantize(4)
    elif kind == "colour key":
        image, options = image.convert("RGB"), {"transparency": (0, 0, 0)}
    elif kind != "RGBA":
        image = image.convert(kind)
    source = image if kind == "RGBa" else encode(image, "PNG", **options)
    pixels = np.asarray(load_image(source).rgb)
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:, 1:] < 100).all()


def test_profile_is_converted_to_srgb_and_a_broken_one_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    renamed = bytes(srgb.replace(b"s\0R\0G\0B", b"o\0t\0h\0r").replace(b"sRGB", b"othr"))
    swapped = renamed.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")
    for profile in (bytes(srgb), renamed, lab, b"not a profile", renamed[:200]):
        decoded = decode_image(encode(quadrants(), "PNG", icc_profile=profile))
        assert_alike(decoded.rgb, quadrants(), tolerance=1.0)
    row = np.asarray(decode_image(encode(quadrants(), "PNG", icc_profile=swapped)).rgb)[4]
    red, green = row[4], row[60]
    assert red[1] > red[0]  # the profile says that the first channel is the green one
    assert green[0] > green[1]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(format: str, orientation: int) -> None:
    # What a camera stores is the upright scene with the orientation's turn undone.
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = quadrants().transpose(Image.Transpose(undo[orientation])) if orientation > 1 else quadrants()
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encode(stored, format, exif=exif))
    assert (decoded.width, decoded.height) == (64, 32)
    assert_alike(decoded.rgb, quadrants(), tolerance=8.0)


@pytest.mark.parametrize(
    ("original", "plain", "expected"),
    [
        ("2019:05:06 07:08:09", "2020:01:01 00:00:00", datetime(2019, 5, 6, 7, 8, 9)),
        (None, "2020:01:01 00:00:00", datetime(2020, 1, 1)),
        ("0000:00:00 00:00:00", "2020:01:01 00:00:00", datetime(2020, 1, 1)),
        ("2019:13:45 99:99:99", None, None),
        ("    :  :     :  :  ", "0001:01:01 00:00:00", None),
        (None, None, None),
    ],
)
def test_taken(original: str | None, plain: str | None, expected: datetime | None) -> None:
    exif = Image.Exif()
    if plain:
        exif[0x0132] = plain
    if original:
        exif.get_ifd(0x8769)[0x9003] = original
    assert decode_image(encode(quadrants(), "JPEG", exif=exif)).taken == expected


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\xff" * 40])
def test_broken_exif_does_not_fail_the_picture(exif: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode_image(encode(quadrants(), "JPEG", exif=exif))
    assert decoded.taken is None
    assert (decoded.width, decoded.height) == (64, 32)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("side", [1, 8, 31, 32, 33, 500])
def test_side_reduces_but_never_below_it(format: str, side: int) -> None:
    decoded = decode_image(encode(quadrants(320, 160), format), side=side)
    assert (decoded.width, decoded.height) == (320, 160)
    shorter = min(decoded.rgb.size)
    assert min(side, 160) <= shorter < max(2 * side, 161)
    assert_alike(decoded.rgb, quadrants(320, 160).resize(decoded.rgb.size, Image.Resampling.BOX), tolerance=20.0)


@pytest.mark.parametrize("mode", ["I;16", "P", "1", "RGBA"])
def test_side_reduces_every_mode(mode: str) -> None:
    image = Image.new("L", (300, 200), 255).convert(mode) if mode != "I;16" else Image.new("I;16", (300, 200), 65535)
    decoded = decode_image(encode(image, "PNG"), side=50)
    assert decoded.rgb.size == (75, 50)
    assert decoded.rgb.getextrema() == ((255, 255),) * 3


def test_result_carries_no_metadata() -> None:
    decoded = decode_image(encode(quadrants(), "JPEG", comment=b"at home", dpi=(72, 72)))
    assert decoded.rgb.info == {}
    assert type(decoded.rgb) is Image.Image


def test_pillow_image_is_left_as_it_is() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = Image.open(BytesIO(encode(quadrants(), "PNG", exif=exif)))
    decoded = load_image(source, side=8)
    assert (decoded.width, decoded.height, decoded.media_type, decoded.bytes) == (32, 64, "image/png", 0)
    assert decoded.rgb.size == (8, 16)
    assert source.size == (64, 32)
    assert load_image(quadrants()).media_type == ""


def test_truncated_pillow_image_is_corrupt() -> None:
    source = Image.open(BytesIO(encode(picture(), "PNG")[:800]))
    with pytest.raises(MediaCorrupt, match="truncated"):
        load_image(source)


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(max_pixels=2047), "max_pixels"),
        (Limits(max_side_pixels=63), "max_side_pixels"),
        (Limits(max_decoded_bytes=8191), "max_decoded_bytes"),
    ],
)
def test_limits(limits: Limits, word: str) -> None:
    for source in (encode(quadrants(), "PNG"), quadrants()):
        with pytest.raises(MediaTooLarge, match=word):
            load_image(source, limits=limits)
    assert load_image(quadrants(), limits=Limits(max_pixels=2048, max_decoded_bytes=8192)).width == 64


def test_reduced_jpeg_needs_only_the_memory_of_the_reduced_picture() -> None:
    data = encode(quadrants(640, 320), "JPEG")
    limits = Limits(max_decoded_bytes=80 * 40 * 4)
    assert decode_image(data, side=40, limits=limits).rgb.size == (80, 40)
    with pytest.raises(MediaTooLarge, match="819,200 bytes"):
        decode_image(data, limits=limits)


def test_200_megapixel_jpeg_header_passes_the_limits() -> None:
    with pytest.raises(MediaCorrupt, match="truncated"):
        decode_image(jpeg_of_size(16320, 12240)[:600], side=260)


def test_scans_are_counted() -> None:
    assert count_scans(encode(picture(), "JPEG"), 100) == 1
    usual = count_scans(encode(picture(), "JPEG", progressive=True), 100)
    assert 6 <= usual <= 12
    assert count_scans(jpeg_with_scans(20, 64), 100) == 26
    assert count_scans(jpeg_with_scans(200, 64), 100) == 100


def test_many_threads_at_once_leave_the_warning_filters_alone() -> None:
    data = [encode(quadrants(), format) for format in ("JPEG", "PNG", "WEBP", "TIFF")] * 50
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        decoded: list[Picture] = list(pool.map(decode_image, data))
    assert warnings.filters == before
    for one in decoded:
        assert_alike(one.rgb, quadrants(), tolerance=6.0)


def test_messages_name_the_source(tmp_path: Path) -> None:
    path = tmp_path / "line\nbreak.jpg"
    path.write_bytes(encode(picture(), "JPEG")[:300])
    with pytest.raises(MediaCorrupt, match=r"line\\nbreak\.jpg: JPEG picture: truncated"):
        load_image(path)
    with pytest.raises(MediaCorrupt, match="300 bytes: JPEG picture: truncated"):
        load_image(path.read_bytes())
