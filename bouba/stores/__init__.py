"""Vectors and records at rest: one small protocol, one file per engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bouba.errors import StoreUnknown
from bouba.types import AttributeType, Item

if TYPE_CHECKING:
    from bouba.stores.where import Where
    from bouba.types import Vectors


class Store(Protocol):
    """What a gallery needs of an engine. Every store passes `tests/contract/test_stores.py`.

    A store may be used from several threads. What is wrong with it is a StoreError. Values are kept as `batch.py`
    settles them: None and NaN are no value, numbers are floats, dates naive in UTC, lists tuples."""

    def read_meta(self) -> dict[str, Any] | None:
        """What `write_meta` kept (JSON-ready), or None in a place with no gallery yet."""
        ...

    def write_meta(self, meta: Mapping[str, Any]) -> None: ...

    def fields(self) -> Mapping[str, AttributeType]:
        """The user attributes seen so far and their types, without `ITEM_FIELDS`."""
        ...

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Add or replace by id, all or none; durable when it returns.

        `vectors` is [n, dim], rows of length 1; of two items with one id the last stays, and an item replaces
        the stored one with all its attributes. New attribute names become new fields.
        Raises AttributeTypeError if a name has another type already, or is one of ITEM_FIELDS."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Remove by id; returns how many were there."""
        ...

    def known(self, ids: Sequence[str]) -> set[str]: ...

    def get(self, ids: Sequence[str]) -> tuple[list[Item], Vectors]:
        """Items and their vectors [n, dim] in the order asked for; ids that are not there are left out."""
        ...

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[tuple[Item, float]]:
        """The k items of highest cosine to one unit vector [dim], best first, ties by id.

        Scores are exact to 1e-6; a store with an index may miss some of the nearest."""
        ...

    def scan(self, where: Where | None = None, batch: int = 1024) -> Iterator[tuple[list[Item], Vectors]]:
        """Everything that fits the filter, in batches, in no stated order."""
        ...

    def count(self, where: Where | None = None) -> int: ...

    def maintain(self) -> None:
        """Build or refresh indexes and compact, if the engine finds it worthwhile; readers are not disturbed.

        Cheap when there is nothing to do; call it after every large change, from any process."""
        ...

    def close(self) -> None: ...


def open_store(uri: str, dim: int | None = None) -> Store:
    """The store that a URI names: a path or `file://PATH` (Lance), or `memory://`.

    `dim` is needed to create a store, not to open one. Raises StoreUnknown for any other scheme."""
    scheme, _, rest = uri.partition("://")
    if not rest and "://" not in uri:
        scheme, rest = "file", uri
    if scheme == "memory":
        from bouba.stores.memory import MemoryStore

        return MemoryStore(dim)
    if scheme == "file":
        from bouba.stores.lance import LanceStore

        return LanceStore(rest, dim)
    raise StoreUnknown(f"{uri}: no store is called {scheme!r}. Use a folder's path, or memory://.")
