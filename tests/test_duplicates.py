"""Groups of a whole gallery: what is in them, what leads them, and what never joins."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from packed_files import write_tar
from PIL import Image

import bouba
from bouba.duplicates import find_duplicates, save_groups
from bouba.errors import QueryError, StoreUnavailable, WhereError

Save = Callable[..., Path]


def scene(seed: int) -> Image.Image:
    """Random blobs: smooth structure as photos have."""
    grid = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((160, 120), Image.Resampling.BICUBIC)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """save(1, "a.jpg", scale=0.5): a scene as a file below `pictures`."""

    def save(seed: int, name: str, scale: float = 1.0, **options: object) -> Path:
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = scene(seed)
        picture.resize((round(picture.width * scale), round(picture.height * scale))).save(path, **options)
        return path

    return save


def names(gallery: bouba.Gallery, **options: object) -> list[list[list[str]]]:
    found = find_duplicates(gallery, **options)
    return [[sorted(Path(file).name for file in copy.files) for copy in group.copies] for group in found]


def test_copies_and_files_of_the_same_bytes(gallery: bouba.Gallery, save: Save, tmp_path: Path) -> None:
    small, full = save(1, "small.jpg", 0.5, quality=60), save(1, "full.png")
    shutil.copy(small, tmp_path / "pictures" / "small2.jpg")
    for seed in range(2, 8):
        save(seed, f"other{seed}.png")
    shutil.copy(save(9, "nine.png"), tmp_path / "pictures" / "nine-again.png")
    gallery.add(tmp_path / "pictures")
    assert names(gallery) == [
        [["full.png"], ["small.jpg", "small2.jpg"]],
        [["nine-again.png", "nine.png"]],
    ]
    first, second = find_duplicates(gallery)
    assert (first.files, first.savable_bytes) == (3, 2 * small.stat().st_size)
    assert (second.files, second.savable_bytes) == (2, (tmp_path / "pictures" / "nine.png").stat().st_size)
    assert first.to_dict()["items"][0]["files"] == [str(full)]
    assert len(gallery) == 9


def test_a_copy_within_a_tar(gallery: bouba.Gallery, save: Save, tmp_path: Path) -> None:
    small, full = save(1, "small.jpg", 0.5, quality=60), save(1, "full.png")
    write_tar(
        tmp_path / "more" / "shard.tar", [("a.jpg", small.read_bytes()), ("b.png", save(2, "b.png").read_bytes())]
    )
    gallery.add([full, tmp_path / "more"])
    assert names(gallery) == [[["full.png"], ["a.jpg"]]]


def test_no_groups(gallery: bouba.Gallery, photos: Path) -> None:
    assert find_duplicates(gallery) == []
    gallery.add(photos)
    assert find_duplicates(gallery) == []


def test_plain_pictures_are_no_copies(gallery: bouba.Gallery, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for name, colour in (("white", "white"), ("nearly", (254, 254, 254)), ("black", "black")):
        Image.new("RGB", (90, 60), colour).save(tmp_path / "plain" / f"{name}.png")
    gallery.add(tmp_path / "plain")
    assert find_duplicates(gallery) == []


def test_files_that_are_gone_or_changed_or_links_do_not_count(
    gallery: bouba.Gallery, save: Save, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    for seed in range(3):
        shutil.copy(save(seed, f"{seed}.png"), folder / f"{seed}-again.png")
    os.symlink(save(3, "3.png"), folder / "3-link.png")
    gallery.add(folder)
    (folder / "0-again.png").unlink()
    shutil.copy(folder / "2.png", folder / "1-again.png")
    assert names(gallery) == [[["2-again.png", "2.png"]]]


def test_pictures_that_came_as_bytes(gallery: bouba.Gallery, save: Save) -> None:
    gallery.add([save(1, "a.png").read_bytes(), save(1, "b.jpg", quality=80).read_bytes()])
    (group,) = find_duplicates(gallery)
    assert [copy.files for copy in group.copies] == [(), ()]
    assert (group.files, group.savable_bytes) == (2, 0)


def test_only_what_fits_the_filter(gallery: bouba.Gallery, save: Save, tmp_path: Path) -> None:
    save(1, "a.png"), save(1, "b.jpg", quality=80), save(1, "c.webp", quality=80)
    gallery.add(tmp_path / "pictures")
    assert names(gallery, where='media_type != "image/png"') in ([[["b.jpg"], ["c.webp"]]], [[["c.webp"], ["b.jpg"]]])
    with pytest.raises(WhereError):
        find_duplicates(gallery, "colour = 3")


def test_without_the_ledger_only_the_surest_are_found(save: Save, tmp_path: Path, tiny_model: bouba.Model) -> None:
    """No thumbnails then; files are known by the items' paths."""
    save(1, "a.png"), save(1, "b.png", compress_level=1), save(1, "c.jpg", 0.4, quality=5)
    with bouba.open(tmp_path / "gallery", tiny_model) as gallery:
        gallery.add(tmp_path / "pictures")
        (group,) = names(gallery)
        assert len(group) == 3
    (tmp_path / "gallery" / "ledger.sqlite").unlink()
    with bouba.open(tmp_path / "gallery") as gallery:
        assert [["b.png"], ["a.png"]] in [group[:2] for group in names(gallery)]


def test_distance(gallery: bouba.Gallery, save: Save, tmp_path: Path) -> None:
    save(1, "a.png")
    scene(1).crop((3, 2, 156, 117)).save(tmp_path / "pictures" / "cropped.png")
    gallery.add(tmp_path / "pictures")
    assert find_duplicates(gallery, max_bits=0) == []
    assert len(find_duplicates(gallery, max_bits=16)) == 1
    for wrong in (-1, 17):
        with pytest.raises(QueryError, match="0 to 16"):
            find_duplicates(gallery, max_bits=wrong)


def test_progress_counts_to_all_items(gallery: bouba.Gallery, photos: Path) -> None:
    gallery.add(photos)
    told: list[tuple[int, int]] = []
    find_duplicates(gallery, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (12, 12)


def test_sheet_has_a_row_a_group(gallery: bouba.Gallery, save: Save, tmp_path: Path) -> None:
    for seed in range(2):
        for n in range(2 + 6 * seed):
            save(seed, f"{seed}{n}.jpg", quality=70 + n)
    gallery.add(tmp_path / "pictures")
    groups = find_duplicates(gallery)
    assert [group.files for group in groups] == [8, 2]
    save_groups(groups, gallery.thumbnail, tmp_path / "sheet.png")
    save_groups(groups[1:], gallery.thumbnail, tmp_path / "one.png")
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "one.png") as one:
        assert sheet.width == pytest.approx(3 * one.width, rel=0.02)
        assert sheet.height - one.height == one.height - (sheet.height - 2 * (sheet.height - one.height))
    with pytest.raises(StoreUnavailable):
        save_groups(groups, gallery.thumbnail, tmp_path / "sheet.unknown")
