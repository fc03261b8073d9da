"""What a sentence asks for, and what it asks to leave out: "a beach without people" -> "a beach", not "people".

A small grammar for English, not a parser: a cue ("without", "with no", "but not", "isn't", "-word", ...), then the noun
phrases that it rules out, up to the word that goes on with the rest (the scope of a cue, as in the NegEx of Chapman et
al., A Simple Algorithm for Identifying Negated Findings, 2001). Where a reading is doubtful (signs, titles, idioms,
quotes, "not only", something that is asked for as well) the sentence is left as it is: a model reads it as before.

What it decides: attributes are negations too ("a man with no shirt"); "nobody" is "people"; after "without" both "and"
and "or" go on with what is ruled out, after "no" and "not" an "and" does so before a bare noun only ("no dogs and
cats", but "no shoes and a lunchbox"); a place or time that follows belongs to what is asked for ("without people at
sunset").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bouba.query.lexicon import (
    AGENTS,
    BE,
    CUES,
    DETERMINERS,
    IDIOMS,
    LIGHT,
    LINKS,
    NOBODY,
    NOTICES,
    NOUNS_IN_ING,
    PEOPLE,
    POSSESSIVES,
    PREPOSITIONS,
    RESUMES,
    SAYING,
    TAILS,
    VAGUE,
    VERBS,
)

_WORD = re.compile(r"""-?["“][^"”]*["”]|(?<!\S)[-−](?=[^\W\d])[\w'’-]+|w/o|[\w$€£#@&%/'’-]+|[^\w\s]""")
_CONTRACTION = re.compile(r"(?:is|are|was|were|do|does|did|has|have|had|ca|could|wo|would|should)n['’]t|cannot")


@dataclass(frozen=True, slots=True)
class Reading:
    """A sentence taken apart. Without a negation `wanted` is the sentence itself."""

    wanted: str  # empty where only something to leave out is named
    unwanted: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"looking for: {self.wanted}"] if self.wanted else []
        return "; ".join(parts + ([f"without: {', '.join(self.unwanted)}"] if self.unwanted else []))


def read_negation(sentence: str) -> Reading:
    """What is wanted and what is not. A sentence wholly in quotes is taken verbatim, without them."""
    words = _WORD.findall(sentence)
    if len(words) == 1 and _quoted(words[0]) and not words[0].startswith("-"):
        return Reading(words[0][1:-1].strip() or sentence)
    kept, unwanted = _taken_apart(words)
    return Reading(_joined(kept), tuple(dict.fromkeys(unwanted))) if unwanted else Reading(sentence)


def _taken_apart(words: Sequence[str]) -> tuple[list[str], list[str]]:
    lower = _lowered(words)
    kept: list[str] = []
    unwanted: list[str] = []
    at = 0
    while at < len(words):
        phrases, end = _ruled_out(words, lower, at)
        if not phrases or _said_too(phrases, [*_lowered(kept), *lower[end:]]):
            kept.append(words[at])
            at += 1
            continue
        _unlink(kept)
        unwanted += phrases
        at = _after_opening(lower, end) if not kept else end
    return kept, unwanted


def _said_too(phrases: Sequence[str], others: Sequence[str]) -> bool:
    """Whether what is ruled out is asked for elsewhere in the sentence."""
    rest = set(map(_stem, others))
    return any(_stem(phrase.lower().split()[-1]) in rest for phrase in phrases)


def _ruled_out(words: Sequence[str], lower: Sequence[str], at: int) -> tuple[list[str], int]:
    """The phrases that a cue at this place rules out, and where the sentence goes on; none where there is no cue."""
    if words[at][0] in "-−" and words[at][1:].strip('-−"“”'):
        return [_bare(words[at][1:])], at + 1
    cue = _cue(lower, at)
    if not cue or _not_meant(words, lower, at, cue):
        return [], at
    if " ".join(lower[at : at + cue]) in NOBODY:
        return ["people"], _after_tail(lower, at + cue)
    inclusive = lower[at] not in ("no", "not") and not _CONTRACTION.fullmatch(lower[at])
    return _listed(words, lower, _after_light(lower, at + cue), inclusive)


def _cue(lower: Sequence[str], at: int) -> int:
    """How many words the cue has that begins here; 0 for none."""
    for length in (3, 2, 1):
        phrase = " ".join(lower[at : at + length])
        if len(lower) >= at + length and (phrase in CUES or phrase in NOBODY):
            return length
    return int(_CONTRACTION.fullmatch(lower[at]) is not None)


def _not_meant(words: Sequence[str], lower: Sequence[str], at: int, cue: int) -> bool:
    """A title, an idiom, a notice, or what something says."""
    before = lower[at - 1] if at else ""
    follows = at + cue
    after = lower[follows] if follows < len(words) else ""
    shouted = all(word == word.upper() for word in words)
    titled = words[at][0].isupper() and after != "" and words[follows][0].isupper() and not shouted
    return (
        titled
        or before in SAYING
        or (before, lower[at]) in IDIOMS
        or (lower[at], after) in IDIOMS
        or (lower[at] in ("no", "minus") and after[:1].isdigit())
        or (lower[at : at + 2] == ["no", "."] and lower[at + 2 : at + 3] != [])
        or (lower[at] == "no" and (_gerund(after) or _notice(lower, follows)))
    )


def _notice(lower: Sequence[str], at: int) -> bool:
    """ "no dogs allowed", "no entry sign"."""
    end = _phrase_end(lower, at)
    return any(word in NOTICES for word in lower[at : end + 1])


