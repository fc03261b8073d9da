"""The shop's page: questions with chips, facets, products large, rules; in a browser, with photographs as products."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_steps import expect

import bouba
from bouba.apps.shop import Shop

# What a photograph is sold as: title, category, price, colour, pieces.
GOODS = {
    "coffee.png": ("Cup of coffee", "Kitchen > Cups", "7.50 EUR", "Brown", 5),
    "chelsea.png": ("Cat poster", "Posters > Animals", "12.00 EUR", "Orange", 3),
    "horse.png": ("Horse poster", "Posters > Animals", "4.50 EUR", "Black", 0),
    "rocket.jpg": ("Rocket poster", "Posters > Machines", "99.00 EUR", "Blue", 1),
    "moon.png": ("Moon poster", "Posters > Sky", "30.00 EUR", "Grey", 9),
    "coins.png": ("Old coins", "Collecting > Coins", "45.00 EUR", "Grey", 2),
}


@pytest.fixture(scope="module")
def shop_address(home: Path, photographs: Path, serving: Any) -> Iterator[str]:
    """A server of a shop; the cat poster has two variants with pictures of their own, one of them reduced."""
    rows: list[dict[str, Any]] = [
        {"id": Path(name).stem, "title": title, "category": category, "price": price, "colour": colour, "stock": stock,
         "brand": "Acme", "image": str(photographs / name)}
        for name, (title, category, price, colour, stock) in GOODS.items()
    ]  # fmt: skip
    cat = rows[1]
    cat["variants"] = [
        {"sku": "cat-s", "size": "S", "price": "9.00 EUR", "compare_at_price": "12.00 EUR", "image": cat["image"]},
        {"sku": "cat-l", "size": "L", "price": "19.00 EUR", "image": str(photographs / "astronaut.png")},
    ]
    feed = home / "goods.jsonl"
    feed.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with bouba.open(home / "goods.bouba") as gallery, Shop(gallery) as shop:
        assert not shop.import_feed(feed).problems
    with serving(str(home / "goods.bouba"), f"photos={home / 'photos.bouba'}") as address:
        yield address


@pytest.fixture
def open_shop(visit: Any, shop_address: str) -> Any:
    return lambda query="", **more: visit(f"shop{query}", base=shop_address, **more)


def titles(page: Any, part: str = "#matches") -> list[str]:
    return list(page.locator(f"{part} .card-title").all_inner_texts())


def ask(page: Any, text: str) -> None:
    page.locator("#text").fill(text)
    with page.expect_response("**/shop/search*"):
        page.locator("#text").press("Enter")
    page.locator("#results[aria-busy=false]").wait_for()


def chips(page: Any) -> list[str]:
    return list(page.locator("#chips .chip-text").all_inner_texts())


@pytest.mark.parametrize(
    ("width", "dark", "name"), [(1280, False, "light"), (1280, True, "dark"), (390, False, "phone")]
)
def test_everything_is_shown_first(
    open_shop: Any, shot: Any, accessible: Any, width: int, dark: bool, name: str
) -> None:
    page = open_shop(width=width, dark=dark)
    expect(page.locator("#count")).to_have_text("6 products")
    assert len(titles(page)) == 6
    expect(page.locator(".card.sold-out .badge")).to_have_text("Sold out")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    accessible(page)
    shot(page, f"shop-{name}")


def test_a_sentence_becomes_chips_that_can_be_removed(open_shop: Any, shot: Any, accessible: Any) -> None:
    page = open_shop()
    ask(page, "animals under 10 in stock")
    assert chips(page) == ["category Animals", "price < 10 EUR", "in stock"]
    assert titles(page) == ["Cat poster"]
    accessible(page)
    shot(page, "shop-chips")
    page.get_by_role("button", name="Remove: in stock").click()
    expect(page.locator("#matches .card")).to_have_count(2)
    expect(page.locator("#text")).to_have_value("animals under 10")
    assert "q=animals+under+10" in page.url
    page.go_back()
    expect(page.locator("#text")).to_have_value("animals under 10 in stock")


def test_what_was_let_go_of_is_told(open_shop: Any, shot: Any, accessible: Any) -> None:
    page = open_shop("?q=blue+posters+under+5")
    expect(page.locator("#notes")).to_contain_text("Let go of: price < 5 EUR")
    expect(page.locator(".chip.relaxed .chip-text")).to_have_text("price < 5 EUR")
    assert titles(page) == ["Rocket poster"]
    accessible(page)
    shot(page, "shop-relaxed")
    page.get_by_role("button", name="Search for the words as they are").click()
    expect(page.locator("#chips")).to_be_hidden()


def test_facets_filter_and_stand_in_the_address(open_shop: Any) -> None:
    page = open_shop()
    page.get_by_role("checkbox", name="Grey").check()
    expect(page.locator("#count")).to_have_text("2 products")
    page.get_by_role("checkbox", name="Brown").check()
    expect(page.locator("#count")).to_have_text("3 products")
    assert chips(page) == ["colour Grey or Brown"]
    page.get_by_role("spinbutton", name="To").fill("31")
    page.get_by_role("spinbutton", name="To").press("Enter")
    expect(page.locator("#count")).to_have_text("2 products")
    page.reload()
    expect(page.locator("#count")).to_have_text("2 products")
    page.locator("#clear-filters").click()
    expect(page.locator("#count")).to_have_text("6 products")


def test_a_picture_dropped_into_the_page(open_shop: Any, photographs: Path, drop: Any, shot: Any) -> None:
    page = open_shop()
    with page.expect_response("**/shop/search*"):
        drop(page, "#box", photographs / "rocket.jpg")
    expect(page.locator(".chip.picture")).to_be_visible()
    expect(page.locator("#matches .card-title").first).to_have_text("Rocket poster")
    shot(page, "shop-picture")
    page.get_by_role("button", name="Remove: rocket.jpg").click()
    expect(page.locator("#count")).to_have_text("6 products")


def test_a_product_opens_with_what_is_near_it(open_shop: Any, shot: Any, accessible: Any) -> None:
    page = open_shop()
    page.locator(".card-open", has_text="Cat poster").press("Enter")
    dialog = page.locator("#product")
    expect(dialog.locator("h2")).to_have_text("Cat poster")
    expect(dialog.locator("tbody tr")).to_have_count(2)
    expect(dialog.locator(".product-small button")).to_have_count(2)
    expect(dialog.locator("#row-similar .card").first).to_be_visible()
    expect(dialog.locator("#row-goes-with .card").first).to_be_visible()
    accessible(page)
    shot(page, "shop-product")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator(".card-open:focus")).to_contain_text("Cat poster")


def test_rules_are_made_and_removed(open_shop: Any, shot: Any, accessible: Any) -> None:
    page = open_shop()
    page.locator("#rules-button").click()
    page.get_by_label("Products (numbers, with commas)").fill("moon")
    page.get_by_label("For questions with the words").fill("gift")
    page.get_by_role("button", name="Add the rule").click()
    expect(page.locator("#rules")).to_contain_text("pin moon at place 1 for “gift”")
    accessible(page)
    shot(page, "shop-rules")
    page.keyboard.press("Escape")
    ask(page, "gift")
    expect(page.locator(".card-title").first).to_have_text("Moon poster")
    page.locator("#rules-button").click()
    page.get_by_role("button", name="Remove rule").first.click()
    page.locator("#ask").get_by_role("button", name="Remove").click()
    expect(page.locator("#rules")).to_contain_text("None yet.")


def test_a_gallery_without_a_catalogue_and_nothing_found(open_shop: Any, shot: Any, accessible: Any) -> None:
    page = open_shop(
        "?gallery=goods&q=dinosaur&f=%7B%22field%22%3A%22brand%22%2C%22op%22%3A%22not%22%2C%22value%22%3A%5B%22Acme%22%5D%7D"
    )
    expect(page.locator("#state")).to_contain_text("Nothing fits")
    accessible(page)
    shot(page, "shop-nothing")
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator("#state .state-panel")).to_have_count(0)


def test_the_keyboard(open_shop: Any) -> None:
    page = open_shop()
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()
    page.locator("#results").focus()
    expect(page.locator("#panel")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("#panel")).to_be_hidden()
