"""The page of moderation: a queue worked through by keys, a sample labelled, a picture checked, the policy in force."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_steps import expect
from PIL import Image

import bouba
from bouba.apps.moderation import Moderator
from bouba.apps.moderation.reading import parse_policy

POLICY = """
name = "no machines"
description = "Machines are looked at; animals are fine."
[guarantee]
miss = 0.1
confidence = 0.9
[[rules]]
name = "machines"
flag = ["a motorcycle", "a rocket", "a clock"]
fine = ["a coin"]
severity = "high"
action = "block"
threshold = 0.5
[[rules.exceptions]]
when = ["a toy"]
reason = "toys are fine"
[[rules]]
name = "animals"
flag = ["a cat", "a horse"]
severity = "low"
"""


@pytest.fixture(scope="module")
def moderated(home: Path, serving: Any) -> Iterator[str]:
    """The address of a server whose gallery was scanned by a policy; another gallery has none."""
    place = home / "moderated.bouba"
    shutil.copytree(home / "photos.bouba", place)
    with bouba.open(place) as gallery, Moderator(gallery, parse_policy(POLICY, "test")) as moderator:
        assert moderator.scan().decisions["allow"] > 5
    with serving(str(place), f"plain={home / 'photos.bouba'}") as address:
        yield address


def settled(page: Any) -> Any:
    page.locator("#work[aria-busy=false]").wait_for()
    return page


@pytest.fixture
def open_page(visit: Any, moderated: str) -> Any:
    def open_page(query: str = "", **how: Any) -> Any:
        return settled(visit(f"moderation{query}", base=moderated, answered=False, **how))

    return open_page


def test_the_queue_by_keys(open_page: Any, shot: Any, accessible: Any) -> None:
    page = open_page()
    rule = page.locator(".case-rule h2")
    expect(rule).to_have_text("machines")
    expect(page.locator(".shows li").first).to_be_visible()
    waiting = int(page.locator("#waiting").inner_text())
    name = page.locator(".case-foot > span").inner_text()
    page.locator(".case-stage img").evaluate("(image) => image.decode()")
    shot(page, "moderation-queue")
    accessible(page)
    with page.expect_response("**/moderation/heat*") as heated:
        page.keyboard.press("h")
    assert heated.value.headers["content-type"] == "image/png"
    expect(page.locator(".heat")).to_be_visible()
    shot(page, "moderation-heat")
    page.keyboard.press("s")
    expect(page.locator(".case-foot > span")).not_to_have_text(name)
    with page.expect_request("**/moderation/review*") as overturned:
        page.keyboard.press("o")
    assert overturned.value.post_data_json["breaks"] is False
    expect(page.locator("#waiting")).to_have_text(str(waiting - 1))
    with page.expect_request("**/moderation/review*") as accepted:
        page.keyboard.press("a")
    assert accepted.value.post_data_json["breaks"] is True
    expect(page.locator("#waiting")).to_have_text(str(waiting - 2))
    page.reload()
    settled(page)
    expect(page.locator(".case-foot > span")).to_have_text(name)  # what was skipped comes first again


def test_nearest_that_were_judged(open_page: Any, shot: Any) -> None:
    page = open_page()
    expect(page.locator(".nearest img").first).to_be_visible()
    shot(page, "moderation-nearest")


def test_a_sample_is_labelled(open_page: Any, shot: Any, accessible: Any) -> None:
    page = open_page("?view=sample")
    page.get_by_label("Rule").select_option("animals")
    expect(page.locator(".case-rule h2")).to_have_text("animals")
    shot(page, "moderation-sample")
    accessible(page)
    with page.expect_request("**/moderation/label*") as labelled:
        page.keyboard.press("o")
    asked = labelled.value.post_data_json
    assert (asked["rule"], asked["breaks"], asked["random"]) == ("animals", False, True)


def test_a_picture_is_checked(open_page: Any, photographs: Path, tmp_path: Path, shot: Any, accessible: Any) -> None:
    Image.open(photographs / "motorcycle_left.png").resize((370, 250)).save(tmp_path / "bike.png")  # nobody judged it
    page = open_page("?view=check")
    shot(page, "moderation-check")
    page.locator("#check-file").set_input_files(tmp_path / "bike.png")
    expect(page.locator(".case-rule h2")).to_have_text("Blocked")
    expect(page.locator(".rule > h3")).to_have_text("machines")
    page.locator(".case-stage img").last.evaluate("(image) => image.decode()")
    shot(page, "moderation-checked")
    accessible(page)
    page.locator("#check-file").set_input_files(photographs / "grass.png")
    expect(page.locator(".case-rule h2")).to_have_text("Passes")


def test_what_is_no_picture_is_said(open_page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("nothing")
    page = open_page("?view=check")
    page.locator("#check-file").set_input_files(tmp_path / "notes.png")
    expect(page.get_by_role("alert")).to_contain_text("That cannot be done")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".check-drop")).to_be_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_rules_promises_and_scans(open_page: Any, shot: Any, accessible: Any, dark: bool) -> None:
    page = open_page("?view=rules", dark=dark)
    expect(page.locator(".rule > h3")).to_have_text(["machines", "animals"])
    expect(page.locator(".promise").first).to_contain_text("It needs 22 randomly drawn pictures")
    shot(page, f"moderation-rules{'-dark' if dark else ''}")
    accessible(page)
    page.get_by_role("button", name="Scan the gallery").click()
    expect(page.locator(".toast").last).to_contain_text("pictures judged in")
    page.get_by_role("button", name="Verify the log").click()
    expect(page.locator(".toast").last).to_contain_text("The log is whole")
    page.get_by_role("button", name="Calibrate").click()
    expect(page.locator(".toast").last).to_contain_text("Calibrated")


def test_on_a_phone(open_page: Any, shot: Any, accessible: Any) -> None:
    page = open_page(width=390, height=844)
    expect(page.locator(".verdicts")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shot(page, "moderation-phone")
    accessible(page)


def test_a_gallery_without_a_policy(open_page: Any, shot: Any, accessible: Any) -> None:
    page = open_page("?gallery=plain")
    expect(page.locator("h2")).to_have_text("No policy yet")
    shot(page, "moderation-none")
    accessible(page)


def test_drift_is_told(open_page: Any, shot: Any) -> None:
    page = open_page("?view=check")

    def drifted(route: Any) -> None:
        record = route.fetch().json()
        drift = {"found": True, "message": "30 of 40 decisions were overturned, more than the 10 expected."}
        record["policies"][0]["rules"][0]["drift"] |= drift
        route.fulfill(json=record)

    page.route("**/moderation/policies*", drifted)
    page.reload()
    expect(page.locator(".warning")).to_contain_text("30 of 40 decisions were overturned")
    shot(page, "moderation-drift")
    page.get_by_role("button", name="To the rules").click()
    expect(page.locator(".tab[aria-current]")).to_have_text("Rules")


def test_a_server_that_is_away(open_page: Any, shot: Any) -> None:
    page = open_page("?view=rules")
    page.route("**/moderation/policies*", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The server is away")
    page.unroute("**/moderation/policies*")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".rule > h3").first).to_be_visible()
