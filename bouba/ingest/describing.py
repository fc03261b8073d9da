"""Attributes of items that are there, changed without looking at a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bouba.ingest.attributes import fit
from bouba.types import AttributeType, AttributeValue, Item

if TYPE_CHECKING:
    from bouba.stores import Store

ROWS = 2048  # read and written at once


def describe(store: Store, changes: Mapping[str, Mapping[str, Any]]) -> int:
    """Set attributes by item id; None takes one away. Returns how many items changed; ids that are not there are
    passed over, and what is as it was is not written. Where a value does not fit, nothing at all is changed.

    Raises AttributeTypeError."""
    fields = dict(store.fields())
    fitted = {id: _fitted(values, fields) for id, values in changes.items()}
    changed = 0
    ids = list(fitted)
    for start in range(0, len(ids), ROWS):
        items, rows = store.get(ids[start : start + ROWS])
        now = [_with(item, changes[item.id], fitted[item.id]) for item in items]
        different = [n for n, item in enumerate(items) if now[n] != item]
        if different:
            store.upsert([now[n] for n in different], rows[different])
        changed += len(different)
    return changed


def _fitted(values: Mapping[str, Any], fields: dict[str, AttributeType]) -> dict[str, AttributeValue]:
    """`fields` learns names that are new, so that two items of one call agree on their type."""
    fitted = fit(values, fields)
    for name, value in fitted.items():
        fields.setdefault(name, AttributeType.of(value))
    return fitted


def _with(item: Item, values: Iterable[str], fitted: Mapping[str, AttributeValue]) -> Item:
    kept = {name: value for name, value in item.attributes.items() if name not in values}
    return replace(item, attributes={**kept, **fitted})
