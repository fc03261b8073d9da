"""What became of pictures that were sent to a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class UploadFailure:
    """One picture that could not be added, and why."""

    source: str
    message: str

    def to_dict(self) -> dict[str, str]:
        return {"source": self.source, "message": self.message}


@dataclass(slots=True)
class Uploaded:
    """What a server did with the pictures that it was sent."""

    added: int = 0  # new in the gallery
    known: int = 0  # there already
    ids: list[str] = field(default_factory=list)  # of both, in the order in which the server stored them
    failures: list[UploadFailure] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return len(self.failures)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the ids."""
        failures = [failure.to_dict() for failure in self.failures]
        return {"added": self.added, "known": self.known, "failed": self.failed, "failures": failures}
