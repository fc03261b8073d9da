"""A gallery with everything that a copy has to bring along, made in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bouba
from bouba.encoders import Model
from bouba.gallery import parts
from bouba.origin import new_meta
from bouba.rows import Rows
from bouba.stores.ledger import FileRow
from bouba.types import AttributeValue, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

ATTRIBUTES: Sequence[dict[str, AttributeValue]] = [
    {"title": "Bäume, 木, 🌲", "price": 1.1, "sold": True, "since": datetime(1, 2, 3), "tags": ("a", "ü,b", "")},
    {"title": "2024-05-01T00:00:00", "price": -0.5, "sold": False, "since": datetime(9999, 12, 31, 23, 59, 59, 999999)},
    {"title": "", "price": float("inf"), "tags": ()},
    {"vector": "an attribute", "bias": 1e300, "thumbnail": True, "price in €.cent": 3.0},
    {},
]


def made_items(count: int, seed: int = 0) -> list[Item]:
    rng = np.random.default_rng(seed)
    return [
        Item(
            rng.bytes(16).hex(), f"/bilder/größe {n}.jpg", 640 + n, 480, 9000 + n, "image/jpeg",
            datetime(2024, 5, 1, 12, 30, 15, n) if n % 3 else None, "00ff" * 4, ATTRIBUTES[n % len(ATTRIBUTES)],
        )
        for n in range(count)
    ]  # fmt: skip


def made_rows(model: Model, count: int, seed: int = 0) -> Vectors:
    """Unit vectors with some bias beside them."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, model.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows: Vectors = np.zeros((count, Rows.of(None, model).length), np.float32)
    rows[:, : model.dim], rows[:, model.dim] = vectors, rng.uniform(0, 0.1, count)
    return rows


def fill(place: Path | bouba.Gallery, model: Model, count: int, seed: int = 0) -> list[Item]:
    """Items with vectors; every second one has a thumbnail and is known under two paths."""
    items = made_items(count, seed)
    with bouba.open(place, model) if isinstance(place, Path) else place as gallery:
        _, store, ledger = parts(gallery)
        if store.read_meta() is None:
            store.write_meta({**new_meta(model), "concepts": {"größe": {"text": "red"}}})
        store.upsert(items, made_rows(model, count, seed))
        half = items[::2]
        rows = [
            FileRow(f"{folder}/{i.id}.jpg", i.bytes, 1_700_000_000_123_456_789, i.id) for i in half for folder in "ab"
        ]
        ledger.record(rows, [(i.id, b"\xff\xd8" + i.id.encode()) for i in half])
    return items


def contents(place: Path | str | bouba.Gallery) -> dict[str, Any]:
    """All of a gallery, in a form that is equal only where every bit is."""
    _, store, ledger = parts(place)
    found = {}
    for items, rows in store.scan():
        for item, row in zip(items, rows, strict=True):
            assert item.id not in found
            found[item.id] = (
                item,
                row.tobytes(),
                ledger.thumbnail(item.id),
                sorted(map(repr, ledger.files_of([item.id]))),
            )
    return {"meta": store.read_meta(), "items": found, "fields": dict(store.fields()) if found else {}}
