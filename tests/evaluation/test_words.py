from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bouba.evaluation.words import word_errors

sentences = st.lists(st.sampled_from("a dog runs on the beach".split()), min_size=1, max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("said", "texts", "errors", "words"),
    [
        ("a dog runs", ["A dog runs ."], 0, 3),
        ("a dog runs", ["A dog"], 1, 2),  # inserted
        ("dog", ["A dog"], 1, 2),  # deleted
        ("a fog", ["A dog"], 1, 2),  # another
        ("runs a dog", ["a dog runs"], 2, 3),
        ("", ["A dog"], 2, 2),
        ("It’s well-lit", ["it's well lit"], 0, 3),
        ("a cat", ["A dog runs", "The cat !"], 1, 2),  # the nearest
        ("a cat", [], 0, 0),
        ("a cat", ["..."], 0, 0),
    ],
)
def test_errors_are_counted_in_words(said: str, texts: list[str], errors: int, words: int) -> None:
    assert word_errors(said, texts) == (errors, words)


@given(a=sentences, b=sentences, c=sentences)
def test_it_is_a_distance(a: str, b: str, c: str) -> None:
    def distance(x: str, y: str) -> int:
        return word_errors(x, [y])[0]

    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) == distance(b, a) <= max(len(a.split()), len(b.split()))
    assert distance(a, c) <= distance(a, b) + distance(b, c)
