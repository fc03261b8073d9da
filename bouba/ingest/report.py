"""What happened to every source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from bouba.errors import BoubaError

_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Failure:
    """One source that could not be added, and why."""

    source: str
    kind: str  # name of the error class: "MediaCorrupt"
    message: str
    within: str = field(default="", repr=False, compare=False)  # the packed file that it came from

    @classmethod
    def of(cls, source: str, error: BoubaError, within: str = "") -> Failure:
        return cls(source, type(error).__name__, str(error), within)

    def to_dict(self) -> dict[str, str]:
        return {"source": self.source, "kind": self.kind, "message": self.message}


class Ids(Sequence[str]):
    """Ids of items in the order in which they were put in, 16 bytes each: there may be tens of millions."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        self.extend(ids)

    def extend(self, ids: Iterable[str]) -> None:
        for item_id in ids:
            self._bytes += bytes.fromhex(item_id)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        start = range(0, len(self._bytes), _ID_BYTES)[at]
        return self._bytes[start : start + _ID_BYTES].hex()

    def __len__(self) -> int:
        return len(self._bytes) // _ID_BYTES

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self):,} ids>"


@dataclass(slots=True)
class Report:
    """Counts of sources by what became of them; `failures` has a row for each that could not be used."""

    added: int = 0  # encoded and stored
    unchanged: int = 0  # same file as last time
    moved: int = 0  # known picture under a new path, its old path gone
    duplicates: int = 0  # known picture that another file holds too
    updated: int = 0  # known picture with new attributes
    removed: int = 0  # dropped: pruned, or its file now holds another picture
    ids: Ids = field(default_factory=Ids)  # of every source that is in the gallery now, in order of commit
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        return len(self.failures)

    def to_dict(self) -> dict[str, Any]:
        counts = ("added", "unchanged", "moved", "duplicates", "updated", "removed", "failed")
        return {
            **{name: getattr(self, name) for name in counts},
            "seconds": round(self.seconds, 3),
            "failures": [failure.to_dict() for failure in self.failures],
        }
