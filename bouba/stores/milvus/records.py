"""Items <-> rows of a collection.

pk      VARCHAR, the primary key              mark    INT64, a hash of the record: tells at a glance whether it changed
record  ARRAY of VARCHAR, the item as JSON, in pieces     facts   JSON, what can be filtered on: `facts.py`
tenant  VARCHAR, the partition key, in a collection that tenants share          vector  FLOAT_VECTOR
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.errors import StoreError
from bouba.stores.milvus.facts import facts_of
from bouba.stores.milvus.keys import MAX_KEY, Keys
from bouba.stores.record import from_record, to_record
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

PIECE_CHARACTERS = 16_000  # of 4 bytes at most, in a VARCHAR of 65,535 bytes
MAX_PIECES = 64
MAX_FACTS = 65_000  # Milvus takes 65,536 for a JSON value
ROW_BYTES = 200  # what a row takes on the wire, beside its texts and its vector


def to_row(item: Item, vector: Vectors, keys: Keys, tenant: str) -> dict[str, Any]:
    """Raises StoreError for an item that no row can hold."""
    record = to_record(item)
    facts = facts_of(item)
    _check(item, "its id", len(keys.of(item.id)), MAX_KEY)
    _check(item, "its record", len(record), PIECE_CHARACTERS * MAX_PIECES)
    _check(item, "what can be filtered on of it", len(json.dumps(facts)), MAX_FACTS)
    row = {
        "pk": keys.of(item.id),
        "record": [record[n : n + PIECE_CHARACTERS] for n in range(0, len(record), PIECE_CHARACTERS)],
        "facts": facts,
        "mark": int.from_bytes(hashlib.blake2b(record.encode(), digest_size=8).digest(), signed=True),
        "vector": vector,
    }
    return {**row, "tenant": tenant} if tenant else row


def to_item(row: Mapping[str, Any], keys: Keys) -> Item:
    return from_record(keys.id(row["pk"]), "".join(row["record"]))


def to_matrix(rows: Sequence[Mapping[str, Any]], dim: int) -> Vectors:
    """Their vectors [n, dim]."""
    matrix: Vectors = np.array([row["vector"] for row in rows], np.float32).reshape(len(rows), dim)
    return matrix


def bytes_of(row: Mapping[str, Any]) -> int:
    """About what a row takes on the wire."""
    texts = sum(4 * len(piece) for piece in row["record"]) + len(json.dumps(row["facts"]))
    return ROW_BYTES + texts + int(row["vector"].nbytes)


def _check(item: Item, what: str, length: int, limit: int) -> None:
    if length > limit:
        raise StoreError(
            f"Item {item.id:.40} ({item.path}): {what} takes {length:,} characters; Milvus keeps {limit:,}. "
            "Shorten its attributes."
        )
