"""Values as they stand in a manifest -> typed attributes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from bouba.errors import AttributeTypeError
from bouba.stores.batch import MAX_NAME_CHARACTERS
from bouba.types import ITEM_FIELDS, AttributeType, AttributeValue

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
# No leading zeros and at most 15 digits: codes and barcodes stay text, and a float64 holds the rest exactly.
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,14})?(\.\d+)?([eE][+-]?\d{1,3})?")
_BOOLEANS = {"true": True, "false": False}

_PYTHON_TYPES: Mapping[AttributeType, type] = {
    AttributeType.TEXT: str,
    AttributeType.NUMBER: float,
    AttributeType.DATE: datetime,
    AttributeType.BOOLEAN: bool,
    AttributeType.TEXTS: tuple,
}


def field_name(name: str) -> str:
    """A column whose name is one of bouba's own fields gets a trailing underscore: `id` -> `id_`."""
    return f"{name}_" if name in ITEM_FIELDS else name


def normalise(value: Any) -> AttributeValue | None:
    """One Python, JSON or Arrow value as an attribute; None for null. What has no type of its own becomes JSON text."""
    match value:
        case None | "":
            return None
        case bool() | str():
            return value
        case int() if abs(value) > 2**53:  # a code, not a quantity: float64 would change it
            return str(value)
        case int() | float():
            return float(value) if math.isfinite(value) else None  # NaN is how tables write null
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        case date():
            return datetime(value.year, value.month, value.day)
        case list() | tuple() | set():
            return tuple(v if isinstance(v, str) else json.dumps(v, default=str) for v in value)
    return json.dumps(value, ensure_ascii=False, default=str)


def parse_date(text: str) -> datetime | None:
    """ISO 8601 date or time; a time with an offset is converted to UTC."""
    if not _ISO_DATE.fullmatch(text):
        return None
    try:
        parsed = normalise(datetime.fromisoformat(text))
    except ValueError:
        return None
    assert isinstance(parsed, datetime)
    return parsed


class ColumnType:
    """The one type that fits every value of a column, found value by value; `from_text` for CSV, where numbers and
    booleans come as text."""

    def __init__(self, from_text: bool = False) -> None:
        self._types: set[AttributeType] = set()
        self._fits = {AttributeType.DATE: True, AttributeType.BOOLEAN: from_text, AttributeType.NUMBER: from_text}

    def add(self, value: AttributeValue | None) -> None:
        if value is None:
            return
        self._types.add(AttributeType.of(value))
        if not isinstance(value, str) or not any(self._fits.values()):
            return
        text = value.strip()
        for kind, reads in _TEXT_READS.items():
            self._fits[kind] = self._fits[kind] and reads(text)

    @property
    def type(self) -> AttributeType:
        if AttributeType.TEXTS in self._types:
            return AttributeType.TEXTS
        if self._types == {AttributeType.TEXT}:
            return next((kind for kind, fits in self._fits.items() if fits), AttributeType.TEXT)
        return next(iter(self._types)) if len(self._types) == 1 else AttributeType.TEXT


_TEXT_READS: Mapping[AttributeType, Callable[[str], bool]] = {
    AttributeType.DATE: lambda text: parse_date(text) is not None,
    AttributeType.BOOLEAN: lambda text: text.lower() in _BOOLEANS,
    AttributeType.NUMBER: lambda text: any(c.isdigit() for c in text) and _NUMBER.fullmatch(text) is not None,
}


def convert(value: AttributeValue, kind: AttributeType) -> AttributeValue:
    """A value as another type, where nothing is lost. Raises ValueError otherwise."""
    if isinstance(value, _PYTHON_TYPES[kind]):
        return value
    match kind, value:
        case AttributeType.TEXT, datetime():
            return value.isoformat()
        case AttributeType.TEXT, bool():
            return "true" if value else "false"
        case AttributeType.TEXT, float():
            return f"{value:.15g}"
        case AttributeType.TEXTS, str():
            return (value,)
        case AttributeType.DATE, str() if (parsed := parse_date(value.strip())) is not None:
            return parsed
        case AttributeType.BOOLEAN, str() if value.strip().lower() in _BOOLEANS:
            return _BOOLEANS[value.strip().lower()]
        case AttributeType.NUMBER, str() if value.strip() and _NUMBER.fullmatch(value.strip()):
            return float(value)
    raise ValueError(f"{value!r} is not a {kind}")


def fit(attributes: Mapping[str, Any], fields: Mapping[str, AttributeType]) -> dict[str, AttributeValue]:
    """Attributes as the gallery's fields want them; names that are new keep their own type.

    Raises AttributeTypeError where a value cannot become what the gallery holds under its name."""
    fitted: dict[str, AttributeValue] = {}
    for name, raw in attributes.items():
        if name in ITEM_FIELDS or not 0 < len(name) <= MAX_NAME_CHARACTERS:
            raise AttributeTypeError(
                f"{name[:50]!r} cannot be an attribute: a name has 1 to {MAX_NAME_CHARACTERS} characters and is none "
                f"of bouba's own ({', '.join(ITEM_FIELDS)})."
            )
        if (value := normalise(raw)) is None:
            continue
        try:
            fitted[name] = convert(value, fields.get(name, AttributeType.of(value)))
        except ValueError as error:
            raise AttributeTypeError(
                f"Attribute {name!r} is a {fields[name]} in this gallery, and {error}. Rename the column or mend it."
            ) from None
    return fitted
