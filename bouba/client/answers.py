"""A server's JSON -> the same Result, Hit and Item as a gallery here gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bouba.errors import ServerError
from bouba.types import AttributeType, AttributeValue, Hearing, Hit, Item, Part, Result

TypeOf = Callable[[str], AttributeType | None]  # the type of an attribute, by its name
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")  # how a date is written, and perhaps a text


@contextmanager
def understood(url: str) -> Iterator[None]:
    """Raises ServerError for an answer that lacks something or has something else in its place."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServerError(
            f"{url} answered with something that this version does not understand ({type(error).__name__}: {error}). "
            "Do the server and this machine have the same version of bouba?"
        ) from error


def result_of(record: Mapping[str, Any], type_of: TypeOf, thumbnail: Callable[[str], bytes | None]) -> Result:
    """Of `Result.to_dict()` with "cutoff" and "threshold"."""
    return Result(
        tuple(_hit(hit, type_of) for hit in record["hits"]),
        _hearing(record.get("heard")),
        record.get("confidence"),
        record.get("threshold") or 0.0,
        record.get("cutoff") or 0.0,
        tuple(record.get("notes", ())),
        thumbnail,
    )


def item_of(record: Mapping[str, Any], type_of: TypeOf) -> Item:
    """Of `Item.to_dict()`; what it has besides is left out."""
    taken = record.get("taken")
    return Item(
        record["id"],
        record.get("path") or "",
        record["width"],
        record["height"],
        record["bytes"],
        record["media_type"],
        datetime.fromisoformat(taken) if taken else None,
        record.get("phash") or "",
        {name: _value(name, value, type_of) for name, value in record.get("attributes", {}).items()},
    )


def _value(name: str, value: Any, type_of: TypeOf) -> AttributeValue:
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, str) and _ISO.match(value) and type_of(name) is AttributeType.DATE:
        return datetime.fromisoformat(value)
    if isinstance(value, bool | str):
        return value
    return float(value)


def _hit(record: Mapping[str, Any], type_of: TypeOf) -> Hit:
    return Hit(
        record["rank"],
        record["score"],
        item_of(record, type_of),
        record.get("second"),
        record.get("probability"),
        tuple(Part(part["asked"], part["probability"], part["wanted"]) for part in record.get("parts", ())),
        # Of a duplicate a search tells its id and path, here as there; `get` has the rest.
        tuple(Item(one["id"], one.get("path") or "", 0, 0, 0, "") for one in record.get("duplicates", ())),
    )


def _hearing(record: Mapping[str, Any] | None) -> Hearing | None:
    if record is None:
        return None
    return Hearing(
        record["kind"],
        record["seconds"],
        record["speech"],
        record["transcript"],
        tuple((reading["text"], reading["weight"]) for reading in record["readings"]),
        tuple((tag["name"], tag["score"]) for tag in record["tags"]),
        tuple(record["notes"]),
    )
