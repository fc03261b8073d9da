"""One picture: why it matched, what is known of it, and more or less like it."""

from __future__ import annotations

from typing import Any

from page_steps import answered, ask, expect, names, open_tile, show_rest, tile


def test_why_it_matched(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    ask(page, "a cat")
    viewer = open_tile(page, "chelsea.png")
    expect(viewer.locator(".viewer-details")).to_contain_text("Likely asked for")
    expect(viewer.locator(".viewer-details")).to_contain_text("animal")
    expect(viewer.locator(".path")).to_contain_text("chelsea.png")
    assert viewer.locator(".original").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 451
    shot(page, "viewer")
    with page.expect_response("**/explain*") as explained:
        viewer.get_by_role("button", name="Why it matched").click()
    assert explained.value.headers["content-type"] == "image/png"
    heat = viewer.locator(".heat")
    expect(heat).to_be_visible()
    boxes = [viewer.locator(f".{one}").bounding_box() for one in ("original", "heat")]
    assert boxes[0] == boxes[1], "the map does not lie over the picture"
    accessible(page)
    shot(page, "viewer-heat")
    viewer.get_by_role("button", name="Why it matched").click()
    expect(heat).to_be_hidden()


def test_from_picture_to_picture_and_back(visit: Any) -> None:
    page = visit()
    ask(page, "an animal")
    show_rest(page)
    first, second = [*names(page), *names(page, "#rest")][:2]
    viewer = open_tile(page, first)
    expect(viewer.locator(".viewer-place")).to_contain_text("1 of")
    page.keyboard.press("ArrowRight")
    expect(viewer.locator(".viewer-name")).to_have_text(second)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    expect(viewer.locator(".viewer-name")).to_have_text(second)
    page.keyboard.press("Escape")
    expect(page.locator("#viewer[open]")).to_have_count(0)
    expect(tile(page, second).locator(".open")).to_be_focused()
    assert "item=" not in page.url
    expect(page.locator("#text")).to_have_value("an animal")
    page.go_back()
    expect(page.locator("#text")).to_have_value("")


def test_a_link_to_one_picture(visit: Any) -> None:
    page = visit()
    open_tile(page, "moon.png")
    other = visit(page.url.split("/", 3)[3])
    expect(other.locator("#viewer .viewer-name")).to_have_text("moon.png")
    other.locator("#viewer").get_by_role("button", name="Close", exact=True).click()
    expect(other.locator("#viewer[open]")).to_have_count(0)
    gone = visit(f"?item={'0' * 32}")
    expect(gone.locator(".stage-note")).to_contain_text("not in the gallery")


def test_more_and_less_like_a_hit(visit: Any, shot: Any) -> None:
    page = visit()
    ask(page, "something round")
    show_rest(page)
    moon = tile(page, "moon.png")
    moon.hover()
    with page.expect_request("**/feedback*") as told:
        moon.get_by_role("button", name="More like this: moon.png").click()
    assert told.value.post_data_json["query"] == {"text": "something round"}
    assert len(told.value.post_data_json["liked"]) == 1
    answered(page)
    expect(page.locator(".chip.like")).to_have_count(1)
    show_rest(page)
    coins = tile(page, "coins.png")
    coins.hover()
    coins.get_by_role("button", name="Less like this: coins.png").click()
    answered(page)
    expect(page.locator(".chip.unlike")).to_have_count(1)
    order = [*names(page), *names(page, "#rest")]
    assert order[0] == "moon.png"
    shot(page, "feedback")
    page.reload()
    answered(page)
    assert [*names(page), *names(page, "#rest")][0] == "moon.png", "a link gives another answer"


def test_without_this_and_search_with_it(visit: Any) -> None:
    page = visit()
    ask(page, "a machine")
    show_rest(page)
    viewer = open_tile(page, "motorcycle_left.png")
    with page.expect_request("**/search*") as asked:
        viewer.get_by_role("button", name="Without this").click()
    assert [list(part) for part in asked.value.post_data_json["query"]["all"]] == [["text"], ["not"]]
    answered(page)
    assert not any(name.startswith("motorcycle") for name in names(page))
    show_rest(page)
    viewer = open_tile(page, "hubble_deep_field.jpg")
    viewer.get_by_role("button", name="Search with it").click()
    answered(page)
    assert names(page)[0] == "hubble_deep_field.jpg"
    expect(page.locator("#text")).to_have_value("")


def test_near_duplicates_open(visit: Any, shot: Any) -> None:
    page = visit()
    ask(page, "a motorcycle")
    badge = page.locator(".copies-badge").first
    expect(badge).to_have_text("+1")
    badge.click()
    page.get_by_role("button", name="Show the near-duplicate").click()
    expect(page.locator(".viewer-name")).to_contain_text("motorcycle")


def test_downloaded_as_it_is(visit: Any, photographs: Any) -> None:
    page = visit()
    viewer = open_tile(page, "rocket.jpg")
    with page.expect_download() as download:
        viewer.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "rocket.jpg"
    assert download.value.path().read_bytes() == (photographs / "rocket.jpg").read_bytes()