def _listed(words: Sequence[str], lower: Sequence[str], at: int, inclusive: bool) -> tuple[list[str], int]:
    """Noun phrases joined by "or", "nor" and, where it is `inclusive` or a bare noun follows, "and"."""
    phrases: list[str] = []
    while True:
        start = _after_determiners(lower, at)
        end = _phrase_end(lower, start)
        phrase = _phrase(words[start:end], lower[start:end])
        if not phrase.strip() or lower[start] in VAGUE:
            return phrases, at
        phrases.append(phrase)
        at = _after_tail(lower, end)
        following = _next_in_list(lower, at, inclusive)
        if following is None:
            return phrases, at
        at = following


def _next_in_list(lower: Sequence[str], at: int, inclusive: bool) -> int | None:
    """Where the next phrase of the list begins; None where the list has ended."""
    joint = " ".join(lower[at : at + 2]) if lower[at : at + 1] == [","] else "".join(lower[at : at + 1])
    word = joint.removeprefix(", ")
    start = at + len(joint.split())
    if word in ("or", "nor", "and", "&"):
        end = _phrase_end(lower, start)
        if start == len(lower) or _cue(lower, start) or lower[start] in PREPOSITIONS | LINKS:
            return None
        bare = end - start == 1 and lower[start] not in DETERMINERS
        return start if word in ("or", "nor") or inclusive or bare else None
    if joint.startswith(", "):  # a comma goes on with the list only where an "or" (or an "and") ends it
        end = _phrase_end(lower, _after_determiners(lower, at + 1))
        ends = _next_in_list(lower, end, inclusive) if end > at + 1 and not _cue(lower, at + 1) else None
        joints = ("or", "nor", "and", ",") if inclusive else ("or", "nor", ",")
        return at + 1 if ends is not None and lower[end] in joints else None
    return None


def _phrase_end(lower: Sequence[str], start: int) -> int:
    """Behind the noun phrase, or the clause of a verb in -ing or of a preposition, that starts here."""
    clause = start < len(lower) and (_gerund(lower[start]) or lower[start] in PREPOSITIONS)
    end = start
    while end < len(lower) and not _ends(lower, start, end, clause):
        end += 1
    if not clause and end > start and _doing(lower, end):
        end += 1
    return start if clause and end == start + 1 and lower[start] in PREPOSITIONS else end


def _ends(lower: Sequence[str], start: int, at: int, clause: bool) -> bool:
    word = lower[at]
    if not (word[0].isalnum() or _quoted(word)) or word in RESUMES or _cue(lower, at):
        return True
    if clause or at == start:
        return False
    if word in PREPOSITIONS:
        return lower[at + 1 : at + 2] == [] or lower[at + 1] not in POSSESSIVES or at + 2 >= len(lower)
    if lower[at - 1] in PREPOSITIONS or lower[at - 1] == "of":  # inside "in its dish", "of a car"
        return False
    return word in VERBS or word in TAILS or _gerund(word) or (word in DETERMINERS and lower[at - 1] != "of")


def _doing(lower: Sequence[str], at: int) -> bool:
    """ "no people walking": what somebody does, where nothing follows."""
    ends = at + 1 >= len(lower) or not lower[at + 1][0].isalnum()
    return at < len(lower) and _gerund(lower[at]) and lower[at - 1] in AGENTS and ends


def _phrase(words: Sequence[str], lower: Sequence[str]) -> str:
    text = " ".join(_bare(word) for word in words)
    return "people" if " ".join(lower) in PEOPLE else text


def _after_determiners(lower: Sequence[str], at: int) -> int:
    while at + 1 < len(lower) and lower[at] in DETERMINERS:
        at += 1
    return at


def _after_light(lower: Sequence[str], at: int) -> int:
    """ "isn't wearing a hat", "don't want to see people": the verb adds nothing."""
    while at + 1 < len(lower) and lower[at] in LIGHT:
        at += 1
    return at


def _after_tail(lower: Sequence[str], at: int) -> int:
    """Behind "on", "in it", "in the background", "around", which say nothing about what is wanted."""
    for length in (4, 3, 2, 1):
        if " ".join(lower[at : at + length]) in TAILS and _rests(lower, at + length):
            return at + length
    return at


def _rests(lower: Sequence[str], at: int) -> bool:
    """A tail is one where no noun phrase follows that it could be the preposition of."""
    if at >= len(lower) or not lower[at][0].isalnum():
        return True
    return lower[at] in RESUMES | VERBS | PREPOSITIONS or _gerund(lower[at]) or lower[at - 1] not in PREPOSITIONS


def _after_opening(lower: Sequence[str], at: int) -> int:
    """ "No people | are seen on | a beach": what stands between, where the sentence begins with the negation."""
    while at < len(lower) and (lower[at] in BE or lower[at] in PREPOSITIONS or not lower[at][0].isalnum()):
        if _quoted(lower[at]):
            break
        at += 1
    return at


def _unlink(kept: list[str]) -> None:
    """Drop what only led to the negation: "with", ", but", "who are"."""
    while kept and (kept[-1].lower() in LINKS or kept[-1] in ",;:("):
        kept.pop()


def _joined(words: Sequence[str]) -> str:
    text = re.sub(r"\s+([,.;:!?)])", r"\1", " ".join(words))
    text = re.sub(r"([,;:])(?:\s*[,;:.])+", r"\1", text)
    return text.strip(" ,;:.!?()")


def _gerund(word: str) -> bool:
    return len(word) > 4 and word.endswith("ing") and word not in NOUNS_IN_ING


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _quoted(word: str) -> bool:
    return word[0] in '"“' and len(word) > 1


def _bare(word: str) -> str:
    return word[1:-1] if _quoted(word) else word


def _lowered(words: Sequence[str]) -> list[str]:
    return [word if _quoted(word) else word.lower().replace("’", "'") for word in words]
