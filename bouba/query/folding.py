"""Hits that show one picture as one hit, and hits that are diverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from bouba.errors import QueryError
from bouba.media.miniature import MINIATURE_LENGTH, miniature
from bouba.ranking.diversity import (
    CHOICE,
    MAX_BITS,
    MOST_DIVERSE,
    Bools,
    Doubles,
    Floats,
    Ints,
    Look,
    Words,
    diverse,
    fold,
    hash_words,
    next_fetch,
    telling,
)

if TYPE_CHECKING:
    from bouba.types import Hit, Item, Result, Vectors

FARTHEST = 20_000  # hits that are looked at, so that thousands of copies of one picture do not read the whole gallery
_BLOCK = 256

Thumbnail = Callable[[str], bytes | None]


def folded(answer: Callable[[int], Result], k: int, thumbnail: Thumbnail, *, unlike: bool) -> Result:
    """The best k hits that show different pictures, each with its near-duplicates.

    `answer` gives the result of that many hits; it is asked again where folding leaves too few, or where the last ones
    are copies still. With `unlike`, k of the best that together stand for all of these. Raises QueryError where that is
    asked of too many."""
    if unlike and k > MOST_DIVERSE:
        raise QueryError(f"k is {k}; diverse hits can be chosen up to {MOST_DIVERSE}.")
    wanted, asked = (CHOICE * k if unlike else k), 0
    groups: list[list[int]] = []
    while True:
        asked = next_fetch(wanted, asked, len(groups))
        result = answer(asked)
        groups = _groups(result.hits, thumbnail, wanted)
        more = any(group[-1] == len(result.hits) - 1 for group in groups if len(group) > 1)  # copies stand together
        if (len(groups) >= wanted and not more) or len(result.hits) < asked or asked >= FARTHEST:
            break
    if unlike and len(groups) > k:
        best = [result.hits[group[0]] for group in groups]
        groups = [groups[row] for row in diverse(_worth(best), _vectors(best), k)]
    return replace(result, hits=tuple(_hit(rank, group, result.hits) for rank, group in enumerate(groups[:k], 1)))


def _groups(hits: Sequence[Hit], thumbnail: Thumbnail, limit: int) -> list[list[int]]:
    """As `fold` gives them; it is asked only about hits that have another one near by hash, which few have."""
    words = hash_words([hit.item.phash for hit in hits])
    near = np.flatnonzero(_has_near(words))
    if not len(near):
        return [[row] for row in range(min(limit, len(hits)))]
    doubtful = [hits[row] for row in near.tolist()]
    found = fold_items([hit.item for hit in doubtful], _vectors(doubtful), thumbnail)
    groups = [near[group].tolist() for group in found]
    alone = np.setdiff1d(np.arange(len(hits)), near)
    return sorted([*groups, *([int(row)] for row in alone)])[:limit]


def _has_near(words: Words) -> Bools:
    """Which hashes [n] have a near one among the others."""
    clear = np.flatnonzero(telling(words))
    near = np.zeros(len(words), np.bool_)
    for start in range(0, len(clear), _BLOCK):
        rows = clear[start : start + _BLOCK]
        bits = np.bitwise_count(words[rows, None] ^ words[clear])
        near[rows] = (bits <= MAX_BITS).sum(axis=1) > 1  # itself and another
    return near


def _vectors(hits: Sequence[Hit]) -> Vectors:
    return np.stack(cast("list[Vectors]", [hit.vector for hit in hits]))


def _worth(hits: Sequence[Hit]) -> Doubles:
    """Falls with the rank: log odds, which are near to linear in the score; cosines where there is no probability."""
    chances = [hit.probability for hit in hits]
    if any(chance is None for chance in chances):
        return np.array([hit.score for hit in hits])
    p = np.clip(np.array(chances, np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.log(p / (1 - p)))


def _hit(rank: int, group: Sequence[int], hits: Sequence[Hit]) -> Hit:
    return replace(hits[group[0]], rank=rank, duplicates=tuple(hits[row].item for row in group[1:]))


def fold_items(
    items: Sequence[Item], vectors: Vectors, thumbnail: Thumbnail, *, max_bits: int = MAX_BITS
) -> list[list[int]]:
    """Rows of items [n], with their vectors [n, dim], as groups of near-duplicates; see `bouba.ranking.diversity`."""
    words = hash_words([item.phash for item in items])
    return fold(words, vectors, _looks_of(items, thumbnail), max_bits=max_bits)


def _looks_of(items: Sequence[Item], thumbnail: Thumbnail) -> Look:
    """Miniatures by row, each decoded once, when it is first asked for."""
    kept = np.empty((len(items), MINIATURE_LENGTH), np.float16)  # half as long, and exact to 0.002 spreads
    there = np.zeros(len(items), np.bool_)

    def look(rows: Ints) -> Floats:
        for row in rows[~there[rows]]:
            kept[row], there[row] = miniature(thumbnail(items[row].id)), True
        return kept[rows].astype(np.float32)

    return look
