"""Which words of a sentence say that something is there, and which that it is not, may be, was, or is asked.

The NegEx family: trigger phrases with a scope (Chapman et al., A Simple Algorithm for Identifying Negated Findings and
Diseases in Discharge Summaries, J Biomed Inform 2001; Harkema et al., ConText, J Biomed Inform 2009). `triggers.tsv`
has the phrases: before or after what they are about, pseudo-triggers such as "no change", which mean nothing, and
phrases that end a scope. Beyond NegEx, a comma ends a negation where what follows is no further part of a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Status(StrEnum):
    """Of what a segment of a sentence names."""

    AFFIRMED = "affirmed"
    UNCERTAIN = "uncertain"  # possible, not ruled out
    HISTORICAL = "historical"  # of the past
    HYPOTHETICAL = "hypothetical"  # what is to be looked for
    FAMILY = "family"  # somebody else's
    NEGATED = "negated"


PRESENT = frozenset({Status.AFFIRMED, Status.UNCERTAIN})  # what a search for findings finds


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words of one status, without the triggers around it."""

    text: str
    status: Status


class Token(NamedTuple):
    text: str  # lower case
    start: int
    end: int


class _Trigger(NamedTuple):
    first: int  # tokens
    last: int  # behind it
    meanings: tuple[tuple[str, str], ...]  # kind, status


_TOKEN = re.compile(r"[\w/']+|[,;:?()]")
_WORD = re.compile(r"\w")
_OR = frozenset({"or", "nor"})
_FINITE = frozenset("is are was were has have shows demonstrates seen noted present persists remains".split())
# What begins another statement behind a comma: a determiner, or how much there is of it.
_OPENERS = frozenset(
    "a an the there this these mild mildly minimal moderate moderately severe small large tiny stable unchanged new "
    "multiple several few some scattered trace increased decreased persistent residual diffuse chronic bilateral left "
    "right one two three".split()
)
_PRECEDENCE = (Status.UNCERTAIN, Status.HISTORICAL, Status.NEGATED, Status.FAMILY, Status.HYPOTHETICAL)


def segments(sentence: str) -> list[Segment]:
    """In the order of the sentence; triggers and punctuation between two statuses are left out."""
    tokens = tokenised(sentence)
    statuses = _statuses(tokens)
    found, start = [], 0
    while start < len(tokens):
        stop = start + 1
        while stop < len(tokens) and statuses[stop] is statuses[start]:
            stop += 1
        status = statuses[start]
        text = sentence[tokens[start].start : tokens[stop - 1].end].strip(" ,;:?()")
        if status is not None and _WORD.search(text):
            found.append(Segment(text, status))
        start = stop
    return found


def status_of(sentence: str, finding: str) -> Status | None:
    """Of the words of a finding within a sentence, by the last of them; None where they do not stand there."""
    tokens, wanted = tokenised(sentence), [token.text for token in tokenised(finding)]
    statuses = _statuses(tokens)
    words = [token.text for token in tokens]
    for start in range(len(words) - len(wanted) + 1):
        if words[start : start + len(wanted)] == wanted:
            return statuses[start + len(wanted) - 1] or Status.AFFIRMED
    return None


def tokenised(sentence: str) -> list[Token]:
    return [Token(found[0].lower(), found.start(), found.end()) for found in _TOKEN.finditer(sentence)]


def _statuses(tokens: Sequence[Token]) -> list[Status | None]:
    """One for each token; None for triggers, which name nothing themselves."""
    words = [token.text for token in tokens]
    triggers = list(_triggers(words))
    statuses: list[Status | None] = [Status.AFFIRMED] * len(words)
    for status in _PRECEDENCE:
        for trigger in triggers:
            for kind, means in trigger.meanings:
                if means == status:
                    scope = _behind(words, triggers, trigger) if kind == "before" else _ahead(words, triggers, trigger)
                    statuses[scope.start : scope.stop] = [status] * len(scope)
    if words and words[-1] == "?":
        statuses = [Status.HYPOTHETICAL if one in PRESENT else one for one in statuses]
    for trigger in triggers:
        if any(kind != "pseudo" for kind, _ in trigger.meanings):
            statuses[trigger.first : trigger.last] = [None] * (trigger.last - trigger.first)
    return statuses


def _behind(words: Sequence[str], triggers: Sequence[_Trigger], trigger: _Trigger) -> range:
    """The scope of what stands before its findings."""
    ends = [one.first for one in triggers if one.first >= trigger.last and _is_end(one)]
    ends += [n for n in range(trigger.last, len(words)) if words[n] == ";"]
    stop = min(ends, default=len(words))
    for comma in (n for n in range(trigger.last, stop) if words[n] == ","):
        if _begins_anew(words, comma, stop):
            return range(trigger.last, comma)
    return range(trigger.last, stop)


def _begins_anew(words: Sequence[str], comma: int, stop: int) -> bool:
    """Whether another statement follows the comma, not another part of a list."""
    behind = words[comma + 1 : stop]
    following = behind[1:] if behind[:1] == ["and"] else behind
    return bool(following) and following[0] in _OPENERS and not _OR & set(behind)


def _ahead(words: Sequence[str], triggers: Sequence[_Trigger], trigger: _Trigger) -> range:
    """The scope of what stands behind its findings."""
    ends = [one.last for one in triggers if one.last <= trigger.first and _is_end(one)]
    ends += [n + 1 for n in range(trigger.first) if words[n] == ";"]
    start = max(ends, default=0)
    for comma in (n for n in range(start, trigger.first) if words[n] == ","):
        if _FINITE & set(words[start:comma]):
            start = comma + 1
    return range(start, trigger.first)


def _is_end(trigger: _Trigger) -> bool:
    return any(kind == "end" for kind, _ in trigger.meanings)


def _triggers(words: Sequence[str]) -> Iterator[_Trigger]:
    """From left to right, the longest first."""
    phrases, longest = _phrases()
    at = 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            if meanings := phrases.get(tuple(words[at : at + length])):
                yield _Trigger(at, at + length, meanings)
                at += length
                break
        else:
            at += 1


@cache
def _phrases() -> tuple[Mapping[tuple[str, ...], tuple[tuple[str, str], ...]], int]:
    """What each phrase means, kind and status, and how many words the longest has."""
    found: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {}
    for row in (files("bouba.apps.medical") / "triggers.tsv").read_text(encoding="utf-8").splitlines():
        kind, status, phrase = row.split("\t")
        words = tuple(phrase.split())
        found[words] = (*found.get(words, ()), (kind, status))
    return found, max(map(len, found))
