from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.query.spelling import Correction, corrected, edit_distances

KNOWN = {"dog", "running", "grass", "beach", "bicycle", "woman", "strawberry", "jumps", "playing", "with", "Hund"}


def fixed(text: str, **held: int) -> str:
    return corrected(text, KNOWN.__contains__, lambda: held).text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("red bycicle", "red bicycle"),
        ("a womam on the baech", "a woman on the beach"),
        ("Strawbery", "Strawberry"),
        ("a dog runnning in the grasss!", "a dog running in the grass!"),
        ("hapenning", "happening"),
    ],
)
def test_clear_slips_are_corrected(written: str, meant: str) -> None:
    assert fixed(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "a dog on the beach",
        "AB-1234/X",
        "sku abcd-efgh",
        "ACRYLC paint",  # capitals
        "shoes of Adiddas and Pumaa",  # names
        "x" + "spelling" * 100,  # longer than any word
        "ein hund laueft ueber die wiesse",  # another language
        "狗在沙滩上",
        "собака",
        "shoveling plushie corndogs",  # made of words
        "see www.exampel.com or mail@exampel.com",
        "dgo",  # short
        "xqzzwv",
        "",
        "   ",
    ],
)
def test_what_is_no_clear_slip_stays(text: str) -> None:
    assert corrected(text, KNOWN.__contains__) == Correction(text)


def test_words_of_the_gallery_are_right_and_come_first() -> None:
    assert fixed("kvargg") == "kvargg"
    assert fixed("kvargg", kvarg=3) == "kvarg"
    assert corrected("kvargg", lambda word: word == "kvargg", lambda: {"kvarg": 3}).text == "kvargg"


def test_vocabulary_is_not_asked_for_without_a_doubt() -> None:
    def vocabulary() -> dict[str, int]:
        raise AssertionError("asked for")

    assert not corrected("a dog on the grass", KNOWN.__contains__, vocabulary).changes


def test_every_change_is_told() -> None:
    written = "a womam with a bycicle"
    correction = corrected(written, KNOWN.__contains__)
    assert correction.changes == (("womam", "woman"), ("bycicle", "bicycle"))
    note = correction.note(written)
    assert note == "Searched for “a woman with a bicycle” (you wrote “a womam with a bycicle”; --exact keeps it)."
    assert Correction("a dog").note("a dog") == ""


@given(st.text(alphabet="abc", min_size=1, max_size=6), st.lists(st.text("abc", min_size=3, max_size=3), min_size=1))
def test_distances_agree_with_the_definition(word: str, others: list[str]) -> None:
    letters = np.array([list(other.encode()) for other in others], np.uint8)
    assert edit_distances(word, letters).tolist() == [_distance(word, other) for other in others]


def _distance(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    best = min(_distance(a[:-1], b) + 1, _distance(a, b[:-1]) + 1, _distance(a[:-1], b[:-1]) + (a[-1] != b[-1]))
    if len(a) > 1 and len(b) > 1 and (a[-1], a[-2]) == (b[-2], b[-1]):
        best = min(best, _distance(a[:-2], b[:-2]) + 1)
    return best


@given(st.text(max_size=60))
def test_nothing_but_the_changed_words_changes(text: str) -> None:
    correction = corrected(text, KNOWN.__contains__)
    undone = correction.text
    for written, meant in correction.changes:
        undone = undone.replace(meant, written, 1)
    assert len(undone) == len(text)
