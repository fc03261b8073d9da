"""Nothing there, nobody there, dark, narrow, and without a mouse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from page_steps import answered, ask, expect, names, open_tile, show_rest, tile

SIZES = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 360, "height": 740}}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_main_states_in_all_clothes(visit: Any, size: str, dark: bool, shot: Any, accessible: Any) -> None:
    name = f"{size}-{'dark' if dark else 'light'}"
    page = visit(dark=dark, **SIZES[size])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    accessible(page)
    shot(page, f"{name}-browse")
    ask(page, "a person with a camera")
    show_rest(page)
    accessible(page)
    shot(page, f"{name}-results")
    open_tile(page, "camera.png")
    accessible(page)
    shot(page, f"{name}-viewer")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"


def test_large_enough_to_touch(visit: Any) -> None:
    page = visit(width=360, height=740)
    ask(page, "a cat")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select")]
            .filter((node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
            .filter((node) => !node.matches(".sr, .skip, .tile-tool, input[type=checkbox]"))
            .map((node) => [node.id || node.className, node.getBoundingClientRect()])
            .filter(([, box]) => box.width < 43.5 || box.height < 43.5)
            .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)"""
    )
    assert not small


def test_the_theme_is_remembered(visit: Any) -> None:
    page = visit(dark=False)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_accessible_name("Theme: light")
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_accessible_name("Theme: dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_an_empty_gallery_teaches(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit("?gallery=empty")
    state = page.locator("#state")
    expect(state).to_contain_text("No pictures here yet")
    expect(state.locator("code")).to_contain_text("bouba add")
    expect(state.locator(".pill")).to_have_count(3)
    accessible(page)
    shot(page, "empty")
    state.locator(".pill").first.click()
    answered(page)
    expect(page.locator("#text")).to_have_value("a dog running on a beach")
    expect(state).to_contain_text("No pictures here yet")


def test_the_server_is_away_and_comes_back(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    page.context.set_offline(True)
    page.locator("#text").fill("a cat")
    page.locator("#text").press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The server is away")
    accessible(page)
    shot(page, "server-away")
    page.context.set_offline(False)  # the browser tells, and the page asks again by itself
    answered(page)
    expect(tile(page, "chelsea.png")).to_be_visible()


def test_a_server_that_was_stopped(visit: Any, serving: Any, home: Path) -> None:
    with serving(str(home / "photos.bouba")) as address:
        page = visit(base=address)
    page.locator("#text").fill("a cat")
    page.locator("#text").press("Enter")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("It may have been stopped")
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_contain_text("It may have been stopped")
    assert "q=a+cat" in page.url


def test_a_busy_server_is_asked_again(visit: Any, shot: Any) -> None:
    page = visit()
    problem = {"type": "about:blank", "title": "Too many", "status": 429, "detail": "64 searches wait already."}
    refused = []

    def answer(route: Any) -> None:
        if len(refused) >= 1:
            return route.continue_()
        refused.append(route)
        return route.fulfill(status=429, headers={"Retry-After": "1"}, body=json.dumps(problem))

    page.route("**/search*", answer)
    page.locator("#text").fill("a cat")
    page.locator("#text").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("64 searches wait already.")
    shot(page, "busy")
    expect(tile(page, "chelsea.png")).to_be_visible()
    assert page.get_by_role("alert").count() == 0


def test_a_key_is_asked_for(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    given = []

    def session(route: Any) -> None:
        given.append(route.request.post_data_json)
        route.fulfill(status=204)

    def search(route: Any) -> None:
        if given:
            return route.continue_()
        return route.fulfill(status=401, body=json.dumps({"detail": "No key.", "request_id": "abc"}))

    page.route("**/search*", search)
    page.route("**/session", session)
    page.locator("#text").fill("a cat")
    page.locator("#text").press("Enter")
    dialog = page.locator("#ask[open]")
    expect(dialog).to_contain_text("A key, please")
    accessible(page)
    shot(page, "key")
    dialog.get_by_label("Key").fill("bouba_secret")
    page.keyboard.press("Enter")
    expect(tile(page, "chelsea.png")).to_be_visible()
    assert given == [{"key": "bouba_secret"}]
    assert "secret" not in page.evaluate("JSON.stringify(localStorage)")


def test_a_refusal_names_its_reason(visit: Any) -> None:
    page = visit("?in.nosuchfield=1")
    expect(page.get_by_role("alert")).to_contain_text("nosuchfield")


def test_by_keyboard_alone(visit: Any, shot: Any) -> None:
    page = visit()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("outdoors")
    page.keyboard.press("Enter")
    answered(page)
    show_rest(page)
    page.locator("#text").focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    order = [*names(page), *names(page, "#rest")]
    focused = "document.activeElement.title"
    assert page.evaluate(focused) == order[0]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == order[1]
    page.keyboard.press("ArrowDown")
    below = page.evaluate(focused)
    assert order.index(below) > 1
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("x")
    expect(page.locator("#selection")).to_contain_text("1 selected")
    page.keyboard.press("Escape")
    page.keyboard.press("+")
    answered(page)
    expect(page.locator(".chip.like")).to_have_count(1)
    shot(page, "keyboard")
    page.locator(".tile.stop .open").focus()
    name = page.evaluate(focused)
    page.keyboard.press("h")
    expect(page.locator(".viewer-name")).to_have_text(name)
    expect(page.locator(".heat")).to_be_visible()
    _focus_stays(page, "#viewer")
    page.keyboard.press("Escape")
    expect(tile(page, name).locator(".open")).to_be_focused()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    shot(page, "help")
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == name


def _focus_stays(page: Any, dialog: str) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            "(dialog) => document.activeElement === document.body || document.activeElement.closest(dialog) !== null",
            dialog,
        )
        assert inside, "the focus left the dialog"


def test_messages_are_read_out(visit: Any) -> None:
    page = visit()
    ask(page, "a cat")
    expect(page.locator("#said")).to_contain_text("match")
