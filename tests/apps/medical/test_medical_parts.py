"""Which slices stand for a series, and where there is writing in a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from bouba.apps.medical.burned import masked, writing
from bouba.apps.medical.deidentify import Options, Pseudonyms
from bouba.apps.medical.header import About, Header, header_of
from bouba.apps.medical.series import in_order, middles, representatives

HEADER = Header(About("S-1"), "S-2", "CT", "", None, 0, 1, False, False)


def test_middles_of_equal_parts() -> None:
    assert middles(10, 3) == [1, 5, 8]
    assert middles(2, 5) == [0, 1]
    assert middles(0, 3) == []
    assert middles(300, 1) == [150]


def test_slices_stand_by_their_place_then_their_number() -> None:
    placed = [replace(HEADER, place=place, number=n) for n, place in enumerate((30.0, 10.0, 20.0))]
    assert [one.file for one in in_order(placed)] == [1, 2, 0]
    one_unknown = [placed[0], replace(placed[1], place=None, number=-1), placed[2]]
    assert [one.file for one in in_order(one_unknown)] == [1, 0, 2]


def test_localizers_count_only_alone_and_frames_are_slices() -> None:
    scout = replace(HEADER, localizer=True)
    volume = replace(HEADER, frames=9)
    assert [(one.file, one.frame, one.number) for one in representatives([scout, volume], 3)] == [
        (1, 1, 2),
        (1, 4, 5),
        (1, 7, 8),
    ]
    assert len(in_order([scout])) == 1


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_a_header_has_no_identifier_and_no_free_text(scan: Any) -> None:
    dataset = scan(PatientAge="095Y", PatientSex="F", BodyPartExamined="CHEST", StudyDate="20240301")
    dataset.add_new(0x00080060, "CS", "Jane's scan!")
    header = header_of(dataset, Pseudonyms(b"0" * 32), Options(), "x")
    assert header.modality == ""
    assert (header.about.age, header.about.sex, header.body_part) == (90.0, "F", "chest")
    assert not any(secret in repr(header) for secret in ("4711", "Doe", "1.2.3", "2024-03-01"))


def test_an_age_follows_from_dates(scan: Any) -> None:
    dataset = scan(PatientBirthDate="20000301", StudyDate="20400401")
    assert header_of(dataset, Pseudonyms(b"0" * 32), Options(), "x").about.age == 40
    removed = header_of(dataset, Pseudonyms(b"0" * 32), Options(dates="remove", characteristics=False), "x").about
    assert (removed.age, removed.date, removed.sex) == (None, "", "")


@pytest.mark.parametrize("size", [10, 14, 24])
@pytest.mark.parametrize("ground", [0, 90])
def test_writing_is_found_and_masked(size: int, ground: int) -> None:
    noise = np.random.default_rng(0).normal(ground, 8, (256, 256))
    plain = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    assert writing(plain) == ()
    picture = plain.copy()
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).text((20, 30), "DOE JANE", fill=255, font=font)
    lines = writing(picture)
    left, top, right, bottom = font.getbbox("DOE JANE")
    assert lines[0].left <= 20 + left + 4
    assert max(line.right for line in lines) >= 20 + right - 8
    assert lines[0].top <= 30 + top + 4
    assert lines[0].bottom >= 30 + bottom - 4
    assert writing(masked(picture, lines)) == ()


def test_shapes_are_no_writing() -> None:
    picture = Image.new("L", (256, 256))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((40, 40, 200, 200), fill=180)
    draw.rectangle((90, 90, 140, 100), fill=255)
    assert writing(picture) == ()
    assert writing(Image.new("L", (4, 4))) == ()
