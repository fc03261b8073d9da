"""Misspelt words of a text query -> what was probably meant; shown to the user, never silent.

A word is in doubt where the model does not know it whole, no item of the gallery has it and no list of English words
does. Of the words at an edit or two from it (Damerau 1964; transpositions count one) the most frequent is taken if it
is far more frequent than the next: the noisy channel of Kernighan, Church and Gale, COLING 1990, with one error model.
The list is symspellpy's: 82,765 words of SCOWL with their counts in Google's books.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

SHORTEST = 4  # letters of a word that is looked at; of shorter ones everything is near
LONGEST = 40  # letters; nothing is near a longer one, and looking for what it may be made of would take for ever
TWO_EDITS = 7  # letters from which two slips are believed
FREQUENT = 100_000  # occurrences in the list's books from which a word is likely meant
CLEARLY = 5.0  # times as likely as the next candidate
KNOWN = 10.0  # times as likely meant if the model or the gallery knows it
SECOND_EDIT = 0.01  # how likely a second slip is beside one
FAR_KEY = 0.1  # how likely another letter is that is neither beside the right one nor a vowel for a vowel
STRANGE = 0.5  # share of words in doubt above which the query is in another language
MAX_WORDS = 40

SUFFIXES = ("s", "es", "ed", "ing", "er", "ers", "ie", "ies", "y", "ish")

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {c: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in _ROWS for i, c in enumerate(row)}
Shapes = dict[tuple[str, int], list[str]]  # words by first letter and length

_WORD = re.compile(r"(?<![\w@#$&./\\'’+-])[A-Za-z]+(?![\w@/\\'’+-]|\.\w)")


@dataclass(frozen=True, slots=True)
class Correction:
    """A query as it is searched for."""

    text: str
    changes: tuple[tuple[str, str], ...] = ()  # word as written, as read

    def note(self, written: str) -> str:
        """What the user is told; empty where nothing was changed."""
        return f"Searched for “{self.text}” (you wrote “{written}”; --exact keeps it)." if self.changes else ""


def corrected(
    text: str, known: Callable[[str], bool], vocabulary: Callable[[], Mapping[str, int]] = lambda: {}
) -> Correction:
    """`known`: whether the model or the gallery knows a word in lower case; `vocabulary`: the gallery's words and how
    many items have each, asked for only where a word is in doubt.

    Left alone: codes, numbers, words in capitals, names (a capital letter inside the text), other scripts, and all of a
    text that is probably not English."""
    places = list(_checkable(text))[:MAX_WORDS]
    doubtful = [place for place in places if not known(place[0].lower())]
    doubtful = [place for place in doubtful if not _wellformed(place[0].lower())]
    count = len(text.split())
    if not doubtful or (count > 2 and len(doubtful) > STRANGE * count):
        return Correction(text)
    held = vocabulary()
    parts, changes, end = [], [], 0
    for place in doubtful:
        if (meant := nearest(place[0].lower(), known, held)) is not None:
            meant = meant.capitalize() if place[0][0].isupper() else meant
            parts += [text[end : place.start()], meant]
            changes.append((place[0], meant))
            end = place.end()
    return Correction("".join([*parts, text[end:]]), tuple(changes))


def nearest(word: str, known: Callable[[str], bool], held: Mapping[str, int]) -> str | None:
    """The one word that was clearly meant by a lower-case one that there is not; None where it is not clear.

    The first letter is taken to be right, as it nearly always is (Yannakoudakis and Fawthrop 1983), or swapped with the
    second."""
    reach = 2 if len(word) >= TWO_EDITS else 1
    likely: dict[str, float] = {}
    for other, edits in [*_near(word, reach, _english_shapes()), *_near(word, reach, _shapes(held))]:
        frequency = english().get(other, 0)
        trust = KNOWN if other in held or known(other) else 1.0
        likely[other] = max(frequency, FREQUENT if other in held else 0) * trust * _chance(word, other, edits)
    ranked = sorted(likely.items(), key=lambda pair: (-pair[1], pair[0]))
    if not ranked or (len(ranked) > 1 and ranked[0][1] < CLEARLY * ranked[1][1]):
        return None
    best = ranked[0][0]
    return best if best in held or english()[best] >= FREQUENT else None


def _wellformed(word: str) -> bool:
    """In the list, or made of words in it: "shoveling", "corndogs"."""
    if word in english():
        return True
    stems = (word.removesuffix(suffix) for suffix in SUFFIXES if word.endswith(suffix) and word[-2:] != "ss")
    if any(len(stem) >= SHORTEST and not english().keys().isdisjoint((stem, stem + "e")) for stem in stems):
        return True
    return any(_common(word[:at]) and _common(word[at:]) for at in range(3, len(word) - 2))


def _common(word: str) -> bool:
    return len(word) >= 3 and english().get(word, 0) >= 10 * FREQUENT


def _chance(word: str, other: str, edits: int) -> float:
    """How likely `other` is written as `word`, beside a letter swapped, missing or too many."""
    if edits > 1:
        return SECOND_EDIT ** (edits - 1)
    if len(word) != len(other):
        return 1.0
    unlike = [(a, b) for a, b in zip(word, other, strict=True) if a != b]
    close = len(unlike) == 2 or unlike[0][0] in _BESIDE.get(unlike[0][1], "") or {*unlike[0]} <= set("aeiouy")
    return 1.0 if close else FAR_KEY


@cache
def english() -> Mapping[str, int]:
    """English words and how often books have them."""
    # The package is not imported: its own search builds an index for seconds, for texts longer than queries are.
    spec = find_spec("symspellpy")
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or ())))
    fields = (folder / "frequency_dictionary_en_82_765.txt").read_text("utf-8-sig").split()
    return dict(zip(fields[::2], map(int, fields[1::2]), strict=True))


@cache
def _english_shapes() -> Shapes:
    return _shapes(english())


def _shapes(words: Iterable[str]) -> Shapes:
    shapes: Shapes = {}
    for word in words:
        if word.isascii() and word.isalpha():
            shapes.setdefault((word[0], len(word)), []).append(word)
    return shapes


def _checkable(text: str) -> Iterator[re.Match[str]]:
    first = len(text) - len(text.lstrip())
    for place in _WORD.finditer(text):
        name = place[0][0].isupper() and place.start() != first
        if SHORTEST <= len(place[0]) <= LONGEST and place[0][1:].islower() and not name:
            yield place


def _near(word: str, reach: int, shapes: Shapes) -> Iterator[tuple[str, int]]:
    """Words within `reach` edits, and how many they are."""
    for letter, swapped in {word[0]: "", word[1]: word[1] + word[0]}.items():
        for length in range(len(word) - reach, len(word) + reach + 1):
            others = shapes.get((letter, length), [])
            edits = edit_distances(word, np.frombuffer("".join(others).encode(), np.uint8).reshape(-1, length))
            near = ((others[n], int(edits[n])) for n in np.flatnonzero(edits <= reach))
            yield from (pair for pair in near if pair[0].startswith(swapped))


def edit_distances(word: str, others: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Damerau-Levenshtein distances [n] in the restricted form (optimal string alignment) from one word in ASCII to
    words of one length [n, letters]."""
    n, length = others.shape
    columns = others.T
    before, last = np.zeros((length + 1, n), np.int64), np.repeat(np.arange(length + 1)[:, None], n, axis=1)
    for i, letter in enumerate(word.encode()):
        now = np.empty_like(last)
        now[0] = i + 1
        for j in range(length):
            now[j + 1] = np.minimum(np.minimum(last[j + 1], now[j]) + 1, last[j] + (columns[j] != letter))
            if i and j:
                swapped = (columns[j - 1] == letter) & (columns[j] == ord(word[i - 1]))
                now[j + 1] = np.where(swapped, np.minimum(now[j + 1], before[j - 1] + 1), now[j + 1])
        before, last = last, now
    return last[length]
