"""Questions to a small shop of colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bouba.apps.shop import Ask, Filter, ProductMissing, Rule, Shop, ShopMissing, of_dict
from bouba.errors import QueryError


def keys(found: Any) -> list[str]:
    return [one.product.key for one in getattr(found, "products", found)]


def test_a_shop_without_a_catalogue(shop: Shop) -> None:
    with pytest.raises(ShopMissing, match="bouba shop import"):
        shop.search("red")


def test_pictures_rank_and_filters_hold(stocked: Shop) -> None:
    answer = stocked.search("red dress under 50")
    assert [one.filter.label() for one in answer.parsed.chips] == ["colour Red", "category Dresses", "price < 50"]
    assert set(keys(answer)) == {"d1", "d2"}
    assert answer.total == 2
    assert answer.relaxed == ()


def test_variants_are_one_product_and_the_matching_one_stands_first(stocked: Shop) -> None:
    answer = stocked.search("blue")
    first = answer.products[0].to_dict()
    assert first["id"] == "d2"
    assert [one["id"] for one in first["variants"]] == ["D2-B", "D2-R"]
    assert first["item"] == first["variants"][0]["item"]
    red = stocked.search(Ask("", filters=(of_dict({"field": "colour", "value": ["Red"]}),)))
    found = next(one for one in red.products if one.product.key == "d2").to_dict()
    assert [(one["id"], one["fits"]) for one in found["variants"]] == [("D2-R", True), ("D2-B", False)]


def test_all_filters_hold_for_one_variant(stocked: Shop) -> None:
    ask = Ask(
        "",
        filters=(of_dict({"field": "colour", "value": ["Blue"]}), of_dict({"field": "size", "value": ["S"]})),
        relax=False,
    )
    assert keys(stocked.search(ask)) == []


def test_a_picture_and_words(stocked: Shop) -> None:
    yellow = Image.new("RGB", (32, 32), (255, 255, 0))
    assert keys(stocked.search(Ask(image=yellow)))[0] == "s2"
    assert keys(stocked.search(Ask("dresses", image=yellow)))[0] in ("d1", "d2", "d3")
    assert set(keys(stocked.search(Ask("dresses under 50", image=yellow)))) == {"d1", "d2"}


@pytest.mark.parametrize("code", ["ZX-900/B", "zx900b", "zx 900 b", "please find zx-900/b"])
def test_codes_find_their_product(stocked: Shop, code: str) -> None:
    found = stocked.search(code).products[0]
    assert found.product.key == "s3"
    assert found.why == ("code",)


def test_products_without_a_picture_are_found_by_their_words(stocked: Shop) -> None:
    answer = stocked.search("voucher")
    assert answer.found
    assert "n1" in keys(answer)
    assert keys(stocked.search("acme voucher under 20"))[0] == "n1"


@pytest.mark.parametrize(
    ("text", "relaxed", "found"),
    [
        ("red dress under 10", ["price"], {"d1", "d2"}),
        ("green dress on sale", ["sale"], {"d3"}),
        ("yellow dress size M under 5", ["size", "price", "colour"], {"d1", "d2", "d3"}),
    ],
)
def test_nothing_fits_so_filters_are_let_go_of_in_order(
    stocked: Shop, text: str, relaxed: list[str], found: set[str]
) -> None:
    answer = stocked.search(text)
    assert [one.field for one in answer.relaxed] == relaxed
    assert set(keys(answer)) == found
    assert answer.notes[0].startswith("No product has all of that. Let go of: ")
    assert answer.total == len(found)
    strict = stocked.search(Ask(text, relax=False))
    assert (strict.total, strict.products, strict.relaxed) == (0, (), ())


def test_what_is_not_wanted_is_never_let_go_of(stocked: Shop) -> None:
    answer = stocked.search("dresses not red, not green, not blue under 10")
    assert all("dresses" not in keys(answer) for _ in answer.products)
    assert not {"d1", "d2", "d3"} & set(keys(answer))


def test_gender_holds_what_is_for_all(stocked: Shop) -> None:
    assert set(keys(stocked.search(Ask("", filters=(Filter("gender", "is", ("Men",)),))))) == {"s1", "s2"}


def test_order_by_price_and_age(stocked: Shop) -> None:
    assert keys(stocked.search("cheapest shoes")) == ["s2", "s1", "s3"]
    assert keys(stocked.search("most expensive shoes")) == ["s3", "s1", "s2"]
    assert keys(stocked.search("shoes newest first"))[:3] == keys(stocked.search("newest shoes"))[:3]


def test_facets_count_products_and_leave_out_their_own_choice(stocked: Shop) -> None:
    def facet(answer: Any, name: str) -> dict[str, int]:
        return next(dict(one.values) for one in answer.facets if one.field == name)

    whole = stocked.search("")
    assert facet(whole, "category") == {"Apparel": 3, "Dresses": 3, "Footwear": 3, "Shoes": 3, "Vouchers": 1}
    assert facet(whole, "colour")["Red"] == 2
    assert next(one.range for one in whole.facets if one.field == "price") == (10.0, 90.0)
    chosen = stocked.search(Ask("", filters=(Filter("brand", "is", ("Acme",)),)))
    assert facet(chosen, "brand") == {"Acme": 4, "Bolt": 3}
    assert facet(chosen, "category")["Shoes"] == 1
    for value, count in facet(whole, "colour").items():
        assert stocked.search(Ask("", filters=(Filter("colour", "is", (value,)),))).total == count


def test_pages_follow_each_other(stocked: Shop) -> None:
    first, second = (keys(stocked.search(Ask("", limit=4, offset=offset))) for offset in (0, 4))
    assert len(first) == 4
    assert sorted([*first, *second]) == sorted(keys(stocked.search("")))


def test_similar_looks_alike(stocked: Shop, paint: Any, write: Any) -> None:
    stocked.import_feed(write("more.jsonl", {"id": "x", "title": "Twin", "image": str(paint("red", seed=50))}))
    assert set(keys(stocked.similar("d1", 2))) == {"x", "d2"}
    assert "d1" not in keys(stocked.similar("d1"))
    assert stocked.similar("n1") == []
    with pytest.raises(ProductMissing, match="'nope' is the id or code of no products"):
        stocked.similar("nope")


def test_goes_with_is_of_another_kind_for_the_same_people_in_a_colour_that_fits(stocked: Shop) -> None:
    found = keys(stocked.goes_with("d1"))
    assert set(found) == {"s1", "s3"}  # not a dress, not for men
    assert all(one.why == ("looks alike",) for one in stocked.goes_with("d1"))


def test_goes_with_follows_what_the_feed_says(stocked: Shop, clothes: Path, write: Any) -> None:
    row = {"id": "d1", "title": "Acme dress", "category": "Apparel > Dresses", "related": ["s2", "gone"]}
    stocked.import_feed(write("again.jsonl", row))
    found = stocked.goes_with("d1")
    assert keys(found)[0] == "s2"
    assert found[0].why == ("named by the feed",)


def test_hidden_products_are_nowhere(stocked: Shop) -> None:
    stocked.rules.add(Rule("hide", ("s3",)))
    assert "s3" not in keys(stocked.search(""))
    assert "s3" not in keys(stocked.search("ZX-900/B"))
    assert "s3" not in keys(stocked.goes_with("d1"))


def test_another_currency_is_told(stocked: Shop) -> None:
    assert "Prices here are in EUR: GBP was read as EUR." in stocked.search("shoes under £30").notes


@pytest.mark.parametrize(
    "wrong",
    [
        {"field": "price", "op": "is", "value": ["x"]},
        {"field": "price", "op": "between", "value": 3},
        {"field": "colour", "op": "<", "value": 3},
        {"field": "colour", "value": []},
        {"field": "stock", "value": ["maybe"]},
        {"field": "colour", "op": "like", "value": ["x"]},
        {"field": "colour", "value": ["\ud800"]},
    ],
)
def test_wrong_filters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        of_dict(wrong)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 101}, {"offset": -1}, {"offset": 1001}])
def test_limits(wrong: dict[str, int]) -> None:
    with pytest.raises(QueryError, match="1 to 100 products"):
        Ask("", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["\ud800", "%", "'; DROP TABLE product", '"', "NOT (", "🧥 under 50", "a" * 2000])
def test_odd_sentences_are_answered(stocked: Shop, text: str) -> None:
    assert stocked.search(text).total == 7 or stocked.search(text).parsed.chips
