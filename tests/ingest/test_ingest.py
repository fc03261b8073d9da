"""What `add` does with folders, files and everything that can happen to them between two runs."""

from __future__ import annotations

import os
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from bad_inputs import write_corpus
from PIL import Image

import bouba
from bouba.encoders import Model
from bouba.errors import StoreError
from bouba.ingest.reading import content_id


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of the image tower was given."""
    calls: list[int] = []
    original = Model.encode_pixels

    def counting(self: Model, pixels: list) -> np.ndarray:
        calls.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(Model, "encode_pixels", counting)
    return calls


def test_a_folder_with_all_below_it(gallery: bouba.Gallery, photos: Path) -> None:
    (photos / "notes.txt").write_text("not a picture")
    (photos / ".hidden").mkdir()
    shutil.copy(photos / "red.png", photos / ".hidden" / "red2.png")
    report = gallery.add(photos)
    assert (report.added, report.failed, len(gallery)) == (12, 0, 12)
    item = next(i for i in gallery.items() if i.path.endswith("below/red.jpg"))
    assert item.id == content_id((photos / "below/red.jpg").read_bytes())
    assert (item.width, item.height, item.media_type) == (64, 48, "image/jpeg")
    assert item.bytes == (photos / "below/red.jpg").stat().st_size
    assert item.taken is not None
    assert len(item.phash) == 16


def test_thumbnail_is_kept(gallery: bouba.Gallery, paint) -> None:
    gallery.add(paint("red", size=(800, 400)))
    (item,) = gallery.items()
    with Image.open(BytesIO(gallery.thumbnail(item.id))) as thumbnail:
        assert thumbnail.size == (256, 128)


def test_second_run_encodes_nothing(gallery: bouba.Gallery, photos: Path, encoded: list[int]) -> None:
    gallery.add(photos)
    encoded.clear()
    report = gallery.add(photos)
    assert (report.unchanged, report.added, encoded) == (12, 0, [])


def test_unchanged_files_are_not_even_read(
    gallery: bouba.Gallery, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.add(photos)
    monkeypatch.setattr("bouba.ingest.reading.read_source", lambda *a, **k: pytest.fail("a file was read"))
    assert gallery.add(photos).unchanged == 12


def test_touched_file_is_read_but_not_encoded(gallery: bouba.Gallery, photos: Path, encoded: list[int]) -> None:
    gallery.add(photos)
    encoded.clear()
    os.utime(photos / "red.png", (1, 1))
    report = gallery.add(photos)
    assert (report.unchanged, report.duplicates, report.added, encoded) == (11, 1, 0, [])
    assert gallery.add(photos).unchanged == 12


def test_renamed_file_keeps_its_item(gallery: bouba.Gallery, photos: Path, encoded: list[int]) -> None:
    gallery.add(photos)
    encoded.clear()
    (photos / "red.png").rename(photos / "crimson.png")
    report = gallery.add(photos)
    assert (report.moved, report.added, encoded, len(gallery)) == (1, 0, [], 12)
    assert [i.path for i in gallery.items('path like "%crimson.png"')] == [str(photos / "crimson.png")]
    assert gallery.count('path like "%/red.png"') == 0


def test_duplicates_are_encoded_once(gallery: bouba.Gallery, photos: Path, encoded: list[int]) -> None:
    for n in range(5):
        shutil.copy(photos / "red.png", photos / f"copy{n}.png")
    report = gallery.add(photos)
    assert (report.added, report.duplicates, len(gallery), sum(encoded)) == (12, 5, 12, 12)
    assert gallery.add(photos).unchanged == 17


def test_changed_file_replaces_its_item(gallery: bouba.Gallery, photos: Path) -> None:
    gallery.add(photos)
    before = gallery.find(str(photos / "red.png"))[0].id
    shutil.copy(photos / "below/green.jpg", photos / "red.png")
    with Image.open(photos / "red.png") as image:
        image.rotate(90).save(photos / "red.png")
    report = gallery.add(photos)
    assert (report.added, report.removed, len(gallery)) == (1, 1, 12)
    assert gallery.known([before]) == set()
    assert gallery.thumbnail(before) is None


def test_changed_file_leaves_the_item_to_its_copy(gallery: bouba.Gallery, photos: Path) -> None:
    shutil.copy(photos / "red.png", photos / "zz.png")
    gallery.add(photos)
    (item,) = gallery.find(str(photos / "red.png"))
    Image.new("RGB", (50, 50), "pink").save(photos / "red.png")
    report = gallery.add(photos)
    assert (report.added, report.removed) == (1, 0)
    assert gallery.get([item.id])[0].path == str(photos / "zz.png")


def test_prune_drops_what_is_gone_and_only_that(gallery: bouba.Gallery, photos: Path, paint, tmp_path: Path) -> None:
    elsewhere = paint("blue", "../elsewhere/blue.png", seed=9)
    shutil.copy(photos / "green.png", photos / "twin.png")
    gallery.add([photos, elsewhere])
    (photos / "red.png").unlink()
    (photos / "green.png").unlink()
    shutil.rmtree(photos / "below")
    assert gallery.add(photos).removed == 0
    report = gallery.add(photos, prune=True)
    assert (report.removed, len(gallery)) == (7, 6)
    assert gallery.find(str(photos / "twin.png"))[0].path == str(photos / "twin.png")
    assert gallery.find(str(elsewhere))


def test_prune_refuses_a_folder_that_lost_everything(gallery: bouba.Gallery, photos: Path) -> None:
    gallery.add(photos)
    for path in photos.rglob("*.*"):
        path.unlink()
    with pytest.raises(StoreError, match="mounted"):
        gallery.add(photos, prune=True)
    assert len(gallery) == 12


def test_bytes_file_objects_and_pil_images(gallery: bouba.Gallery, paint) -> None:
    path = paint("red")
    with path.open("rb") as file, Image.open(paint("blue")) as image:
        report = gallery.add([path.read_bytes(), file, image])
        again = gallery.add(image)
    assert (report.added, report.duplicates, again.added, len(gallery)) == (2, 1, 0, 2)
    assert gallery.search("blue", k=1)[0].id == again.ids[0]


def test_removed_from_the_store_behind_the_ledger(gallery: bouba.Gallery, photos: Path) -> None:
    gallery.add(photos)
    gallery._store.delete([item.id for item in list(gallery.items())[:4]])
    report = gallery.add(photos)
    assert (report.added, report.unchanged, len(gallery)) == (4, 8, 12)


def test_known_to_the_store_but_not_to_the_ledger(gallery: bouba.Gallery, photos: Path, encoded: list[int]) -> None:
    """What a kill between the two writes leaves behind."""
    gallery.add(photos)
    encoded.clear()
    gallery._ledger.forget_items([item.id for item in gallery.items()])
    report = gallery.add(photos)
    assert (report.duplicates, report.added, encoded) == (12, 0, [])
    assert all(gallery.thumbnail(item.id) for item in gallery.items())
    assert gallery.add(photos).unchanged == 12


def test_bad_inputs_are_rows_and_touch_nothing_else(gallery: bouba.Gallery, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    corpus = write_corpus(tmp_path / "bad")
    assert len(corpus) >= 40
    paths = [tmp_path / "bad" / name for name in corpus]
    report = gallery.add([photos, *paths])
    assert (report.added, report.failed) == (12, len(corpus))
    kinds = {failure.source: failure.kind for failure in report.failures}
    assert kinds == {str(tmp_path / "bad" / name): kind.__name__ for name, kind in corpus.items()}


def test_same_broken_bytes_twice_are_two_rows(gallery: bouba.Gallery, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0 this is no JPEG")
    report = gallery.add([tmp_path / "a.jpg", tmp_path / "b.jpg"])
    assert sorted(f.source for f in report.failures) == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_link_loops_end(gallery: bouba.Gallery, photos: Path) -> None:
    (photos / "below" / "up").symlink_to(photos, target_is_directory=True)
    (photos / "self.png").symlink_to(photos / "self.png")
    report = gallery.add(photos)
    assert (report.added, [f.kind for f in report.failures]) == (12, ["MediaMissing"])


def test_interrupt_keeps_what_was_encoded(
    gallery: bouba.Gallery, paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(150):
        paint("red", seed=seed, size=(8, 8))
    original, calls = Model.encode_pixels, []

    def interrupted(self: Model, pixels: list) -> np.ndarray:
        calls.append(len(pixels))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, pixels)

    monkeypatch.setattr(Model, "encode_pixels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gallery.add(tmp_path / "photos")
    assert len(gallery) == calls[0]
    report = gallery.add(tmp_path / "photos")
    assert (report.unchanged, report.added, len(gallery)) == (calls[0], 150 - calls[0], 150)


def test_progress_counts_only_what_is_safe(gallery: bouba.Gallery, photos: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    gallery.add(photos, progress=lambda done, total: seen.append((done, total, len(gallery))))
    assert seen[-1] == (12, 12, 12)
    assert all(done <= items for done, _, items in seen)


def test_names_that_are_not_utf8(gallery: bouba.Gallery, photos: Path) -> None:
    odd = os.fsencode(photos) + b"/caf\xe9.png"
    try:
        shutil.copy(photos / "red.png", odd)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    report = gallery.add(photos)
    assert (report.added, [f.kind for f in report.failures]) == (12, ["MediaMissing"])
    assert "UTF-8" in report.failures[0].message
