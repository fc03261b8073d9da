"""A question of several parts -> hits: what lies near any of them, judged by all of them.

Every part gives each candidate a probability, and AND, OR and NOT combine those (`ranking.logic`): vectors are added
and subtracted only to find candidates. What an AND asks for is judged as a whole too ("dog and beach", the mean of a
picture and a text), because a model has seen things together. A text that is ruled out is asked as a sentence that says
it is there, which tells pictures with it from those without better than the noun does (`benchmarks.negation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import QueryError
from bouba.query.answer import counters_hubs
from bouba.query.negation import read_negation
from bouba.ranking.calibration import Asked, Background
from bouba.ranking.compose import weighted_mean
from bouba.ranking.logic import Shape, all_of, any_of, complement, log_probability, match, presence, ruled_out
from bouba.types import AllOf, AnyOf, Hit, Not, Part, Query, Question, Result

if TYPE_CHECKING:
    from bouba.query.answer import Answering
    from bouba.query.background import Population
    from bouba.query.encode import Encoded
    from bouba.ranking.logic import Floats
    from bouba.stores import Found
    from bouba.stores.where import Where
    from bouba.types import Vectors

REACH = 256  # candidates that each direction gives
FARTHEST = 4096  # where what is ruled out removes most of them
AWAY = 0.5  # how far a direction for candidates turns from what is ruled out

_Rule = Callable[["Floats"], "Floats"]


class _Whole(Query):
    """What an AND asks for, as one query."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One part that is a query of its own."""

    query: Query
    wanted: bool
    asked: Encoded
    row: Vectors  # as it is put to the store [length]
    gallery: Shape
    world: Shape
    known: Asked


def taken_apart(question: Question) -> tuple[Question, tuple[str, ...]]:
    """The question with what its sentences rule out as parts of their own, and what the user should know of that."""
    match question:
        case Query(text=str(text)):
            reading = read_negation(text)
            if not reading.unwanted:
                return (question if reading.wanted == text else replace(question, text=reading.wanted)), ()
            rest = replace(question, text=reading.wanted or None)
            parts: list[Question] = [rest] if rest.has_parts or rest.like or rest.unlike else []
            parts += [Not(Query(text)) for text in reading.unwanted]
            note = f"Read as {reading} (--exact keeps the sentence)."
            return (AllOf(tuple(parts)) if len(parts) > 1 else parts[0]), (note,)
        case Query():
            return question, ()
        case Not(part):
            inner, notes = taken_apart(part)
            return Not(inner), notes
    read = [taken_apart(part) for part in question.parts]
    return replace(question, parts=tuple(part for part, _ in read)), tuple(note for _, notes in read for note in notes)


def answer_composed(
    question: Question, now: Answering, encode: Callable[[Query], Encoded], k: int, where: Where | None
) -> Result:
    """The k items that fit best; each hit has what every part says of it.

    Raises QueryError for a part without parts or for weights that do not fit, and what `encode` raises."""
    question = _with_wholes(question)
    population = now.sample.now()
    leaves = [_leaf(query, wanted, now, population, encode) for query, wanted in _queries(question)]
    reach = max(REACH, 4 * k)
    while True:
        found = _candidates(leaves, now, reach, where)
        if not found:
            break
        rows = np.stack([one.row for one in found])
        scores = [np.asarray(rows @ leaf.row, np.float64) for leaf in leaves]
        odds = [_log_odds(leaf, own) for leaf, own in zip(leaves, scores, strict=True)]
        remaining = np.all([one < 0 for leaf, one in zip(leaves, odds, strict=True) if not leaf.wanted], axis=0).sum()
        if remaining >= k or len(found) < reach or reach >= FARTHEST:
            break
        reach *= 4
    heard = next((leaf.asked.heard for leaf in leaves if leaf.asked.heard), None)
    notes = tuple(note for leaf in leaves for note in leaf.asked.notes)
    if not found:
        return Result((), heard, notes=notes)
    values = _combined(question, iter([log_probability(one) for one in odds]), ruled_out)
    order = sorted(range(len(found)), key=lambda i: (-values[i], found[i].item.id))[:k]
    chances = [_chances(leaf, own, now) for leaf, own in zip(leaves, scores, strict=True)]
    hits = _hits(question, leaves, now, [found[i] for i in order], [own[order] for own in chances])
    return Result(hits, heard, *_confidence(question, leaves, scores, now), notes=notes)


