"""Words and codes of items in a gallery's answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import bouba
from bouba.encoders import Model
from bouba.types import Result

Painter = Callable[..., Path]


@pytest.fixture
def shop(gallery: bouba.Gallery, paint: Painter) -> bouba.Gallery:
    """Three pictures of each colour with a code each; one blue one is called a zebra."""
    for row, colour in enumerate(("red", "green", "blue")):
        for n in range(3):
            title = "zebra crossing" if (colour, n) == ("blue", 1) else "thing"
            picture = paint(colour, f"{3 * row + n}.png", seed=3 * row + n)
            gallery.add(picture, {"sku": f"{colour}-{n}7/X", "title": title})
    return gallery


def skus(result: Result) -> list[object]:
    return [hit.item.attributes["sku"] for hit in result]


@pytest.mark.parametrize("query", ["green-27/X", "GREEN 27 X", "red green27x", "where is green/27/x"])
def test_an_exact_code_comes_first_whatever_the_picture(shop: bouba.Gallery, query: str) -> None:
    assert skus(shop.search(query))[0] == "green-27/X"


def test_a_filter_holds_for_codes_and_words(shop: bouba.Gallery) -> None:
    assert "green-27/X" not in skus(shop.search("green-27/X", where='sku != "green-27/X"'))
    assert "blue-17/X" not in skus(shop.search("zebra", where='not title like "zebra%"', k=20))
    assert skus(shop.search("zebra", where='title like "zebra%"')) == ["blue-17/X"]


def test_a_word_that_pictures_do_not_show_is_found(shop: bouba.Gallery) -> None:
    assert skus(shop.search("zebras", k=1)) == ["blue-17/X"]


def test_score_stays_the_cosine(shop: bouba.Gallery) -> None:
    near = {hit.id: hit.score for hit in shop.search("zebra", k=20, raw=True)}
    assert {hit.id: hit.score for hit in shop.search("zebra", k=20)} == pytest.approx(near)


def test_raw_knows_no_words(shop: bouba.Gallery) -> None:
    assert skus(shop.search("red green27x", k=1, raw=True))[0] != "green-27/X"


def test_what_is_gone_is_not_found(shop: bouba.Gallery) -> None:
    (first,) = shop.search("green-27/X", k=1)
    shop.delete([first.id])
    assert "green-27/X" not in skus(shop.search("green-27/X", k=20))


def test_without_words_nothing_changes(gallery: bouba.Gallery, photos: Path) -> None:
    gallery.add([path.read_bytes() for path in sorted(photos.rglob("*.*"))])
    for query in ("red", "a blue thing", "AB-1234/X"):
        fused, plain = gallery.search(query), gallery.search(query, raw=True)
        assert [hit.score for hit in fused] == pytest.approx([hit.score for hit in plain])


def test_a_gallery_older_than_its_words_is_read(tmp_path: Path, tiny_model: Model, paint: Painter) -> None:
    with bouba.open(tmp_path / "g", tiny_model) as gallery:
        gallery.add(paint("red"), {"title": "zebra"})
        gallery.add(paint("blue"), {"title": "thing"})
        gallery.add(paint("green"), {"title": "thing"})
    (tmp_path / "g" / "words.sqlite").unlink()
    with bouba.open(tmp_path / "g") as gallery:
        assert gallery.search("zebra")[0].item.attributes["title"] == "zebra"
    assert (tmp_path / "g" / "words.sqlite").exists()
