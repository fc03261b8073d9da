"""Catalogues go into the gallery once; what changes is written, and no picture is encoded twice."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import bouba
from bouba.apps.shop import Shop
from bouba.encoders import Model
from bouba.errors import AttributeTypeError, GalleryBroken, ManifestError, QueryError
from bouba.server.batching import batched


def rows_of(feed: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in feed.read_text("utf-8").splitlines()]


@pytest.fixture
def encoded(shop: Shop) -> Counter[str]:
    """How many pictures the model has encoded."""
    counts: Counter[str] = Counter()
    shop.gallery.run_by(lambda model: batched(model, lambda tower, n, _: counts.update({tower: n}), together=False))
    return counts


def test_pictures_become_items_with_the_products_attributes(stocked: Shop) -> None:
    (item,) = stocked.gallery.items('product_id has "d1"')
    assert item.attributes["title"] == "Acme dress"
    assert item.attributes["category"] == ("Apparel", "Dresses")
    assert (item.attributes["price"], item.attributes["in_stock"], item.attributes["on_sale"]) == (30.0, True, False)
    assert stocked.info()["products"] == 7
    assert stocked.info()["without_picture"] == 1
    assert stocked.info()["currency"] == "EUR"


def test_a_second_import_reads_no_picture(
    stocked: Shop, clothes: Path, encoded: Counter[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("bouba.apps.shop.pictures.read_source", lambda *_: pytest.fail("a picture was read"))
    report = stocked.import_feed(clothes)
    assert (report.added, report.updated, report.unchanged, report.told) == (0, 0, 7, 0)
    assert encoded["image"] == 0


def test_new_prices_and_stock_encode_nothing(stocked: Shop, clothes: Path, encoded: Counter[str], write: Any) -> None:
    changed = [{**row, **({"price": "7.50 EUR"} if "price" in row else {})} for row in rows_of(clothes)]
    report = stocked.import_feed(write("again.jsonl", *changed))
    assert (report.updated, report.unchanged, report.encoded) == (6, 1, 0)
    (item,) = stocked.gallery.items('product_id has "s3"')
    assert item.attributes["price"] == 7.5
    report = stocked.import_feed(write("stock.csv", "sku,quantity\n", "D2-R,4\n", "zx900b,0\n", "d1,0\n", "gone,1\n"))
    assert (report.updated, report.told) == (3, 3)
    assert [(one.line, one.product) for one in report.problems] == [(5, "gone")]
    assert [one.stock for one in stocked.product("d2").product.variants] == [4, 4]
    assert not stocked.product("s3").product.variants[0].available
    assert encoded["image"] == 0
    assert {one.product.key for one in stocked.search("dress out of stock").products} == {"d1"}


def test_a_stopped_import_goes_on(stocked: Shop, clothes: Path, write: Any, monkeypatch: Any) -> None:
    cheap = write("again.jsonl", *[{**row, "price": "1 EUR"} if "price" in row else row for row in rows_of(clothes)])
    with monkeypatch.context() as patch:
        patch.setattr("bouba.apps.shop.importing.tell", lambda *_: pytest.fail("killed here"))
        with pytest.raises(pytest.fail.Exception):
            stocked.import_feed(cheap)
    (item,) = stocked.gallery.items('product_id has "d1"')
    assert item.attributes["price"] == 30.0
    report = stocked.import_feed(cheap)
    assert report.unchanged == 7
    assert report.told == 5  # that of the dress with two variants has no price of its own
    (item,) = stocked.gallery.items('product_id has "d1"')
    assert item.attributes["price"] == 1.0


def test_a_picture_that_somebody_removed_comes_back_with_its_attributes(stocked: Shop, clothes: Path) -> None:
    item = stocked.product("d1").kept.first_item or ""
    before = dict(stocked.gallery.get([item])[0].attributes)
    stocked.gallery.delete([item])
    assert stocked.import_feed(clothes).encoded == 1
    assert dict(stocked.gallery.get([item])[0].attributes) == before


def test_a_changed_file_is_read_again_and_the_old_picture_goes(stocked: Shop, clothes: Path, paint: Any) -> None:
    before = stocked.product("s3").kept.first_item
    path = Path(rows_of(clothes)[5]["image"])
    os.replace(paint("green", "new.png", seed=99), path)
    report = stocked.import_feed(clothes)
    assert report.encoded == 1
    assert stocked.product("s3").kept.first_item != before
    assert not stocked.gallery.known([before or ""])


def test_pictures_that_cannot_be_had_lose_no_product(shop: Shop, paint: Any, write: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    rows = [
        {"id": "1", "title": "One", "images": [str(paint("red")), "missing.png", "broken.png"]},
        {"id": "2", "title": "Two", "image": "https://example.org/2.jpg"},
    ]
    report = shop.import_feed(write("f.jsonl", *rows))
    assert report.added == 2
    assert report.without_picture == 1
    told = [(one.line, one.product, one.reason) for one in report.problems]
    assert [(line, product) for line, product, _ in told] == [(1, "1"), (1, "1"), (2, "2")]
    assert all("a picture is left out" in reason for *_, reason in told)
    assert len(shop.gallery) == 1
    assert "2" in [one.product.key for one in shop.search("two").products]


def test_a_wrong_row_changes_nothing(stocked: Shop, clothes: Path, write: Any) -> None:
    rows = rows_of(clothes)
    rows[0]["price"] = "soon"
    rows[1]["variants"][0]["price"] = "soon"
    report = stocked.import_feed(write("again.jsonl", *rows), prune=True)
    assert [one.product for one in report.problems] == ["d1", "d2"]
    assert stocked.product("d1").product.variants[0].price == 30.0
    assert len(stocked.product("d2").product.variants) == 2
    assert report.removed == 0


def test_prune_removes_what_is_gone_and_only_the_shops_own_pictures(
    shop: Shop, clothes: Path, paint: Any, write: Any
) -> None:
    shop.gallery.add(rows_of(clothes)[0]["image"], {"mine": True})
    shop.import_feed(clothes)
    left = rows_of(clothes)[2:]
    report = shop.import_feed(write("left.jsonl", *left), prune=True)
    assert report.removed == 2
    assert report.pictures_removed == 2
    assert len(shop.gallery) == 5
    (mine,) = shop.gallery.items("mine")
    assert dict(mine.attributes) == {"mine": True}
    assert [one.product.key for one in shop.search("").products].count("d1") == 0
    with pytest.raises(ManifestError, match="Not pruned"):
        shop.import_feed(write("none.jsonl", {"id": "x", "title": ""}), prune=True)
    assert shop.info()["products"] == 5


def test_drafts_leave_the_shop(stocked: Shop, clothes: Path, write: Any) -> None:
    report = stocked.import_feed(write("f.jsonl", {**rows_of(clothes)[0], "status": "draft"}))
    assert report.removed == 1
    assert stocked.info()["products"] == 6


def test_another_currency_is_another_shop(stocked: Shop, write: Any) -> None:
    with pytest.raises(ManifestError, match="priced in USD, and this shop in EUR"):
        stocked.import_feed(write("usd.csv", "id,title,price\n", "1,One,1 USD\n"))


def test_a_gallery_with_other_attributes_is_left_alone(shop: Shop, clothes: Path, paint: Any) -> None:
    shop.gallery.add(paint("red"), {"price": "cheap"})
    with pytest.raises(AttributeTypeError, match="'price' that is a text"):
        shop.import_feed(clothes)
    assert not shop.is_there or shop.info()["products"] == 0


def test_one_picture_of_several_products_finds_them_all(shop: Shop, paint: Any, write: Any) -> None:
    image = str(paint("blue"))
    shop.import_feed(
        write("f.jsonl", *[{"id": f"p{n}", "title": "Blue thing", "image": image, "price": n} for n in (1, 2, 3)])
    )
    assert len(shop.gallery) == 1
    assert {one.product.key for one in shop.search("blue").products} == {"p1", "p2", "p3"}
    assert [one.product.key for one in shop.search("blue under 2").products] == ["p1"]


def test_a_gallery_in_memory_has_no_shop(tiny_model: Model) -> None:
    with bouba.open("memory://", tiny_model) as gallery, pytest.raises(QueryError, match="in memory"):
        Shop(gallery)


def test_a_damaged_file_says_what_to_do(tmp_path: Path, tiny_model: Model, clothes: Path) -> None:
    with bouba.open(tmp_path / "shop.bouba", tiny_model) as gallery:
        with Shop(gallery) as shop:
            shop.import_feed(clothes)
        path = tmp_path / "shop.bouba" / "shop.sqlite"
        for beside in path.parent.glob("shop.sqlite-*"):
            beside.unlink()
        path.write_bytes(b"not a database at all" * 100)
        with Shop(gallery) as shop, pytest.raises(GalleryBroken, match="import the catalogue again"):
            shop.info()
