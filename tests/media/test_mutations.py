"""Valid pictures with random damage: they decode or end in a MediaError, and nothing else."""

from __future__ import annotations

import warnings

import pytest
from bad_inputs import encode, picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bouba.errors import MediaError
from bouba.media import decode_image

EXIF = Image.Exif()
EXIF[0x0112] = 6
EXIF[0x0132] = "2020:01:02 03:04:05"
EXIF.get_ifd(0x8769)[0x9003] = "2019:01:02 03:04:05"

VALID = {
    "jpeg": encode(picture(), "JPEG", exif=EXIF),
    "progressive": encode(picture(), "JPEG", progressive=True),
    "cmyk": encode(picture().convert("CMYK"), "JPEG"),
    "png": encode(picture(), "PNG", exif=EXIF),
    "palette": encode(picture().quantize(16), "PNG", transparency=3),
    "webp": encode(picture(), "WEBP", exif=EXIF),
    "gif": encode(picture(), "GIF", save_all=True, append_images=[picture()]),
    "bmp": encode(picture(), "BMP"),
    "tiff": encode(picture(), "TIFF", exif=EXIF),
    "lzw": encode(picture(), "TIFF", compression="tiff_lzw"),
}
Patch = tuple[float, bytes]
patches = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=6)


def _damage(data: bytes, where: list[Patch], kept: float) -> bytes:
    damaged = bytearray(data)
    for share, patch in where:
        # Half of the patches go to the first 200 bytes: there the headers are.
        at = int(share * 2 * min(200, len(data))) if share < 0.5 else int(share * len(data))
        damaged[at : at + len(patch)] = patch
    return bytes(damaged[: int(len(damaged) * kept)])


@pytest.mark.parametrize("name", sorted(VALID))
@settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.too_slow])
@given(where=patches, kept=st.one_of(st.just(1.0), st.floats(0, 1)), side=st.sampled_from([None, 8]))
def test_damage_is_a_media_error_or_decodes(name: str, where: list[Patch], kept: float, side: int | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            decoded = decode_image(_damage(VALID[name], where, kept), side=side)
        except MediaError:
            return
    assert decoded.rgb.mode == "RGB"
    assert decoded.rgb.info == {}


def test_undamaged_pictures_decode() -> None:
    for data in VALID.values():
        assert sorted(decode_image(data).rgb.size) == [32, 48]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_truncation_is_an_error(format: str) -> None:
    data = encode(picture(), format)
    for kept in range(1, len(data) * 3 // 4, 97):
        with pytest.raises(MediaError):
            decode_image(data[:kept])
