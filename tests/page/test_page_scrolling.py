"""A gallery of more than one batch: it streams in while one scrolls, and nothing that was seen moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_steps import ask, expect, names
from PIL import Image

import bouba

MANY = 70


@pytest.fixture(scope="module")
def many(home: Path, serving: Any) -> Iterator[str]:
    """The address of a server with seventy pictures of all shapes."""
    random = np.random.default_rng(7)
    (home / "many").mkdir()
    for number in range(MANY):
        height, width = random.integers(60, 200, 2)
        coarse = Image.fromarray(random.integers(0, 255, (3, 4, 3)).astype(np.uint8))
        coarse.resize((int(width), int(height)), Image.Resampling.BICUBIC).save(home / "many" / f"{number:02}.png")
    with bouba.open(home / "many.bouba") as gallery:
        assert gallery.add(home / "many").added == MANY
    with serving(str(home / "many.bouba")) as address:
        yield address


PLACES = "all => all.slice(0, 20).map((one) => [one.dataset.id, one.style.left, one.style.top, one.style.width])"


def test_all_of_them_come_while_scrolling(visit: Any, many: str) -> None:
    page = visit(base=many)
    tiles = page.locator("#matches .tile")
    expect(tiles).to_have_count(60)
    before = tiles.evaluate_all(PLACES)
    page.mouse.wheel(0, 20_000)
    expect(tiles).to_have_count(MANY)
    assert tiles.evaluate_all(PLACES) == before
    assert len(set(names(page))) == MANY


def test_more_hits_come_at_the_end(visit: Any, many: str) -> None:
    page = visit(base=many)
    with page.expect_request("**/search*") as first:
        ask(page, "a photograph of a steam locomotive")
    assert first.value.post_data_json["k"] == 24
    shown = names(page)
    with page.expect_request("**/search*") as second:
        page.locator("#line-button").click()
        page.mouse.wheel(0, 20_000)
    assert second.value.post_data_json["k"] == 72
    expect(page.locator("#results .tile").nth(40)).to_be_attached()
    together = [*names(page), *names(page, "#rest")]
    assert together[: len(shown)] == shown
    assert len(set(together)) == len(together)


def test_pictures_out_of_sight_are_not_fetched(visit: Any, many: str) -> None:
    page = visit(base=many, width=360, height=740)
    page.wait_for_timeout(500)
    there = page.locator("#matches img.there").count()
    assert 0 < there < 60
