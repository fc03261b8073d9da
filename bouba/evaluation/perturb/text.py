"""Changes of a text query (text and generator -> text), and what a query can be picked out by.

The word lists are English. A change that has nothing to hold on to in another language leaves the text as it is."""

from __future__ import annotations

import re
import string
import unicodedata

import numpy as np

from bouba.evaluation.perturb.words import (
    COLOURS,
    FUNCTION_WORDS,
    HOMOPHONES,
    LONG_AFTER,
    LONG_BEFORE,
    NEGATIONS,
    NEIGHBOURS,
    NUMBERS,
    PHRASES,
    STOP_WORDS,
)

Rng = np.random.Generator

_WORD = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"\w+(?:['’]\w+)?")
_WHOLE_NUMBER = re.compile(r"[2-9]|[1-9]\d{1,2}")


def typos(text: str, rng: Rng) -> str:
    """The slips of Pruthi, Dhingra and Lipton (ACL 2019): neighbours swapped, a letter dropped, doubled or mistyped.

    A word's first letter stays, as people rarely miss it."""
    places = [m for m in _WORD.finditer(text) if len(m[0]) >= 4]
    if not places:
        return text
    struck = rng.random(len(places)) < 0.25
    struck[rng.integers(len(places))] |= not struck.any()
    parts, end = [], 0
    for place in (p for p, hit in zip(places, struck, strict=True) if hit):
        parts += [text[end : place.start()], _slip(place[0], rng)]
        end = place.end()
    return "".join([*parts, text[end:]])


def _slip(word: str, rng: Rng) -> str:
    at = int(rng.integers(1, len(word) - 1))
    head, letter, following, tail = word[:at], word[at], word[at + 1], word[at + 2 :]
    near = NEIGHBOURS.get(letter.lower(), "")
    options = [head + following + tail, head + letter + letter + following + tail]
    if letter != following:  # else the word would stay as it is
        options.append(head + following + letter + tail)
    if near:
        options.append(head + near[int(rng.integers(len(near)))] + following + tail)
    return options[int(rng.integers(len(options)))]


def upper_case(text: str, rng: Rng) -> str:
    return text.upper()


def plain(text: str, rng: Rng) -> str:
    return _plain(text)


def _plain(text: str) -> str:
    # A hyphen parts words, an apostrophe does not: well-lit -> well lit, don't -> dont.
    spaced = re.sub(r"['’]", "", text.lower())
    letters = (" " if unicodedata.category(c).startswith("P") else c for c in spaced)
    return " ".join("".join(letters).split())


def shuffled(text: str, rng: Rng) -> str:
    words = text.split()
    if len(set(words)) < 2:
        return text
    order = [words[i] for i in rng.permutation(len(words))]
    # Short queries often come back as they were: the rotation of a text with two unlike words is another text.
    return " ".join(order if order != words else [*words[1:], words[0]])


def paraphrased(text: str, rng: Rng) -> str:
    phrase = PHRASES[int(rng.integers(len(PHRASES)))]
    return phrase.replace("{}", _mid_sentence(text))


def _mid_sentence(text: str) -> str:
    """Without its full stop, and with a small first letter if the first word is an everyday one."""
    bare = text.strip().rstrip(string.whitespace + ".") or text.strip()
    first = bare.partition(" ")[0]
    return bare[:1].lower() + bare[1:] if first.lower() in STOP_WORDS | NUMBERS else bare


def keywords(text: str, rng: Rng) -> str:
    return " ".join(word for word in _plain(text).split() if word not in STOP_WORDS)


def long(text: str, rng: Rng) -> str:
    before, after = (table[int(rng.integers(len(table)))] for table in (LONG_BEFORE, LONG_AFTER))
    return f"{before} {text.strip()} {after}"


def misheard(text: str, rng: Rng) -> str:
    """A model of a speech recogniser's errors with round numbers; it was not fitted to one."""
    words: list[str] = []
    merge = False
    for word in _plain(text).split():
        chance, merge_chance = rng.random(2)
        if word in HOMOPHONES and chance < 0.5:
            word = HOMOPHONES[word]
        elif word in FUNCTION_WORDS and chance < 0.25:
            continue
        words[-1:] = [words[-1] + word] if merge and words else [*words[-1:], word]
        merge = merge_chance < 0.05
    return " ".join(words)


def counts(text: str) -> bool:
    return any(word in NUMBERS or _WHOLE_NUMBER.fullmatch(word) for word in _tokens(text))


def names_colour(text: str) -> bool:
    return not COLOURS.isdisjoint(_tokens(text))


def negates(text: str) -> bool:
    return any(word in NEGATIONS or word.endswith("n't") for word in _tokens(text))


def _tokens(text: str) -> set[str]:
    return {word.replace("’", "'") for word in _TOKEN.findall(text.lower())}
