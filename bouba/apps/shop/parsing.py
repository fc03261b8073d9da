"""A shopper's sentence -> filters, each with the words that it was read from, and the words that are left.

A word becomes a filter only where it can mean one thing in this catalogue. What describes ("with white dots", "for a
red dress") stays words, and so does a value of two fields, and two colours that are not joined by "or"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bouba.apps.shop.filters import Filter
from bouba.apps.shop.sayings import said
from bouba.apps.shop.sizes import sizes
from bouba.apps.shop.text import fold, singular
from bouba.apps.shop.vocabulary import MOST_WORDS, Meaning, Vocabulary

MOST_CHARACTERS = 1_000
VISIBLE = ("category", "brand", "colour", "gender")  # what is a filter and still says what a picture shows

_TOKEN = re.compile(r"[^\W_]+(?:['’]s?(?![^\W_]))?|[,;/&]")
_QUOTED = re.compile(r'"[^"]+"|“[^”]+”')
_REQUEST = re.compile(
    r"^\s*(?:(?:please|hi|hello|hey)[\s,]+)?(?:(?:i(?:['’]m|\s+am|\s+would|['’]d)?|we(?:['’]re|\s+are)?|can\s+you|could\s+you|do\s+you)\s+)?"
    r"(?:(?:please\s+)?(?:need|want|like|looking|searching|search|look|shopping|show|find|have|get|buy)\b)"
    r"(?:\s+(?:to\s+(?:buy|see|find|get)|for|me|us))*(?:\s+(?:some|any|a|an|the)\b)?|^\s*(?:any|some|an?|the|all)\s+",
    re.IGNORECASE,
)
_EDGES = re.compile(
    r"^(?:\s|[,;&.!?–-]|\b(?:and|or|but|please|is|are)\b)+|"
    r"(?:\s|[,;&.!?–-]|\b(?:and|or|in|for|by|from|but|a|an|the|of|please|that|is|are|with|colour|color|brand|only)\b)+$",
    re.IGNORECASE,
)
_DESCRIBING = frozenset("with for like matching match goes that which featuring on against to under over as".split())
_ENDING = frozenset("in by from , ; but not without no except".split())
_NOT = frozenset("not no without excluding except avoid non minus nothing".split())
_SKIPPED = frozenset("in from by a an any the for than colour color colored coloured".split())
_EITHER, _BOTH = frozenset(["or", ",", "/"]), frozenset(["and", "&"])


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that was read from a sentence."""

    filter: Filter
    start: int  # characters
    end: int
    text: str  # what was said
    without: str  # the sentence without it

    def to_dict(self, currency: str = "") -> dict[str, Any]:
        told = {"text": self.text, "span": [self.start, self.end], "without": self.without}
        return {**self.filter.to_dict(), "label": self.filter.label(currency), **told}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A sentence as it is understood."""

    sentence: str
    chips: tuple[Chip, ...] = ()
    words: str = ""  # what no filter was made of
    looked_for: str = ""  # what pictures are ranked by: those words, and what filters say that can be seen
    order: str = ""  # "price", "-price", "new"
    currency: str = ""  # that a price was named in

    @property
    def filters(self) -> tuple[Filter, ...]:
        return tuple(chip.filter for chip in self.chips if chip.filter.field != "sort")


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int

    @property
    def plain(self) -> str:
        return fold(self.text)

    @property
    def key(self) -> str:
        return singular(re.sub(r"['’]s?$", "", self.plain))


@dataclass(frozen=True, slots=True)
class _Mention:
    """A phrase of the catalogue's, from a token to another (not included)."""

    meaning: Meaning
    first: int
    last: int
    op: str = "is"
    joined_by: str = ""  # to the mention before it, where only a connector stands between


def parse(sentence: str, vocabulary: Vocabulary, *, exact: bool = False) -> Parsed:
    """`exact`: nothing is read as a filter."""
    text = sentence[:MOST_CHARACTERS]
    if exact:
        return Parsed(text, words=text.strip(), looked_for=text.strip())
    return _Reading(text, vocabulary).parsed()