def _with_wholes(question: Question) -> Question:
    """Every AND of queries with their whole beside them, which counts as much as they do; weights leave none out."""
    match question:
        case Not(part):
            return Not(_with_wholes(part))
        case AnyOf():
            return replace(question, parts=tuple(map(_with_wholes, question.parts)))
        case AllOf(parts, weights):
            asked = [part for part in parts if isinstance(part, Query)]
            whole = together(asked) if len(asked) > 1 and not weights else None
            inner = tuple(map(_with_wholes, parts))
            if whole is None:
                return replace(question, parts=inner)
            halves = [0.5 if isinstance(part, Query) else 1.0 for part in parts]
            return AllOf((*inner, whole), (*halves, len(asked) / 2))
    return question


def together(queries: Sequence[Query]) -> Query | None:
    """Several queries as one; None where none can say it all: two pictures, two recordings, parts with weights."""
    texts = [one.text for one in queries if one.text is not None]
    whole = _Whole(" and ".join(texts) if texts else None)
    for one in queries:
        rest = replace(one, text=None)
        for name in ("image", "audio", "concept"):
            if (value := getattr(rest, name)) is not None:
                if getattr(whole, name) is not None:
                    return None
                whole = replace(whole, **{name: value})
        if replace(rest, image=None, audio=None, concept=None) != Query():
            return None
    return whole


def _queries(question: Question, wanted: bool = True) -> Iterator[tuple[Query, bool]]:
    """The leaves from left to right, and whether they are wanted or ruled out."""
    match question:
        case Query():
            yield question, wanted
        case Not(part):
            yield from _queries(part, not wanted)
        case AllOf(parts) | AnyOf(parts):
            if not parts:
                raise QueryError(f"{type(question).__name__} has no parts: give it at least one query.")
            for part in parts:
                yield from _queries(part, wanted)


def _leaf(query: Query, wanted: bool, now: Answering, own: Population, encode: Callable[[Query], Encoded]) -> _Leaf:
    asked = encode(query if wanted else _as_presence(query))
    row = now.rows.query(asked.vector, correct=counters_hubs(asked.kind))
    others = now.sample.world()
    scores = np.concatenate([own.rows @ row, own.filling @ row])
    gallery = Shape.of(scores) if len(scores) else Shape(0.0, 1.0, 0.0)
    known = Asked(Background(gallery.mean, gallery.spread), own.items, asked.words)
    return _Leaf(query, wanted, asked, row, gallery, Shape.of(others @ row) if len(others) else gallery, known)


def _as_presence(query: Query) -> Query:
    alone = query.text is not None and query == Query(query.text)
    return replace(query, text=f"there is {query.text} in the picture") if alone else query


def named(question: Question) -> str:
    """A question in a few words."""
    match question:
        case Not(part):
            return f"not {named(part)}"
        case AllOf(parts):
            return " and ".join(map(named, parts))
        case AnyOf(parts):
            return "(" + " or ".join(map(named, parts)) + ")"
    image = question.image if isinstance(question.image, str) else question.image and "a picture"
    audio = question.audio if isinstance(question.audio, str) else question.audio and "a recording"
    examples = "examples" if question.like or question.unlike else None
    return " + ".join(str(part) for part in (question.text, image, audio, question.concept, examples) if part)


def _candidates(leaves: Sequence[_Leaf], now: Answering, reach: int, where: Where | None) -> list[Found]:
    """What is nearest to any part that is wanted, to all of them, and away from what is ruled out."""
    rows = [leaf.row for leaf in leaves if leaf.wanted]
    wanted = [leaf.asked.vector for leaf in leaves if leaf.wanted]
    unwanted = [leaf.asked.vector for leaf in leaves if not leaf.wanted]
    away = [-(AWAY if wanted else 1.0) / len(unwanted) for _ in unwanted]
    mixes = [(wanted, [1.0] * len(wanted)), (wanted + unwanted, [1.0 / len(wanted) for _ in wanted] + away)]
    for vectors, weights in mixes:
        if len(vectors) > bool(wanted):
            with suppress(QueryError):  # parts that cancel out have no common direction
                rows.append(now.rows.query(weighted_mean(np.stack(vectors), weights), correct=False))
    return list({one.item.id: one for row in rows for one in now.store.search(row, reach, where)}.values())


