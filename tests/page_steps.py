"""Steps that the tests of the page share."""

from __future__ import annotations

from typing import Any

import pytest

expect: Any = pytest.importorskip("playwright.sync_api", reason="needs pip install 'bouba[dev]'").expect


def ask(page: Any, text: str) -> None:
    page.locator("#text").fill(text)
    page.locator("#text").press("Enter")
    answered(page)


def answered(page: Any) -> None:
    """Until the answer to what was asked is there."""
    page.locator("#results[aria-busy=false]").wait_for()


def names(page: Any, grid: str = "#matches") -> list[str]:
    """File names of the pictures in a grid, in their order."""
    return [str(node) for node in page.locator(f"{grid} .open").evaluate_all("all => all.map((one) => one.title)")]


def tile(page: Any, name: str) -> Any:
    return page.locator(f'.tile:has(.open[title="{name}"])').first


def open_tile(page: Any, name: str) -> Any:
    """The viewer, open at a picture."""
    tile(page, name).locator(".open").click()
    viewer = page.locator("#viewer[open]")
    viewer.wait_for()
    return viewer


def show_rest(page: Any) -> None:
    button = page.locator("#line-button")
    if button.is_visible() and button.get_attribute("aria-expanded") == "false":
        button.click()
