"""How many words of a text a recogniser got wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+(?:['’]\w+)*")


def word_errors(said: str, texts: Iterable[str]) -> tuple[int, int]:
    """Words to change, insert or delete in `said` to get the nearest of `texts`, and how many words that one has.

    Letters' case and punctuation do not count. The sum of the first over the sum of the second is the word error rate
    (Levenshtein distance over words, as NIST's sclite has it)."""
    heard = _words(said)
    counted = ((_distance(heard, words), len(words)) for words in map(_words, texts) if words)
    return min(counted, key=lambda pair: pair[0] / pair[1], default=(0, 0))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))


def _distance(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for n, word in enumerate(a, 1):
        before, row[0] = row[0], n
        for m, other in enumerate(b, 1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (word != other))
    return row[-1]
