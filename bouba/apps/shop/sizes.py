"""Sizes in a shopper's sentence. A letter or a number alone is none: "size M", "in M", "XL" and "UK 9" are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bouba.apps.shop.filters import Filter
from bouba.apps.shop.vocabulary import Meaning, Vocabulary

_COUNTRY = r"(?:uk|us|eu|it|fr|de|au|jp)"
_ONE = (
    rf"(?:{_COUNTRY}\s*\d{{1,3}}(?:[.,]5)?|\d{{2}}[a-h]{{1,2}}\b|\d{{1,3}}(?:[.,]5)?(?:\s*{_COUNTRY}\b)?(?!\d|[a-z])|"
    r"\d?x{0,4}-?(?:small|large)\b|extra[\s-](?:small|large)\b|medium\b|\dx[sl]\b|x{0,4}[sl]\b|m\b)"
)
_NAMED = re.compile(
    rf"(?<!plus )(?<!king )(?<!queen )(?<!full )(?<!travel )(?:\bin\s+(?:an?\s+)?)?\bsizes?:?\s+"
    rf"(?P<list>{_ONE}(?:\s*(?:,|/|\bor\b|\band\b)\s*{_ONE})*)",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?:\bin\s+)?\b(?:x{{1,4}}[sl]|\dxl|{_COUNTRY}\s?\d{{1,2}}(?:[.,]5)?|\d{{2}}[a-h]{{1,2}})\b", re.IGNORECASE
)
_LETTER = re.compile(r"\bin\s+(?:an?\s+)?(?P<letter>[SML])(?:\b(?!['’&]))|(?<=\s)(?P<last>[SML])$")


def sizes(text: str, vocabulary: Vocabulary, free: Callable[[int, int], bool]) -> Iterator[tuple[Filter, int, int]]:
    """After the word size also one that the catalogue does not have: so that the answer can say that there is none."""
    for found in _NAMED.finditer(text):
        if free(*found.span()):
            yield _filter(re.split(r"\s*(?:,|/|\bor\b|\band\b)\s*", found["list"]), vocabulary), *found.span()
    for pattern in (_BARE, _LETTER):
        for found in pattern.finditer(text):
            one = re.sub(r"^in\s+(?:an?\s+)?", "", found.group(), flags=re.IGNORECASE)
            if free(*found.span()) and vocabulary.size(one):
                yield _filter([one], vocabulary), *found.span()


def _filter(texts: list[str], vocabulary: Vocabulary) -> Filter:
    meant = [vocabulary.size(text) or Meaning("size", text.upper(), (text.casefold(),)) for text in texts]
    return Filter("size", "is", tuple(one.label for one in meant), tuple(key for one in meant for key in one.keys))
