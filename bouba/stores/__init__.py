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
    """What a gallery needs of an engine. Every store passes `tests/contract/test_stores.py`."""

    def read_meta(self) -> dict[str, Any] | None:
        """What `write_meta` kept (JSON-ready), or None in a place with no gallery yet."""
        ...

    def write_meta(self, meta: Mapping[str, Any]) -> None: ...

    def fields(self) -> Mapping[str, AttributeType]:
        """The user attributes seen so far and their types, without `ITEM_FIELDS`."""
        ...

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Add or replace by id, all or none; durable when it returns.

        New attribute names become new fields; AttributeTypeError if a name has another type already."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Remove by id; returns how many were there."""
        ...

    def known(self, ids: Sequence[str]) -> set[str]: ...

    def get(self, ids: Sequence[str]) -> tuple[list[Item], Vectors]:
        """Items and their vectors in the order asked for; ids that are not there are left out."""
        ...

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[tuple[Item, float]]:
        """The k items of highest cosine to one unit vector [dim], best first, ties by id."""
        ...

    def scan(self, where: Where | None = None, batch: int = 1024) -> Iterator[tuple[list[Item], Vectors]]:
        """Everything that fits the filter, in batches, in no stated order."""
        ...

    def count(self, where: Where | None = None) -> int: ...

    def maintain(self) -> None:
        """Build or refresh indexes and compact, if the engine finds it worthwhile; readers are not disturbed."""
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
