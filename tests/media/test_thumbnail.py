from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from bouba.media import decode_image, thumbnail


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((900, 450), (256, 128)),
        ((450, 900), (128, 256)),
        ((1000, 500), (250, 125)),
        ((256, 256), (256, 256)),
        ((100, 60), (100, 60)),
        ((5000, 3), (250, 1)),
    ],
)
def test_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    small = Image.open(BytesIO(thumbnail(Image.new("RGB", size, "teal"))))
    assert small.format == "JPEG"
    assert small.size == expected
    pixel = small.getpixel((0, 0))
    assert pixel == pytest.approx((0, 128, 128), abs=3)


def test_carries_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x8298] = "owner"
    out = BytesIO()
    Image.new("RGB", (9, 9)).save(out, "JPEG", comment=b"at home", exif=exif)
    small = thumbnail(decode_image(out.getvalue()).rgb)
    assert b"at home" not in small
    assert b"owner" not in small
