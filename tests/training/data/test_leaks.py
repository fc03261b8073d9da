"""Copies across the split are found, whatever they were saved as; look-alikes are not taken for copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from bouba.errors import TrainingError
from bouba.media import hamming, perceptual_hash
from bouba.training.data.leaks import find_leaks, leaking
from bouba.training.data.media import File
from bouba.training.data.records import Record, read_records


def scene(seed: int) -> Image.Image:
    """Soft patches of colour: the statistics of a photo, roughly."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((240, 180), Image.Resampling.BICUBIC)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Record]:
    def save(name: str, image: Image.Image, quality: int = 90) -> Record:
        image.save(tmp_path / name, quality=quality)
        return Record(name, File(str(tmp_path), name), None, ("text",))

    return save


Save = Callable[..., Record]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("copy.webp", lambda image: image),
        ("small.jpg", lambda image: image.resize((120, 90))),
        ("large.png", lambda image: image.resize((500, 375), Image.Resampling.BICUBIC)),
        ("bright.jpg", lambda image: ImageEnhance.Brightness(image).enhance(1.1)),
    ],
)
def test_copies_saved_anew(save: Save, name: str, change: Callable[[Image.Image], Image.Image]) -> None:
    train = [save(f"{seed}.jpg", scene(seed)) for seed in range(20)]
    val = [save(name, change(scene(7)), 60), save("other.jpg", scene(99))]
    (leak,) = find_leaks(train, val)
    assert (leak.train, leak.val) == (train[7], val[0])
    assert leak.distance is not None
    assert leak.distance <= 6
    assert [record for record in train if record is not leak.train] == train[:7] + train[8:]


def test_the_same_bytes_of_pictures_and_sounds(save: Save, tmp_path: Path) -> None:
    plain = [save(name, Image.new("RGB", (80, 80), "white")) for name in ("a.png", "b.png")]
    (tmp_path / "a.wav").write_bytes(b"sound")
    (tmp_path / "b.wav").write_bytes(b"sound")
    sounds = [Record(name, None, File(str(tmp_path), name), ("text",)) for name in ("a.wav", "b.wav")]
    leaks = find_leaks([plain[0], sounds[0]], [sounds[1], plain[1]])
    assert [(leak.train.item, leak.val.item, leak.distance) for leak in leaks] == [
        ("a.png", "b.png", None),
        ("a.wav", "b.wav", None),
    ]


def test_plain_pictures_are_not_each_others_copies(save: Save) -> None:
    train = [save(f"{colour}.png", Image.new("RGB", (80, 80), colour)) for colour in ("white", "black", "red")]
    val = [save(f"{colour}2.png", Image.new("RGB", (90, 80), colour)) for colour in ("white", "blue")]
    assert find_leaks(train, val) == []


def test_a_small_part_in_another_colour_makes_another_picture(save: Save) -> None:
    def painted(colour: str) -> Image.Image:
        image = scene(3)
        ImageDraw.Draw(image).ellipse((100, 80, 125, 105), fill=colour)
        return image

    train, val = (
        [save("red.jpg", painted("red"))],
        [save("green.jpg", painted("green")), save("r.webp", painted("red"))],
    )
    hashes = [perceptual_hash(painted(colour)) for colour in ("red", "green")]
    assert hamming(*hashes) <= 6  # the hash alone would take them for one
    assert [leak.val.item for leak in find_leaks(train, val)] == ["r.webp"]


def test_what_cannot_be_read_leaks_nothing_and_progress_is_told(save: Save, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    broken = Record("broken.jpg", File(str(tmp_path), "broken.jpg"), None, ("text",))
    gone = Record("gone.jpg", File(str(tmp_path), "gone.jpg"), None, ("text",))
    told: list[int] = []
    assert find_leaks([broken, gone], [gone, save("a.jpg", scene(1))], advance=told.append) == []
    assert sum(told) == 4
    assert find_leaks([], [gone]) == []


def test_leaks_are_refused(save: Save) -> None:
    train = [save(f"{seed}.jpg", scene(seed)) for seed in range(5)]
    val = [save(f"{seed}.png", scene(seed)) for seed in range(4)]
    with pytest.raises(TrainingError, match=r"^4 of 5 training records .* 0\.jpg and 0\.png \(looks .* \.\.\.\. What"):
        raise leaking([str(leak) for leak in find_leaks(train, val)], len(train))
    assert find_leaks(train[4:], val) == []


def test_real_photos_are_not_taken_for_copies(shared: Path, tmp_path: Path) -> None:
    train, val = (read_records(shared / "web/pairs.jsonl", split=split)[:200] for split in ("train", "val"))
    assert find_leaks(train, val) == []
    copies = []
    for number, record in enumerate(train[:25]):
        assert record.image is not None
        with Image.open(record.image.path) as photo:  # type: ignore[union-attr]
            photo.convert("RGB").save(tmp_path / f"{number}.jpg", quality=40)
        copies.append(Record(str(number), File(str(tmp_path), f"{number}.jpg"), None, ("text",)))
    assert len(find_leaks(train, copies)) >= 23
