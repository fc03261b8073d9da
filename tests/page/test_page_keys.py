"""A server that wants a key, for real: the key becomes a cookie, and pictures and changes work with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from page_steps import answered, ask, expect, names, open_tile

Serving = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="module")
def locked(home: Path, serving: Serving) -> Iterator[tuple[str, str]]:
    """The address of a server with keys, and a key that may write."""
    file = home / "keys.json"
    command = [sys.executable, "-m", "bouba", "keys", "new", "page", "--scope", "write", "--file", str(file), "--json"]
    made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    key = next(word for word in made.replace('"', " ").replace(",", " ").split() if word.startswith("bouba_"))
    with serving(f"scratch={home / 'scratch.bouba'}", "--keys", str(file)) as address:
        yield address, key


def test_asked_for_once_and_kept_as_a_cookie(visit: Any, locked: tuple[str, str], shot: Any) -> None:
    address, key = locked
    page = visit(base=address, answered=False)
    dialog = page.locator("#ask[open]")
    expect(dialog).to_contain_text("A key, please")
    shot(page, "key-first")
    dialog.get_by_label("Key").fill("bouba_not_this_one")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("does not know this key")
    page.get_by_role("button", name="Try another").click()
    dialog.get_by_label("Key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#matches img.there").first).to_be_visible()
    page.reload()
    answered(page)
    ask(page, "a rocket")
    assert names(page)[0] == "rocket.jpg"
    viewer = open_tile(page, "rocket.jpg")
    viewer.get_by_role("button", name="Why it matched").click()
    expect(viewer.locator(".heat")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#filter-button").click()
    page.get_by_role("button", name="Forget it").click()
    expect(page.locator("#ask[open]")).to_contain_text("A key, please")


def test_a_change_with_the_cookie(visit: Any, locked: tuple[str, str]) -> None:
    address, key = locked
    page = visit(base=address, answered=False)
    page.locator("#ask").get_by_label("Key").fill(key)
    page.keyboard.press("Enter")
    viewer = open_tile(page, "text.png")
    viewer.get_by_role("button", name="Delete").click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(page.locator("#viewer[open]")).to_have_count(0)
    answered(page)
    assert "text.png" not in names(page)
