"""What every store checks and settles before it writes, so that all of them keep the same things."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import AttributeTypeError, StoreError
from bouba.types import ITEM_FIELDS, AttributeType, AttributeValue, Item

if TYPE_CHECKING:
    import numpy.typing as npt

    from bouba.types import Vectors

MAX_NAME_CHARACTERS = 200


def checked_batch(items: Sequence[Item], vectors: Vectors, dim: int | None) -> tuple[list[Item], Vectors]:
    """Items with settled attributes and their float32 vectors; of two with one id the last stays.

    Settled: no value that is None or NaN (a missing value has one form), numbers as float, lists as tuple,
    dates naive in UTC. Raises StoreError for vectors that do not fit, AttributeTypeError for values that
    no attribute can have."""
    if len(items) != len(vectors):
        raise StoreError(f"{len(items)} items came with {len(vectors)} vectors; each item needs its own.")
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    if len(items) and (matrix.ndim != 2 or (dim is not None and matrix.shape[1] != dim)):
        raise StoreError(f"The vectors have shape {list(matrix.shape)}; this gallery holds [n, {dim or 'dim'}].")
    if not np.isfinite(matrix).all():
        bad = items[int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])]
        raise StoreError(f"The vector of item {bad.id} ({bad.path}) has numbers that are not finite.")
    last = {item.id: row for row, item in enumerate(items)}
    return [_settled(items[row]) for row in last.values()], matrix[list(last.values())]


def checked_query(vector: Vectors, dim: int | None) -> Vectors:
    """The query as float32 [dim]; StoreError if it has another shape."""
    query = np.ascontiguousarray(vector, dtype=np.float32)
    if query.ndim != 1 or (dim is not None and len(query) != dim):
        raise StoreError(f"The query vector has shape {list(query.shape)}; this gallery is searched with [{dim}].")
    return query


def new_fields(items: Iterable[Item], known: Mapping[str, AttributeType]) -> dict[str, AttributeType]:
    """The attributes of settled items that `known` lacks; AttributeTypeError where types differ."""
    found: dict[str, AttributeType] = {}
    for item in items:
        for name, value in item.attributes.items():
            kind = AttributeType.of(value)
            held = known.get(name) or found.setdefault(name, kind)
            if held is not kind:
                raise AttributeTypeError(
                    f"Attribute {name!r} of item {item.id} ({item.path}) is {value!r:.60}, of type {kind}; "
                    f"this gallery holds {name!r} as {held}. Convert the value, or use another name."
                )
    return found


def best_first(ids: Sequence[str], vectors: Vectors, query: Vectors, k: int) -> list[tuple[int, float]]:
    """Rows of `vectors` [n, dim] and their inner product with `query` [dim]: the k best, ties by id.

    float32 picks the candidates; `exact_scores` ranks them."""
    if k <= 0 or not len(ids):
        return []
    rough = vectors @ query
    least = np.partition(rough, -min(k, len(rough)))[-min(k, len(rough))]
    rows = np.flatnonzero(rough >= least - 1e-5)
    scores = exact_scores(vectors[rows], query)
    ranked = sorted(zip(rows.tolist(), scores.tolist(), strict=True), key=lambda pair: (-pair[1], ids[pair[0]]))
    return ranked[:k]


def exact_scores(vectors: Vectors, query: Vectors) -> npt.NDArray[np.float64]:
    """[n] inner products of `vectors` [n, dim] with `query` [dim], rounded to 9 digits, so that equal vectors tie.

    einsum sums every row by itself; a matrix product's rounding depends on what stands beside a row."""
    products: npt.NDArray[np.float64] = np.einsum("nd,d->n", vectors.astype(np.float64), query.astype(np.float64))
    return products.round(9)


def _settled(item: Item) -> Item:
    for what, text in (("id", item.id), ("path", item.path), ("media type", item.media_type), ("phash", item.phash)):
        if not _is_unicode(text):
            raise StoreError(f"The {what} {text!r} is not valid Unicode and cannot be stored. Rename the file.")
    values = {name: _settled_value(item, name, value) for name, value in item.attributes.items()}
    kept = {name: value for name, value in values.items() if value is not None}
    return replace(item, taken=_naive_utc(item.taken) if item.taken else None, attributes=kept)


def _settled_value(item: Item, name: str, value: object) -> AttributeValue | None:
    if name in ITEM_FIELDS or not 0 < len(name) <= MAX_NAME_CHARACTERS or not _is_unicode(name):
        reason = "is a field that bouba records itself" if name in ITEM_FIELDS else "is no name"
        raise AttributeTypeError(
            f"Attribute {name!r:.80} of item {item.id} ({item.path}) {reason}; "
            f"call it something else, of 1 to {MAX_NAME_CHARACTERS} Unicode characters."
        )
    match value:
        case None | bool():
            return value
        case str() if _is_unicode(value):
            return value
        case datetime():
            return _naive_utc(value)
        case float():
            return None if math.isnan(value) else value + 0.0  # no -0.0: some engines tell it from 0.0
        case int() if abs(value) <= sys.float_info.max:
            return float(value)
        case list() | tuple() if all(isinstance(text, str) and _is_unicode(text) for text in value):
            return tuple(value)
    raise AttributeTypeError(
        f"Attribute {name!r} of item {item.id} ({item.path}) is {value!r:.60} ({type(value).__name__}), which cannot "
        f"be stored. An attribute is {', '.join(AttributeType)}."
    )


def _naive_utc(moment: datetime) -> datetime:
    try:
        return (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment).replace(fold=0)
    except OverflowError:  # an offset that leads out of the years 1 to 9999
        return moment.replace(tzinfo=None, fold=0)


def _is_unicode(text: str) -> bool:
    """False for the lone surrogates that stand for undecodable bytes in file names."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
