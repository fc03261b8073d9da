"""Near-duplicates in answers, through a gallery: one hit for one picture, and k hits where there are k pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import COLOURS

import bouba
from bouba.errors import QueryError


def scene(seed: int, colour: str) -> Image.Image:
    """Random blobs around one colour."""
    grid = np.random.default_rng(seed).integers(-60, 60, (6, 8, 3)) + np.array(COLOURS[colour])
    picture = Image.fromarray(np.clip(grid, 0, 255).astype(np.uint8))
    return picture.resize((160, 120), Image.Resampling.BICUBIC)


@pytest.fixture
def copied(gallery: bouba.Gallery, tmp_path: Path) -> bouba.Gallery:
    """Twenty red scenes, the first of them also in forty other qualities, and five blue ones."""
    folder = tmp_path / "copied"
    folder.mkdir()
    for seed in range(20):
        scene(seed, "red").save(folder / f"red{seed}.png")
    for quality in range(50, 90):
        scene(0, "red").save(folder / f"red0-{quality}.jpg", quality=quality)
    for seed in range(5):
        scene(seed, "blue").save(folder / f"blue{seed}.png")
    gallery.add(folder)
    return gallery


def test_k_hits_are_k_pictures(copied: bouba.Gallery) -> None:
    result = copied.search("red", k=20)
    assert [hit.rank for hit in result] == list(range(1, 21))
    assert len({Path(hit.path).stem.split("-")[0] for hit in result}) == 20
    (first,) = (hit for hit in result if hit.duplicates)
    assert len(first.duplicates) == 40
    assert all(Path(one.path).stem.startswith("red0") for one in first.duplicates)


def test_a_hit_is_the_best_of_its_copies(copied: bouba.Gallery) -> None:
    plain = {hit.id: hit.score for hit in copied.search("red", k=65, raw=True)}
    for hit in copied.search("red", k=30):
        assert all(plain[one.id] <= hit.score + 1e-9 for one in hit.duplicates)


def test_a_small_gallery_gives_what_it_has(copied: bouba.Gallery) -> None:
    assert len(copied.search("red", k=1000)) == 25


def test_raw_folds_nothing(copied: bouba.Gallery) -> None:
    result = copied.search("red", k=30, raw=True)
    assert len(result) == 30
    assert not any(hit.duplicates for hit in result)


def test_the_same_answer_each_time(copied: bouba.Gallery) -> None:
    assert copied.search("red", k=8).hits == copied.search("red", k=8).hits


def test_composed_questions_fold_too(copied: bouba.Gallery) -> None:
    result = copied.search(bouba.Query("red") & ~bouba.Query("blue"), k=10)
    assert len({Path(hit.path).stem.split("-")[0] for hit in result}) == 10


def test_json_names_the_copies(copied: bouba.Gallery) -> None:
    (hit,) = copied.search(image=scene(0, "red"), k=1)
    assert {Path(one["path"]).stem[:5] for one in hit.to_dict()["duplicates"]} <= {"red0", "red0-"}
    assert len(hit.duplicates) == 40
    (lone,) = copied.search(image=scene(3, "blue"), k=1)
    assert "duplicates" not in lone.to_dict()


def test_diverse_hits_are_among_the_best_in_their_order(copied: bouba.Gallery) -> None:
    plain, chosen = copied.search("red", k=15), copied.search("red", k=5, diverse=True)
    assert chosen[0].id == plain[0].id
    assert [hit.rank for hit in chosen] == [1, 2, 3, 4, 5]
    order = {hit.id: hit.rank for hit in plain}
    assert [hit.id for hit in chosen] == sorted((hit.id for hit in chosen), key=order.__getitem__)
    assert len(chosen[0].duplicates) == len(plain[0].duplicates)


def test_diverse_has_a_limit_and_is_not_raw(copied: bouba.Gallery) -> None:
    with pytest.raises(QueryError, match="1000"):
        copied.search("red", k=1001, diverse=True)
    with pytest.raises(QueryError, match="raw"):
        copied.search("red", diverse=True, raw=True)
