"""Items of the gallery that somebody liked or disliked -> a query that is turned by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bouba.errors import QueryError
from bouba.query.encode import Encoded
from bouba.ranking.feedback import Steered, steer

if TYPE_CHECKING:
    from bouba.query.answer import Answering
    from bouba.types import Query, Vectors


def with_examples(query: Query, now: Answering, encode: Callable[[], Encoded]) -> Encoded:
    """The query after what it is to be like and unlike; `encode` gives it without that.

    Raises QueryError as `check_examples` and `steer` do, and what `encode` raises."""
    if not query.like and not query.unlike:
        return encode()
    check_examples(query.like, query.unlike, now)
    if not query.has_parts:
        return Encoded(steered(None, query.like, query.unlike, now).vector, "image")
    asked = encode()
    return replace(asked, vector=steered(asked.vector, query.like, query.unlike, now).vector)


def steered(start: Vectors | None, like: Sequence[str], unlike: Sequence[str], now: Answering) -> Steered:
    """A query's direction [dim], or none yet, turned by items; ids that are not there are left out.

    Raises QueryError as `steer` does."""
    if start is None and not like:
        raise QueryError("Nothing is looked for: give a text or a picture, or name items that it is to be like.")
    if start is not None and not like and not unlike:
        return Steered(start)
    liked, disliked = (now.rows.vectors(now.store.get(list(ids))[1]) for ids in (like, unlike))
    return steer(start, liked, disliked, now.spread())


def check_examples(like: Sequence[str], unlike: Sequence[str], now: Answering) -> None:
    """Raises QueryError for an id that is not in the gallery, or that stands on both sides."""
    if both := set(like) & set(unlike):
        raise QueryError(f"{min(both)} is to be like and unlike at once: leave it out on one side.")
    ids = [*like, *unlike]
    there = now.store.known(ids)
    if gone := [id for id in ids if id not in there]:
        raise QueryError(f"No item {gone[0]!r:.80} is in the gallery; name examples by the ids of hits.")
