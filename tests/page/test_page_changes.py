"""What changes a gallery: adding, deleting, concepts. All in the copy that the others do not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_steps import answered, ask, expect, names, open_tile, tile
from PIL import Image

SCRATCH = "?gallery=scratch"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three new pictures."""
    paths = []
    for name, colour in (("red.png", (220, 20, 20)), ("green.png", (20, 160, 40)), ("blue.png", (20, 40, 220))):
        noise = np.random.default_rng(len(str(tmp_path) + name)).integers(-20, 20, (240, 320, 3))
        Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(tmp_path / name)
        paths.append(tmp_path / name)
    return paths


def test_dropped_on_the_page(visit: Any, pictures: list[Path], drop: Any, shot: Any, accessible: Any) -> None:
    page = visit(SCRATCH)
    broken = pictures[0].with_name("broken.png")
    broken.write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    text = pictures[0].with_name("notes.txt")
    text.write_text("no picture at all")
    drop(page, "#results", pictures[0], kind="dragenter")
    expect(page.locator(".drop-card")).to_contain_text("Drop here to add to scratch")
    shot(page, "dragging")
    drop(page, "#results", *pictures, broken, text)
    card = page.locator("#uploads")
    expect(card.locator("h2")).to_have_text("3 added, 1 failed")
    expect(card.locator(".failed")).to_contain_text("broken.png")
    expect(page.locator(".toast")).to_contain_text("1 file is no picture")
    expect(tile(page, "red.png")).to_be_visible()
    accessible(page)
    shot(page, "uploaded")
    page.locator("#clear").click() if page.locator("#clear").is_visible() else None
    ask(page, "a plain red surface")
    page.locator("#text").fill("")
    page.locator("#text").press("Enter")
    answered(page)
    assert {path.name for path in pictures} <= set(names(page))


def test_chosen_twice_is_known(visit: Any, pictures: list[Path]) -> None:
    page = visit(SCRATCH)
    for expected in ("added", "known"):
        page.keyboard.press("u")
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Pictures", exact=True).click()
        chooser.value.set_files(pictures[1:2])
        expect(page.locator("#uploads h2")).to_contain_text(f"1 {expected}")
        page.locator("#uploads").get_by_role("button", name="Close").click()


def test_a_picture_is_deleted_after_a_question(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit(SCRATCH)
    viewer = open_tile(page, "cell.png")
    viewer.get_by_role("button", name="Delete").click()
    dialog = page.locator("#ask[open]")
    expect(dialog).to_contain_text("no undo")
    accessible(page)
    shot(page, "delete")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("#viewer[open]")).to_be_visible()
    viewer.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#viewer[open]")).to_have_count(0)
    expect(tile(page, "cell.png")).to_have_count(0)
    page.reload()
    answered(page)
    assert "cell.png" not in names(page)


def test_several_are_selected_and_deleted(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit(SCRATCH)
    first, second, third = names(page)[:3]
    tile(page, first).locator(".open").click(modifiers=["Control"])
    tile(page, third).locator(".open").click(modifiers=["Shift"])
    bar = page.locator("#selection")
    expect(bar).to_contain_text("3 selected")
    accessible(page)
    shot(page, "selection")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    for name in ("ihc.png", "page.png"):
        tile(page, name).hover()
        tile(page, name).get_by_role("button", name="Select").click()
    bar.get_by_role("button", name="Delete").click()
    page.locator("#ask").get_by_role("button", name="Delete").click()
    expect(tile(page, "ihc.png")).to_have_count(0)
    assert second in names(page)


def test_search_with_several_and_keep_them_as_a_concept(visit: Any) -> None:
    page = visit(SCRATCH)
    for name in ("motorcycle_left.png", "rocket.jpg"):
        tile(page, name).locator(".open").click(modifiers=["Control"])
    page.get_by_role("button", name="Keep as a concept").last.click()
    page.locator("#ask").get_by_label("Name").fill("engines")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("“engines” is kept.")
    page.locator("#text").fill("eng")
    page.get_by_role("option", name="engines").click()
    expect(page.locator(".chip.concept")).to_have_text("engines")
    answered(page)
    assert {"motorcycle_left.png", "motorcycle_right.png"} & set(names(page)[:2])
    page.locator("#filter-button").click()
    page.get_by_role("button", name="Drop the concept engines").click()
    page.locator("#ask").get_by_role("button", name="Drop").click()
    expect(page.locator(".chip.concept")).to_have_count(0)


def test_a_long_press_selects_on_a_phone(visit: Any, shot: Any) -> None:
    page = visit(SCRATCH, width=360, height=740)
    picture = tile(page, "coffee.png").locator(".open")
    picture.scroll_into_view_if_needed()
    touch = {"pointerType": "touch", "isPrimary": True, "bubbles": True}
    picture.dispatch_event("pointerdown", touch)
    count = page.locator(".selection-count")
    expect(count).to_have_text("1 selected")
    picture.dispatch_event("pointerup", touch)
    picture.dispatch_event("click")
    expect(count).to_have_text("1 selected")
    tile(page, "grass.png").locator(".open").tap()
    expect(count).to_have_text("2 selected")
    shot(page, "selection-phone")
    page.get_by_role("button", name="Search with these").click()
    expect(page.locator(".chip.like")).to_have_count(2)
