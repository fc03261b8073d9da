"""A question, taken as it is meant, put to a gallery, folded, and cut where it no longer matches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from bouba.errors import QueryError
from bouba.query.composition import answer_composed, taken_apart
from bouba.query.folding import folded
from bouba.query.spelling import corrected
from bouba.query.wording import Wording
from bouba.types import Query, Question, Result

if TYPE_CHECKING:
    from bouba.query.answer import Answering
    from bouba.query.encode import Encoded
    from bouba.query.folding import Thumbnail
    from bouba.stores.where import Where
    from bouba.stores.words import Words

MAX_K = 10_000


@dataclass(frozen=True, slots=True)
class Wish:
    """How a question is to be answered. Raises QueryError where that cannot be."""

    k: int
    where: Where | None = None
    min_probability: float | None = None
    raw: bool = False  # by cosine alone
    exact: bool = False  # a text is taken as it is
    diverse: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or not 1 <= self.k <= MAX_K:
            raise QueryError(f"k is {self.k!r}; ask for 1 to {MAX_K} results.")
        if self.min_probability is not None and not 0 <= self.min_probability <= 1:
            raise QueryError(f"min_probability is {self.min_probability!r}; a probability lies between 0 and 1.")
        if self.raw and self.diverse:
            raise QueryError("raw gives the nearest as they come, and diverse chooses among them: leave one out.")


@dataclass(frozen=True, slots=True)
class Room:
    """The gallery that is asked."""

    now: Answering
    words: Words
    thumbnail: Thumbnail
    encode: Callable[[Query], Encoded]


def search(question: Question, wish: Wish, room: Room) -> Result:
    """Raises QueryError, and what encoding the question's parts raises."""
    notes: tuple[str, ...] = ()
    worded = not wish.raw and isinstance(question, Query) and question.text is not None
    there = worded and room.words.follow(room.now.store)
    if not (wish.raw or wish.exact):
        question, notes = _understood(question, room, there)
    if isinstance(question, Query):
        asked = room.encode(question)
        notes = (*notes, *asked.notes)
        wording = _wording(question, room) if there else None
        answer = partial(room.now.answer, asked, where=wish.where, raw=wish.raw, wording=wording)
    elif wish.raw:
        raise QueryError("raw ranks by one cosine, and a question of several parts has none: leave it out.")
    else:
        answer = partial(answer_composed, question, room.now, room.encode, where=wish.where)
    result = answer(wish.k) if wish.raw else folded(answer, wish.k, room.thumbnail, unlike=wish.diverse)
    result = replace(result, notes=(*notes, *result.notes), thumbnail=room.thumbnail)
    return result if wish.min_probability is None else _likely(result, wish.min_probability)


def _understood(question: Question, room: Room, there: bool) -> tuple[Question, tuple[str, ...]]:
    """With clear slips of spelling corrected and what is ruled out taken apart, and what the user is told of that.
    `there`: whether the gallery has words of its own."""
    if not isinstance(question, Query) or question.text is None:
        return taken_apart(question)
    model, words = room.now.model, room.words

    def known(word: str) -> bool:
        return model.knows(word) or (there and words.holds(word))

    correction = corrected(question.text, known, words.vocabulary if there else dict)
    spelt, notes = taken_apart(replace(question, text=correction.text))
    return spelt, (*filter(None, [correction.note(question.text)]), *notes)


def whole(query: Question | str | None, rest: Query) -> Question:
    """What `Gallery.search` was called with, as one question."""
    if query is None or isinstance(query, str):
        return replace(rest, text=query)
    if isinstance(query, Query):
        return replace(query, like=(*query.like, *rest.like), unlike=(*query.unlike, *rest.unlike))
    return query & rest if rest != Query() else query


def _wording(query: Query, room: Room) -> Wording | None:
    """Of a query that is a text alone: beside other parts it does not say all that is asked."""
    if query.text is None or query != replace(Query(query.text), text_weight=query.text_weight):
        return None
    return Wording.of(query.text, room.words)


def _likely(result: Result, least: float) -> Result:
    """Only the hits of at least this probability."""
    if result.hits and result.hits[0].probability is None:
        raise QueryError("There are no probabilities to go by: this model was never calibrated. See bouba calibrate.")
    hits = tuple(hit for hit in result.hits if hit.probability is not None and hit.probability >= least)
    return replace(result, hits=hits, threshold=0.0, cutoff=least)
