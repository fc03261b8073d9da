"""Perturbed queries: the same under a seed, changed as they say, and never broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bouba.evaluation.perturb import PICTURE_SLICES, TEXT_SLICES, TEXT_SUBSETS, query_rng

TEXT = {s.name: s for s in TEXT_SLICES}
SUBSET = {s.name: s for s in TEXT_SUBSETS}
PICTURE = {s.name: s for s in PICTURE_SLICES}
CAPTION = "Two dogs don't run on the well-lit beach near a blue boat ."
CAPTIONS = [CAPTION.replace("boat", f"boat number {i}") for i in range(200)]

texts = st.text(max_size=200) | st.lists(st.sampled_from(CAPTION.split()), max_size=30).map(" ".join)


def change(name: str, text: str = CAPTION, seed: int = 0) -> str:
    return TEXT[name].apply([text], seed)[0]


@pytest.mark.parametrize("name", TEXT)
def test_text_changes_follow_the_seed_and_not_the_neighbours(name: str) -> None:
    changed = TEXT[name].apply(CAPTIONS, seed=5)
    assert changed == TEXT[name].apply(CAPTIONS, seed=5)
    others = [CAPTIONS[i] if i in {0, 100} else "something else altogether" for i in range(200)]
    assert [changed[i] for i in (0, 100)] == [TEXT[name].apply(others, seed=5)[i] for i in (0, 100)]
    assert sum(a != b for a, b in zip(changed, CAPTIONS, strict=True)) == 200
    random = name not in {"upper case", "plain", "keywords"}
    assert (changed != TEXT[name].apply(CAPTIONS, seed=6)) == random


@pytest.mark.parametrize("name", TEXT)
@given(text=texts, seed=st.integers(0, 2**32))
def test_no_text_breaks_a_change(name: str, text: str, seed: int) -> None:
    changed = change(name, text, seed)
    assert bool(changed.strip()) == bool(text.strip()) or name in {"paraphrase", "long"}
    changed.encode()


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize(
    "text", ["", " ", "a", "the", "...", "猫", "在水边观看风景的人。", "👩‍👩‍👧", "İı ß ﬁ", "A dog " * 50_000]
)
def test_unusual_texts(name: str, text: str) -> None:
    changed = change(name, text)
    assert isinstance(changed, str)
    assert bool(changed.strip()) >= bool(text.strip())


@given(text=texts, seed=st.integers(0, 99))
def test_typos_keep_words_and_first_letters(text: str, seed: int) -> None:
    before, after = text.split(), change("typos", text, seed).split()
    assert [w[0] for w in before] == [w[0] for w in after]
    assert [w for w in before if len(w) < 4] == [a for b, a in zip(before, after, strict=True) if len(b) < 4]
    # One edit a run of letters: dropped, doubled, mistyped or swapped.
    runs = sum(max(1, len(w) // 4) for w in before)
    assert abs(len(text) - len(change("typos", text, seed))) <= runs


def test_the_rate_of_typos() -> None:
    words = ["caption"] * 20_000
    changed = change("typos", " ".join(words)).split()
    assert np.mean([w != "caption" for w in changed]) == pytest.approx(0.25, abs=0.015)
    assert {"cpation", "captin", "capption", "captipn"} <= set(changed)
    assert all(change("typos", "beach", seed) != "beach" for seed in range(50))


def test_casing_and_punctuation() -> None:
    assert change("upper case") == CAPTION.upper()
    assert change("plain") == "two dogs dont run on the well lit beach near a blue boat"
    assert change("plain", "...") == "..."


@given(text=texts, seed=st.integers(0, 99))
def test_shuffled_words_are_the_same_words_in_another_order(text: str, seed: int) -> None:
    before, after = text.split(), change("word order", text, seed).split()
    assert sorted(before) == sorted(after)
    assert (before != after) == (len(set(before)) > 1)


def test_paraphrases() -> None:
    changed = {change("paraphrase", "A dog .", seed) for seed in range(60)}
    assert {"a picture showing a dog", "a photo of a dog", "there is a dog in this photo"} <= changed
    assert len(changed) == 8
    assert all("Paris {} at night" in change("paraphrase", "Paris {} at night.", seed) for seed in range(20))


def test_keywords() -> None:
    assert change("keywords") == "two dogs dont run well lit beach blue boat"
    assert change("keywords", "The who .") == "The who ."


@pytest.mark.parametrize("seed", range(5))
def test_long_captions_hold_the_caption(seed: int) -> None:
    changed = change("long", seed=seed)
    assert CAPTION in changed
    assert 43 <= len(changed.split()) - len(CAPTION.split()) <= 46


def test_recogniser_errors_have_the_rates_they_state() -> None:
    # Words apart by "zebra", which nothing happens to, so that each rate can be counted.
    changed = change("recogniser errors", "Four zebra the zebra. " * 5000).replace(" ", "")
    assert changed.count("four") / 5000 == pytest.approx(0.5, abs=0.03)
    assert changed.count("the") / 5000 == pytest.approx(0.75, abs=0.03)
    merged = change("recogniser errors", "Zebra, " * 10_000).split()
    assert 1 - len(merged) / 10_000 == pytest.approx(0.05, abs=0.01)
    assert "".join(merged) == "zebra" * 10_000


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("counting", ["Two dogs", "3 men", "both of them", "a pair of shoes"], ["one man", "tone", "twofold", "0", ""]),
        ("colour", ["A RED car", "grey-haired man", "blue."], ["reduced", "bluebird", "", "coloured"]),
        ("negation", ["no shirt", "a man without a hat", "isn't", "isn’t", "cannot see"], ["knot", "north", ""]),
    ],
)  # fmt: skip
def test_subsets_go_by_whole_words(name: str, inside: list[str], outside: list[str]) -> None:
    assert SUBSET[name].select([*outside, *inside]) == list(range(len(outside), len(outside) + len(inside)))


@given(texts)
def test_subsets_take_any_text(text: str) -> None:
    assert all(subset.select([text]) in ([], [0]) for subset in TEXT_SUBSETS)


def photo(width: int = 120, height: int = 80) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("name", PICTURE)
def test_picture_changes_follow_the_seed_and_leave_the_original(name: str) -> None:
    image = photo()
    before = pixels(image)
    first, again = (PICTURE[name].apply(image, 3, seed=1) for _ in range(2))
    assert np.array_equal(pixels(first), pixels(again))
    assert first.mode == "RGB"
    assert first.size != image.size or not np.array_equal(pixels(first), before)
    assert np.array_equal(pixels(image), before)


@pytest.mark.parametrize("name", PICTURE)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 3000), (3000, 1), (224, 224)])
def test_no_picture_breaks_a_change(name: str, size: tuple[int, int]) -> None:
    for mode in ("RGB", "RGBA", "L", "P", "CMYK", "1", "I;16"):
        changed = PICTURE[name].apply(Image.new(mode, size), 0)
        assert changed.mode == "RGB"
        assert min(changed.size) >= 1


def test_crop_keeps_the_middle() -> None:
    assert np.array_equal(pixels(PICTURE["crop"].apply(photo(), 0)), pixels(photo())[12:68, 18:102])


def test_blur_grows_with_the_picture() -> None:
    small, large = (PICTURE["blur"].apply(photo(side, side), 0) for side in (60, 240))
    # The spread of blurred noise falls with the radius, which is four times as large.
    assert pixels(large).std() < pixels(small).std() / 2 < pixels(photo()).std() / 4


def test_greyscale_has_equal_channels() -> None:
    grey = pixels(PICTURE["greyscale"].apply(photo(), 0))
    assert np.array_equal(grey[..., 0], grey[..., 1])
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_jpeg_loses_detail() -> None:
    assert 5 < np.abs(pixels(PICTURE["jpeg"].apply(photo(), 0)) - pixels(photo())).mean() < 80


def test_rotation_fills_the_corners_and_goes_either_way() -> None:
    white = Image.new("RGB", (100, 100), "white")
    turned = [pixels(PICTURE["rotation"].apply(white, index)) for index in range(20)]
    assert all(t.shape == (100, 100, 3) and (t[0, 0] == 128).all() and (t[50, 50] == 255).all() for t in turned)
    assert len({t.tobytes() for t in turned}) == 2


def test_screenshot_frames_the_whole_picture() -> None:
    page = pixels(PICTURE["screenshot"].apply(photo(), 0))
    assert page.shape == (80 + 2 * (4 + 10), 120 + 2 * 4, 3)
    inner = page[14:94, 4:124]
    assert np.array_equal(inner[8:-8], pixels(photo())[8:-8])
    assert (inner[0, 0] == 255).all()
    assert (page[0] == page[-1]).all()
    assert page[0, 0].tolist() == [236, 236, 240]


@pytest.mark.parametrize(("size", "small"), [((224, 112), (64, 32)), ((40, 30), (40, 30)), ((5000, 2), (64, 1))])
def test_small(size: tuple[int, int], small: tuple[int, int]) -> None:
    assert PICTURE["small"].apply(Image.new("RGB", size), 0).size == small


def test_tables_have_distinct_names_and_say_what_they_do() -> None:
    slices = [*TEXT_SLICES, *TEXT_SUBSETS, *PICTURE_SLICES]
    assert len({s.name for s in slices}) == len(slices)
    assert all(s.about and "\n" not in s.about for s in slices)
    assert {s.group for s in slices} == {"text", "subset", "picture"}


def test_generators_of_queries_differ() -> None:
    draws = {query_rng(seed, index).integers(2**60) for seed in range(10) for index in range(100)}
    assert len(draws) == 1000
