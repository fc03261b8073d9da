"""Filters: what there is to choose, what is chosen, and a sheet on a phone."""

from __future__ import annotations

from typing import Any

from page_steps import answered, ask, expect, names


def _panel(page: Any) -> Any:
    page.locator("#filter-button").click()
    panel = page.locator("#panel[open]")
    panel.wait_for()
    return panel


def test_ticked_ranged_and_removed(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    panel = _panel(page)
    subject = panel.locator("details", has=page.locator("summary", has_text="Subject"))
    expect(subject.locator("label", has_text="machine").locator("small")).to_have_text("4")
    subject.get_by_label("machine").check()
    expect(page.locator("#count")).to_have_text("4 pictures")
    subject.get_by_label("sky").check()
    expect(page.locator("#count")).to_have_text("6 pictures")
    # The other values of a ticked field stay, counted as if it were not ticked.
    expect(subject.locator("label", has_text="animal").locator("small")).to_have_text("2")
    price = panel.locator("details", has=page.locator("summary", has_text="Price"))
    price.get_by_label("From").fill("20")
    price.get_by_label("From").press("Enter")
    expect(page.locator("#count")).to_have_text("4 pictures")
    assert set(names(page)) == {"rocket.jpg", "motorcycle_left.png", "motorcycle_right.png", "hubble_deep_field.jpg"}
    expect(page.locator("#active-filters .chip")).to_have_text(["Subject: machine, sky", "Price: from 20"])
    expect(page.locator("#filter-button")).to_have_attribute("data-count", "2")
    accessible(page)
    shot(page, "filters")
    ask(page, "a rocket")
    assert names(page)[0] == "rocket.jpg"
    page.get_by_role("button", name="Remove the filter Subject: machine, sky").click()
    answered(page)
    panel.get_by_role("button", name="Clear all").click()
    expect(page.locator("#active-filters .chip")).to_have_count(0)


def test_dates_booleans_and_lists(visit: Any) -> None:
    page = visit()
    panel = _panel(page)
    made = panel.locator("details", has=page.locator("summary", has_text="Made"))
    made.get_by_label("From").fill("2024-01-01")
    made.get_by_label("To").fill("2024-05-20")
    made.get_by_label("To").blur()
    expect(page.locator("#count")).to_have_text("2 pictures")
    panel.locator("details", has=page.locator("summary", has_text="Tags")).get_by_label("cup").check()
    expect(page.locator("#count")).to_have_text("1 picture")
    favourite = panel.locator("details", has=page.locator("summary", has_text="Favourite"))
    favourite.get_by_label("Yes").check()
    expect(page.locator("#active-filters .chip")).to_have_count(3)
    price = panel.locator("details", has=page.locator("summary", has_text="Price"))
    price.get_by_label("From").fill("50")
    price.get_by_label("From").press("Enter")
    expect(page.locator("#state")).to_contain_text("No picture fits the filters.")
    page.locator("#state").get_by_role("button", name="Clear the filters").click()
    expect(page.locator("#count")).to_have_text("20 pictures")


def test_open_as_it_was_left(visit: Any) -> None:
    page = visit()
    _panel(page)
    page.reload()
    expect(page.locator("#panel[open]")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("#panel[open]")).to_have_count(0)


def test_a_sheet_on_a_phone(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit(width=360, height=740)
    panel = _panel(page)
    panel.get_by_label("machine").check()
    expect(panel.get_by_role("button", name="Show 4 pictures")).to_be_visible()
    accessible(page)
    shot(page, "filters-phone")
    panel.get_by_role("button", name="Show 4 pictures").click()
    expect(page.locator("#panel[open]")).to_have_count(0)
    expect(page.locator("#count")).to_have_text("4 pictures")
