"""Asking with sounds: a file, and the (fake) microphone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from page_steps import answered, expect, names


def test_a_sound_file(visit: Any, recording: Path, drop: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    drop(page, "#results", recording)  # not in the box: a sound can only be meant as a question
    expect(page.locator(".chip.sound")).to_contain_text("heard.wav")
    answered(page)
    expect(page.locator(".note.heard")).to_contain_text("Heard a sound")
    assert names(page)
    accessible(page)
    shot(page, "sound")
    page.get_by_role("button", name="Remove: heard.wav").click()
    expect(page.locator("#count")).to_have_text("20 pictures")


def test_recorded(visit: Any, shot: Any, accessible: Any) -> None:
    page = visit()
    page.locator("#record").click()
    expect(page.locator("#recorder")).to_be_visible()
    expect(page.locator(".recorder-time")).to_have_text("0:02")
    heights = page.locator(".meter i").evaluate_all("all => all.map((one) => one.getBoundingClientRect().height)")
    assert max(heights) > 2 * min(heights), "the level of the recording is not shown"
    accessible(page)
    shot(page, "recording")
    with page.expect_request("**/search*") as request:
        page.keyboard.press("Enter")  # stop has the focus
    assert "multipart/form-data" in request.value.headers["content-type"]
    expect(page.locator(".chip.sound")).to_contain_text("recording")
    answered(page)
    expect(page.locator(".note.heard")).to_be_visible()


def test_cancelled(visit: Any) -> None:
    page = visit()
    page.keyboard.press("m")
    expect(page.locator("#recorder")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#recorder")).to_be_hidden()
    expect(page.locator(".chip")).to_have_count(0)


def test_no_microphone(visit: Any) -> None:
    page = visit()
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }; }"
    )
    page.locator("#record").click()
    expect(page.locator(".toast")).to_contain_text("No microphone was found")
    with page.expect_file_chooser():
        page.locator(".toast").get_by_role("button", name="Choose a file").click()


def test_what_was_said_can_be_corrected(visit: Any, recording: Path, drop: Any, shot: Any) -> None:
    """The server's ear is tested elsewhere: here it has heard words."""
    page = visit()
    asked = []

    def answer(route: Any) -> None:
        asked.append(route.request.post_data_buffer.decode("latin-1"))
        got = route.fetch()
        said = {"transcript": "a bat", "readings": [{"text": "a bat", "weight": 0.6}, {"text": "a cat", "weight": 0.4}]}
        route.fulfill(response=got, json={**got.json(), "heard": {**got.json()["heard"], "kind": "speech", **said}})

    page.route("**/search*", answer)
    drop(page, "#box", recording)
    expect(page.locator(".note.heard")).to_contain_text("a bat")
    shot(page, "speech")
    page.get_by_role("button", name="“a cat” 40 %").click()
    answered(page)
    assert '"transcript":"a cat"' in asked[-1]
    page.get_by_role("button", name="It is a sound").click()
    answered(page)
    assert '"audio_as":"sound"' in asked[-1]
