"""What is read one by one: a picture, or a file that packs many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bouba.ingest.report import Failure
from bouba.media.blob import Blob, Part, State, Whole

if TYPE_CHECKING:
    from bouba.types import AttributeValue, ImageSource


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture to be added."""

    source: ImageSource | Part | Whole
    path: str = ""  # absolute path or address; empty for bytes
    attributes: Mapping[str, AttributeValue] | None = None  # None: the source says nothing about them
    state: State | None = None  # of the file that it lies in, where that is known already
    within: str = ""  # the name of the packed file that it came from

    @property
    def name(self) -> str:
        return self.path or f"<{type(self.source).__name__}>"

    @property
    def held_bytes(self) -> int:
        """Of the picture, where they are in memory already."""
        return len(self.source) if isinstance(self.source, bytes) else 0


class Packed(Protocol):
    """A file that packs many pictures; only its name and state are held until it is read. It may be pickled."""

    @property
    def blob(self) -> Blob: ...

    @property
    def state(self) -> State: ...

    @property
    def given(self) -> Mapping[str, AttributeValue] | None:
        """Attributes that all its entries get."""
        ...

    @property
    def count(self) -> int | None:
        """Of its entries, where that is cheap to know."""
        ...

    @property
    def recipe(self) -> str:
        """What decides the entries beside the file itself."""
        ...

    def entries(self) -> Iterator[Entry | Failure]:
        """Raises BoubaError, after what could be read, where the file is damaged."""
        ...


Source = Entry | Failure | Packed


def recipe_of(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode(errors="backslashreplace")).hexdigest()[:16]