class _Reading:
    """One sentence, while it is read: which characters have a meaning already."""

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self.text, self.vocabulary = text, vocabulary
        self.taken: list[tuple[int, int]] = [found.span() for found in _QUOTED.finditer(text)]
        self.noise: list[tuple[int, int]] = []
        self.found: list[tuple[Filter, int, int]] = []
        self.currency = ""

    def parsed(self) -> Parsed:
        if (request := _REQUEST.match(self.text)) and request.end() < len(self.text):
            self.noise.append(request.span())
            self.taken.append(request.span())
        self._say()
        for filter_, start, end in sizes(self.text, self.vocabulary, self._free):
            self._take(filter_, start, end)
        self._name()
        self._new()
        self.found.sort(key=lambda one: one[1])
        chips = tuple(
            Chip(filter_, start, end, self.text[start:end], _tidy(_cut(self.text, [(start, end)])))
            for filter_, start, end in self.found
        )
        hidden = [(c.start, c.end) for c in chips if c.filter.field not in VISIBLE or c.filter.op == "not"]
        order = next((c.filter.texts[0] for c in chips if c.filter.field == "sort"), "")
        rest = _tidy(_cut(self.text, [*self.noise, *((c.start, c.end) for c in chips)]))
        looked_for = _tidy(_cut(self.text, [*self.noise, *hidden]))
        return Parsed(self.text, chips, rest, looked_for, order, self.currency)

    def _free(self, start: int, end: int) -> bool:
        return all(end <= first or start >= last for first, last in self.taken)

    def _take(self, filter_: Filter, start: int, end: int) -> None:
        self.taken.append((start, end))
        self.found.append((filter_, start, end))

    def _say(self) -> None:
        for one in said(self.text, self.vocabulary.conditions, self._free):
            self._take(one.filter, one.start, one.end)
            self.currency = self.currency or one.currency

    def _new(self) -> None:
        """The bare word, at the beginning or before something that was read: not in "new york"."""
        for found in re.finditer(r"\bnew\b", self.text, re.IGNORECASE):
            after = found.end() + len(self.text[found.end() :]) - len(self.text[found.end() :].lstrip())
            if self._free(*found.span()) and any(start == after for _, start, _ in self.found):
                self._take(Filter("new", "is", ("yes",)), *found.span())
                return

    def _name(self) -> None:
        """Brands, colours, categories and genders."""
        tokens = [
            _Token(found.group(), *found.span())
            for found in _TOKEN.finditer(self.text)
            if self._free(*found.span()) or found.group() in ",;"
        ]
        mentions = list(self._mentions(tokens))
        for field in ("gender", *VISIBLE[:3]):
            own = [one for one in mentions if one.meaning.field == field]
            for group in _settled(field, _groups(own)):
                self._take(*self._filter(group, tokens))

    def _filter(self, group: Sequence[_Mention], tokens: Sequence[_Token]) -> tuple[Filter, int, int]:
        labels = tuple(dict.fromkeys(one.meaning.label for one in group))
        keys = tuple(dict.fromkeys(key for one in group for key in one.meaning.keys))
        first, negated = group[0].first, group[0].op == "not"
        if negated:
            while first and tokens[first - 1].plain in _SKIPPED | _NOT | {"but", "other", "anything"}:
                first -= 1
        elif (
            first and tokens[first - 1].plain in ("by", "from", "for") and group[0].meaning.field in ("brand", "gender")
        ):
            first -= 1
        filter_ = Filter(group[0].meaning.field, "not" if negated else "is", labels, keys)
        return filter_, tokens[first].start, tokens[group[-1].last - 1].end

    def _mentions(self, tokens: Sequence[_Token]) -> Iterator[_Mention]:
        """From left to right, the longest first. What describes is passed over, but for whom a thing is made."""
        at, describing = 0, False
        before: _Mention | None = None
        while at < len(tokens):
            meaning, length = self._longest(tokens, at)
            plain = tokens[at].plain
            if meaning is None or (describing and meaning.field != "gender"):
                after_for = plain == "for" and self._for_somebody(tokens, at + 1)
                describing = (describing or (plain in _DESCRIBING and not after_for)) and plain not in _ENDING
                at += 1
                continue
            link = tokens[at - 1].plain if before and before.last == at - 1 else ""
            link = link if link in _EITHER | _BOTH else ""
            chained = bool(link) and before is not None and before.meaning.field == meaning.field
            op = before.op if chained and before is not None else "not" if _is_ruled_out(tokens, at) else "is"
            before = _Mention(meaning, at, at + length, op, link if chained else "")
            yield before
            at += length

    def _for_somebody(self, tokens: Sequence[_Token], at: int) -> bool:
        while at < len(tokens) and tokens[at].plain in ("a", "my", "the", "young", "little"):
            at += 1
        return at < len(tokens) and self._gender(tokens, at) is not None

    def _longest(self, tokens: Sequence[_Token], at: int) -> tuple[Meaning | None, int]:
        for length in range(min(MOST_WORDS, len(tokens) - at), 0, -1):
            some = tokens[at : at + length]
            if any(one.text in ",;/" for one in some):
                continue
            if length == 1 and (gender := self._gender(tokens, at)):
                return gender, 1
            apart = any(a.end < b.start and not self._only_spaces(a.end, b.start) for a, b in pairwise(some))
            if not apart and (found := self.vocabulary.meaning("".join(one.key for one in some if one.text != "&"))):
                return found, length
        return None, 0

    def _only_spaces(self, start: int, end: int) -> bool:
        return not re.search(r"[^\s.'’+-]", self.text[start:end])

    def _gender(self, tokens: Sequence[_Token], at: int) -> Meaning | None:
        """A lone "man" or "lady" may be what a picture shows: only what somebody is made for counts."""
        token = tokens[at]
        meaning = self.vocabulary.gender(re.sub(r"['’]s?$", "", token.plain))
        if meaning is None or token.key not in ("man", "woman", "lady", "child") or token.key != token.plain:
            return meaning
        return meaning if {one.plain for one in tokens[max(0, at - 2) : at]} & {"for"} else None