def _log_odds(leaf: _Leaf, scores: Floats) -> Floats:
    return match(scores, leaf.gallery) if leaf.wanted else presence(scores, leaf.gallery, leaf.world)


def _combined(question: Question, logs: Iterator[Floats], rule_out: _Rule) -> Floats:
    """Log-probabilities [n] of the whole from those of its leaves, in their order."""
    match question:
        case Not(part):
            return rule_out(_combined(part, logs, rule_out))
        case AllOf(parts, weights):
            return all_of(np.stack([_combined(part, logs, rule_out) for part in parts]), weights)
        case AnyOf(parts, weights):
            return any_of(np.stack([_combined(part, logs, rule_out) for part in parts]), weights)
    return next(logs)


def _chances(leaf: _Leaf, scores: Floats, now: Answering) -> Floats:
    """What is told of a part: the model's own calibration of a match, where it has one."""
    calibration = now.calibration(leaf.asked)
    if calibration is None or not leaf.wanted:
        return np.exp(log_probability(_log_odds(leaf, scores)))
    return calibration.probabilities(scores, leaf.known)


def _confidence(
    question: Question, leaves: Sequence[_Leaf], scores: Sequence[Floats], now: Answering
) -> tuple[float | None, float]:
    """How likely the gallery holds what is wanted, and the threshold; by the whole of an AND, or the one part wanted.

    Of an OR nothing is said: each of its parts would have to be missing."""
    wanted = [(leaf, own) for leaf, own in zip(leaves, scores, strict=True) if leaf.wanted]
    wholes = [pair for pair in wanted if isinstance(pair[0].query, _Whole)]
    judges = wholes if isinstance(question, AllOf) and wholes else wanted
    if len(judges) != 1:
        return None, 0.0
    leaf, own = judges[0]
    calibration = now.calibration(leaf.asked)
    if calibration is None:
        return None, 0.0
    return calibration.confidence(np.sort(own)[::-1], leaf.known), calibration.threshold


def _hits(
    question: Question, leaves: Sequence[_Leaf], now: Answering, found: Sequence[Found], chances: Sequence[Floats]
) -> tuple[Hit, ...]:
    vectors = now.rows.vectors(np.stack([one.row for one in found])).astype(np.float64)
    cosines = np.round(vectors @ _direction(leaves).astype(np.float64), 9).clip(-1.0, 1.0)
    with np.errstate(divide="ignore"):
        whole = np.exp(_combined(question, iter([np.log(own) for own in chances]), complement))
    shown = [pair for pair in zip(leaves, chances, strict=True) if not isinstance(pair[0].query, _Whole)]
    moments = next((m for leaf in leaves if (m := leaf.asked.moments) is not None and len(m.starts) > 1), None)
    return tuple(
        Hit(
            i + 1,
            float(cosines[i]),
            one.item,
            moments.best(vectors[i].astype(np.float32)) if moments else None,
            float(whole[i]) if now.calibrations else None,
            tuple(Part(named(leaf.query), float(own[i]), leaf.wanted) for leaf, own in shown),
            vector=vectors[i].astype(np.float32),
        )
        for i, one in enumerate(found)
    )


def _direction(leaves: Sequence[_Leaf]) -> Vectors:
    """What the score of a hit is the cosine with: the mean of what is wanted."""
    wanted = [leaf.asked.vector for leaf in leaves if leaf.wanted]
    vectors = wanted or [-leaf.asked.vector for leaf in leaves]
    try:
        return weighted_mean(np.stack(vectors), [1.0] * len(vectors))
    except QueryError:  # they cancel out
        return vectors[0]
