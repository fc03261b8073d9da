from __future__ import annotations

from typing import Any

import pytest

from bouba.errors import MediaEmpty, MediaTooLarge, MediaUnsupported
from bouba.media import load_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog", "a dog"),
        ("  a dog\n", "a dog"),
        ("cafe\u0301", "caf\u00e9"),
        ("a\0b\x1b[0m\x7f\x85c", "ab[0m c"),
        ("line\r\nnext\ttab", "line  next tab"),
        ("\ud83d\ude00 and \ud800 alone", "😀 and  alone"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("犬", "犬"),
    ],
)
def test_text_is_cleaned(text: str, expected: str) -> None:
    assert load_text(text) == expected
    assert load_text(load_text(text)) == load_text(text)


@pytest.mark.parametrize("text", ["", " \n\t", "\0", "\ud800", "\u3000"])
def test_nothing_left(text: str) -> None:
    with pytest.raises(MediaEmpty):
        load_text(text)


def test_length_limit_is_inclusive() -> None:
    assert load_text("x" * 10, max_chars=10) == "x" * 10
    with pytest.raises(MediaTooLarge, match="11 characters, the limit is 10"):
        load_text("x" * 11, max_chars=10)


@pytest.mark.parametrize("text", [None, b"dog", 7, ["dog"]])
def test_not_text(text: Any) -> None:
    with pytest.raises(MediaUnsupported, match=type(text).__name__):
        load_text(text)


def test_endless_accents_are_cut() -> None:
    assert load_text("a" + "\u0316\u0315" * 20_000 + "b") == "a" + "\u0316" * 15 + "\u0315" * 15 + "b"
