"""What a copy is made from and to: a gallery in a store, or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from bouba.copying.checksum import digests
from bouba.errors import StoreUnavailable

if TYPE_CHECKING:
    from bouba.copying.checksum import Chosen, Digests
    from bouba.stores.ledger import FileRow
    from bouba.types import AttributeType, Item, Vectors

SCAN_ROWS = 2048  # items in memory at a time, with their thumbnails


@dataclass(frozen=True)
class Batch:
    """Some items, and what is known of them beside the store where that was asked for."""

    items: Sequence[Item]
    rows: Vectors  # [n, length], as they are stored
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)  # by item
    files: Sequence[FileRow] = ()

    @cached_property
    def digests(self) -> Digests:
        return digests(self.items, self.rows)

    def only(self, chosen: Chosen) -> Batch:
        """The items of which this [n] is true."""
        items = [item for item, is_chosen in zip(self.items, chosen, strict=True) if is_chosen]
        ids = {item.id for item in items}
        thumbnails = {id: jpeg for id, jpeg in self.thumbnails.items() if id in ids}
        return Batch(items, self.rows[chosen], thumbnails, [row for row in self.files if row.id in ids])


@dataclass(frozen=True, slots=True)
class Shape:
    """What a destination has to know before the first item."""

    fields: Mapping[str, AttributeType]
    length: int  # of a stored row
    dim: int  # of the vector that it begins with; `length` where that is not known


class Source(Protocol):
    uri: str

    def meta(self) -> dict[str, Any]:
        """The gallery's description. Raises GalleryMissing, and GalleryBroken for an unfinished copy."""
        ...

    def shape(self) -> Shape: ...

    def count(self) -> int: ...

    def scan(self, extras: bool = False) -> Iterator[Batch]:
        """Everything; thumbnails and files too if `extras`."""
        ...

    def close(self) -> None: ...


class Destination(Protocol):
    uri: str

    def read_meta(self) -> dict[str, Any] | None:
        """What `begin` wrote, or None in a place with nothing there. Raises StoreError where something else is."""
        ...

    def begin(self, meta: Mapping[str, Any], shape: Shape) -> None:
        """Make it, or take it up again, with this description, whose `copying` names the run.

        Afterwards all that changes it raises StoreUnavailable once another run has taken it up."""
        ...

    def count(self) -> int: ...

    def write(self, batch: Batch) -> int:
        """Take these items; returns how many of all that were taken became durable by this call."""
        ...

    def settle(self) -> int:
        """Make the rest durable, and fit to be searched; returns like `write`."""
        ...

    def scan(self) -> Iterator[Batch]: ...

    def drop(self, stale: Digests) -> int:
        """Remove the items that still have these digests (sorted); returns how many."""
        ...

    def finish(self, meta: Mapping[str, Any]) -> None:
        """It is a gallery from now on, with this description."""
        ...

    def close(self) -> None: ...


def check_mine(uri: str, there: Mapping[str, Any] | None, mine: Mapping[str, Any]) -> None:
    """Raises StoreUnavailable unless a destination is still described as by `begin`.

    Another process that took the copy over may have finished it, and somebody may have added to it since."""
    run = (there or {}).get("copying") or {}
    if run.get("run") != mine["copying"]["run"]:
        raise StoreUnavailable(f"Another process copies to {uri} too, and goes on with it. Nothing is lost.")