def _is_ruled_out(tokens: Sequence[_Token], at: int) -> bool:
    while at and tokens[at - 1].plain in _SKIPPED:
        at -= 1
    two = " ".join(one.plain for one in tokens[max(0, at - 2) : at])
    return bool(at) and (
        tokens[at - 1].plain in _NOT or two in ("anything but", "other than") or two.endswith(" other")
    )


def _groups(mentions: Sequence[_Mention]) -> list[list[_Mention]]:
    """Mentions that are joined, by "or", "and" or a comma."""
    groups: list[list[_Mention]] = []
    for one in mentions:
        if one.joined_by and groups and groups[-1][-1].last == one.first - 1:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _settled(field: str, groups: list[list[_Mention]]) -> list[list[_Mention]]:
    """Those that can be filtered by: all that is ruled out, and one that is wanted."""
    ruled_out = [group for group in groups if group[0].op == "not"]
    wanted = [group for group in groups if group[0].op == "is"]
    if field == "category":  # of a compound the last word is what it is: a watch strap, a shirt dress
        return [*ruled_out, *wanted[-1:]]
    if field == "colour":
        wanted = (
            [group for group in wanted if not any(one.joined_by in _BOTH for one in group)] if len(wanted) == 1 else []
        )
    return [*ruled_out, *(wanted if len(wanted) == 1 else [])]


def _cut(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Without these characters."""
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(text[at : max(at, start)])
        at = max(at, end)
    return " ".join([*kept, text[at:]])


def _tidy(text: str) -> str:
    """Without what joined a part that is gone."""
    before = None
    text = " ".join(text.split())
    while text != before:
        before = text
        text = _EDGES.sub("", text).strip()
    return re.sub(r"\s+([,;.!?])", r"\1", text)
