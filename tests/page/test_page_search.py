"""Asking: by words, by pictures, with parts and without, again and from a link."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from page_steps import answered, ask, expect, names, show_rest, tile


def test_everything_is_shown_first(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    expect(page.locator("#count")).to_have_text("20 pictures")
    assert len(names(page)) == 20
    boxes = page.locator("#matches .tile").evaluate_all("all => all.map((one) => one.getBoundingClientRect().toJSON())")
    assert len({box["top"] for box in boxes}) > 1
    assert all(box["right"] <= 1280 for box in boxes)
    expect(page.locator("#matches img.there").first).to_be_visible()
    accessible(page)
    shot(page, "browse-light")


def test_words(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    ask(page, "a cup of coffee")
    assert names(page)[0] == "coffee.png"
    expect(page.locator("#sure")).to_contain_text("sure")
    first = tile(page, "coffee.png")
    assert first.locator(".chance").inner_text().endswith("%")
    assert page.title() == "a cup of coffee · bouba"
    assert "q=a+cup+of+coffee" in page.url
    show_rest(page)
    matches, rest = names(page), names(page, "#rest")
    assert not set(matches) & set(rest)
    assert len(matches) + len(rest) + page.locator(".copies-badge").count() == 20
    accessible(page)
    shot(page, "results-light")


def test_no_figure_that_the_server_did_not_give(visit: Any) -> None:
    page = visit()
    with page.expect_response("**/search*") as answer:
        ask(page, "a cat")
    show_rest(page)
    for hit in answer.value.json()["hits"]:
        shown = page.locator(f'.tile[data-id="{hit["id"]}"] .chance').inner_text()
        share = hit["probability"]
        assert shown == ("< 1 %" if share < 0.005 else "> 99 %" if share > 0.995 else f"{int(share * 100 + 0.5)} %")


def test_nothing_matches(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    ask(page, "a plate of spaghetti with meatballs")
    expect(page.locator("#count")).to_have_text("Nothing matches. The closest:")
    assert len(names(page)) == 6
    expect(page.locator("#line-button")).to_contain_text("further away")
    accessible(page)
    shot(page, "nothing-matches")


def test_a_picture_dropped_into_the_box(visit: Any, photographs: Path, drop: Any, shot: Any) -> None:
    page = visit()
    drop(page, "#box", photographs / "chelsea.png")
    expect(page.locator(".chip.picture")).to_be_visible()
    answered(page)
    assert names(page)[0] == "chelsea.png"
    page.locator("#share").click()
    expect(page.locator(".toast")).to_contain_text("does not fit into a link")
    shot(page, "picture-dropped")
    page.get_by_role("button", name="Remove: chelsea.png").click()
    expect(page.locator("#count")).to_have_text("20 pictures")


def test_a_picture_pasted_beside_words(visit: Any, photographs: Path, paste: Any) -> None:
    page = visit()
    page.locator("#text").fill("in space")
    paste(page, photographs / "rocket.jpg")
    expect(page.locator(".chip.picture")).to_be_visible()
    answered(page)
    assert names(page)[0] == "rocket.jpg"
    assert "q=in+space" in page.url


def test_a_picture_from_a_dialog(visit: Any, photographs: Path) -> None:
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.locator("#pick-picture").click()
    chooser.value.set_files(photographs / "coins.png")
    expect(page.locator(".chip.picture")).to_be_visible()
    answered(page)
    assert names(page)[0] == "coins.png"


def test_a_result_dragged_into_the_box(visit: Any, shot: Any) -> None:
    page = visit()
    tile(page, "motorcycle_left.png").locator(".open").drag_to(page.locator("#text"))
    expect(page.locator(".chip.like")).to_have_count(1)
    answered(page)
    assert names(page)[0].startswith("motorcycle")
    expect(page.locator(".copies-badge").first).to_have_text("+1")


def test_corrected_and_taken_back(visit: Any, shot: Any) -> None:
    page = visit()
    ask(page, "a motorcicle in a garage")
    note = page.locator(".note").first
    expect(note).to_contain_text("motorcycle")
    assert "--exact" not in note.inner_text()
    shot(page, "corrected")
    note.get_by_role("button", name="Take it as written").click()
    answered(page)
    expect(page.locator(".note").first).to_contain_text("exactly as written")
    assert "exact=1" in page.url


def test_without(visit: Any) -> None:
    page = visit()
    ask(page, "the sky without a rocket")
    expect(page.locator(".note").first).to_contain_text("rocket")
    ask(page, "a person")
    show_rest(page)
    before = [*names(page), *names(page, "#rest")].index("camera.png")
    page.get_by_role("button", name="Without…").click()
    page.locator("#without").fill("camera")
    page.locator("#without").press("Enter")
    expect(page.locator(".chip.not")).to_have_text("without camera")
    answered(page)
    show_rest(page)
    assert [*names(page), *names(page, "#rest")].index("camera.png") > before
    tile(page, "astronaut.png").locator(".open").click()
    expect(page.locator(".viewer-details")).to_contain_text("not camera")


def test_back_forward_and_a_link(visit: Any) -> None:
    page = visit()
    ask(page, "a cat")
    ask(page, "a rocket")
    page.go_back()
    expect(page.locator("#text")).to_have_value("a cat")
    answered(page)
    assert names(page)[0] == "chelsea.png"
    page.go_forward()
    expect(page.locator("#text")).to_have_value("a rocket")
    answered(page)
    page.locator("#share").click()
    expect(page.locator(".toast")).to_have_text("Link copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "gallery=photos" in link
    other = visit(link.split("/", 3)[3])
    assert names(other)[0] == "rocket.jpg"


def test_a_link_with_everything_in_it(visit: Any, shot: Any) -> None:
    page = visit("?q=outdoors&has.tags=outdoors&min.price=1.1&max.price=100&without=grass&gallery=photos")
    assert set(names(page) + names(page, "#rest")) <= {"camera.png", "rocket.jpg", "grass.png", "gravel.png"}
    expect(page.locator("#active-filters .chip")).to_have_count(2)
    expect(page.locator(".chip.not")).to_have_text("without grass")


def test_history(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    for text in ("a cat", "a rocket", "a cup of coffee"):
        ask(page, text)
    page.locator("#clear").click()
    answered(page)
    page.locator("#text").fill("r")
    expect(page.locator("#suggestions li")).to_have_text(["a rocket"])
    page.locator("#text").fill("")
    expect(page.locator("#suggestions li")).to_have_text(["a cup of coffee", "a rocket", "a cat"])
    accessible(page)
    shot(page, "history")
    page.locator("#text").press("ArrowDown")
    page.locator("#text").press("ArrowDown")
    page.locator("#text").press("Enter")
    expect(page.locator("#text")).to_have_value("a rocket")
    answered(page)
    assert names(page)[0] == "rocket.jpg"
    page.locator("#clear").click()
    page.locator("#text").click()
    page.locator("#clear-history").click()
    page.locator("#text").press("ArrowDown")
    expect(page.locator("#suggestions-panel")).to_be_hidden()


def test_a_question_that_was_overtaken_is_dropped(visit: Any) -> None:
    page = visit()
    page.evaluate(
        """() => {
            const real = window.fetch;
            window.fetch = (url, options) => {
                const slow = String(options?.body).includes("slow one");
                return new Promise((go) => setTimeout(go, slow ? 700 : 0)).then(() => real(url, options));
            };
        }"""
    )
    page.locator("#text").fill("the slow one")
    page.locator("#text").press("Enter")
    ask(page, "a cat")
    page.wait_for_timeout(1000)
    assert names(page)[0] == "chelsea.png"
    assert page.title() == "a cat · bouba"


def test_another_gallery(visit: Any) -> None:
    page = visit()
    page.locator("#gallery").select_option("scratch")
    answered(page)
    assert "gallery=scratch" in page.url
    assert "gallery=scratch" in str(page.locator("#matches img").first.get_attribute("src"))
