"""What a gallery's URI says of how it is kept, `file://PATH?memory=512MB&codes=8`, and what follows from its size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bouba.errors import StoreUnknown

INDEX_FROM_ROWS = 5000  # below, comparing with every vector is fast
ROWS_PER_PARTITION = 2000
CODE_BITS = 4  # a dimension; one bit would find 6 of 10 nearest among random vectors, four find all
CODES = (1, 2, 4, 8)
LEAST_MEMORY = 16 << 20
METADATA_SHARE = 0.25
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


@dataclass(frozen=True, slots=True)
class Settings:
    memory: int | None = None  # bytes for what is kept of index and files; None: what the engine takes, up to 7 GiB
    codes: int | None = None  # bits a dimension of the index from now on; None: as before

    @classmethod
    def of(cls, options: Mapping[str, str], uri: str) -> Settings:
        """Raises StoreUnknown for values that are none."""
        memory, codes = options.get("memory"), options.get("codes")
        if codes is not None and codes not in map(str, CODES):
            raise StoreUnknown(
                f"{uri}: codes is {codes!r}; it is the bits of a dimension in the index, one of {CODES}."
            )
        return cls(None if memory is None else _bytes(memory, uri), None if codes is None else int(codes))

    def caches(self) -> dict[str, Any]:
        """What the engine is told of its caches when it opens a table."""
        if self.memory is None:
            return {}
        metadata = int(self.memory * METADATA_SHARE)
        return {"index_cache_size_bytes": self.memory - metadata, "metadata_cache_size_bytes": metadata}


DEFAULT = Settings()


def _bytes(text: str, uri: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmg]i?b)?", text.strip().lower())
    size = int(float(found[1]) * _UNITS[found[2] or ""]) if found else 0
    if size < LEAST_MEMORY:
        raise StoreUnknown(f"{uri}: memory is {text!r}; give a size of at least 16MiB, such as 512MB or 2GB.")
    return size


def partitions(rows: int) -> int:
    """Of the vector index."""
    return max(1, rows // ROWS_PER_PARTITION)
