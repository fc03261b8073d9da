"""Vectors and records at rest: one small protocol, one file per engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from bouba.errors import StoreUnavailable, StoreUnknown
from bouba.stores.place import Place
from bouba.types import AttributeType, Item

if TYPE_CHECKING:
    from bouba.stores.where import Where
    from bouba.types import Vectors


class Superseded(StoreUnavailable):
    """A gallery was migrated while this store was open; its place has a new store: `Store.successor`."""

    def __init__(self, place: object) -> None:
        super().__init__(
            f"{place} was migrated to another model while it was open here. What was counted is kept; open it again, "
            "with the model that it has now."
        )


@dataclass(frozen=True, slots=True)
class Found:
    """One row that a search gave."""

    item: Item
    score: float  # row · query
    row: Vectors = field(repr=False, compare=False)  # [dim], as it was stored


class Store(Protocol):
    """What a gallery needs of an engine. Every store passes `tests/contract`.

    A store may be used from several threads. What is wrong with it is a StoreError. Values are kept as `batch.py`
    settles them: None and NaN are no value, numbers are floats, dates naive in UTC, lists tuples.

    A store stands for one generation of a gallery, the one that it saw first: description and vectors of one model.
    After a migration it still answers for some minutes, from the old generation; writing to it, and `read_meta`,
    raise Superseded."""

    def read_meta(self) -> dict[str, Any] | None:
        """What `write_meta` kept (JSON-ready), or None in a place with no gallery yet."""
        ...

    def write_meta(self, meta: Mapping[str, Any]) -> None: ...

    def update_meta(self, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        """Replace what `write_meta` kept by what `change` makes of it; nobody else writes it in between.

        Raises GalleryMissing in a place with no gallery yet, and what `change` raises, which leaves it as it was."""
        ...

    def fields(self) -> Mapping[str, AttributeType]:
        """The user attributes seen so far and their types, without `ITEM_FIELDS`."""
        ...

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Add or replace by id, all or none; durable when it returns.

        `vectors` is [n, dim], finite; of two items with one id the last stays, and an item replaces
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

    def search(self, vector: Vectors, k: int, where: Where | None = None) -> list[Found]:
        """The k items of highest inner product with one vector [dim], best first, ties by id.

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

    def successor(self) -> Self | None:
        """A store of the generation that took this one's place; None, cheaply, as long as none did."""
        ...

    def shadow(self, dim: int | None = None) -> AbstractContextManager[Shadow]:
        """The next generation, as the last migration left it or empty; only one process at a time is inside.

        `dim` is needed to fill it, not to look at it or drop it. Raises StoreUnavailable if it is taken."""
        ...

    def close(self) -> None: ...


class Shadow(Protocol):
    """The next generation of a gallery, filled beside the one in use: the same items with another model's vectors."""

    def read_meta(self) -> dict[str, Any] | None:
        """What `write_meta` kept, or None if no migration is under way."""
        ...

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        """Begins a migration, or replaces what is known of it; `promote` makes it the gallery's description."""
        ...

    def sync(self) -> list[str]:
        """Follow what happened to the gallery's items: deleted ones go, changed ones are copied; vectors stay.

        Returns the ids of those that have no vector here."""
        ...

    def put(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Like `Store.upsert`, into this generation."""
        ...

    def maintain(self) -> None:
        """Like `Store.maintain`, so that the first search after the switch finds its indexes."""
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Whoever writes to the gallery waits; for the last `sync` and `put` before `promote`."""
        ...

    def promote(self) -> None:
        """This is the gallery from now on: description and items change in one step, for all processes.

        To be called inside `exclusive`. An item that has no vector here is gone."""
        ...

    def drop(self) -> bool:
        """Forget the migration and what it has made, even if that is damaged; False if there was none."""
        ...


def open_store(place: str | Place, dim: int | None = None) -> Store:
    """The store that a URI names: a path or `file://PATH` (Lance), `memory://`, or `milvus://` (docs/milvus.md).

    `dim` is needed to create a store, not to open one. Raises StoreUnknown for any other scheme, or an option that its
    store does not have."""
    place = place if isinstance(place, Place) else Place.of(place)
    if place.scheme not in _STORES:
        schemes = ", ".join(f"{scheme}://" for scheme in _STORES)
        raise StoreUnknown(f"{place.uri}: no store is called {place.scheme!r}. Use a folder's path, or {schemes}.")
    return _STORES[place.scheme](place, dim)


def _memory(place: Place, dim: int | None) -> Store:
    from bouba.stores.memory import MemoryStore

    place.take()
    return MemoryStore(dim)


def _lance(place: Place, dim: int | None) -> Store:
    from bouba.stores.lance import LanceStore, Settings

    return LanceStore(place.rest, dim, Settings.of(place.take("memory", "codes"), place.uri))


def _milvus(place: Place, dim: int | None) -> Store:
    from bouba.stores.milvus import MilvusStore

    return MilvusStore(place, dim)


def _zvec(place: Place, dim: int | None) -> Store:
    from bouba.stores.zvec import ZvecStore

    return ZvecStore(place.rest, dim, place.take("memory").get("memory"))


_STORES: Mapping[str, Callable[[Place, int | None], Store]] = {
    "file": _lance,
    "memory": _memory,
    "milvus": _milvus,
    "zvec": _zvec,
}
