"""What happened to every source."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bouba.errors import BoubaError


@dataclass(frozen=True, slots=True)
class Failure:
    """One source that could not be added, and why."""

    source: str
    kind: str  # name of the error class: "MediaCorrupt"
    message: str

    @classmethod
    def of(cls, source: str, error: BoubaError) -> Failure:
        return cls(source, type(error).__name__, str(error))

    def to_dict(self) -> dict[str, str]:
        return {"source": self.source, "kind": self.kind, "message": self.message}


@dataclass(slots=True)
class Report:
    """Counts of sources by what became of them; `failures` has a row for each that could not be used."""

    added: int = 0  # encoded and stored
    unchanged: int = 0  # same file as last time
    moved: int = 0  # known picture under a new path, its old path gone
    duplicates: int = 0  # known picture that another file holds too
    updated: int = 0  # known picture with new attributes
    removed: int = 0  # dropped: pruned, or its file now holds another picture
    ids: list[str] = field(default_factory=list)  # of every source that is in the gallery now, in order of commit
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
