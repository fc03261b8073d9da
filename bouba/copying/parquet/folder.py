"""A folder of Parquet files that is filled part by part."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.copying.ends import check_mine
from bouba.copying.parquet.reading import MANIFEST, read_manifest, read_part, rows_in
from bouba.copying.parquet.records import FORMAT, schema_of
from bouba.copying.parquet.writing import PARTIAL, PartWriter
from bouba.errors import StoreError, StoreUnavailable
from bouba.stores.place import Place

if TYPE_CHECKING:
    from bouba.copying.checksum import Digests
    from bouba.copying.ends import Batch, Shape

PART_ROWS = 32_768  # a kill costs at most as many to be written again


def is_parquet(place: str | os.PathLike[str]) -> bool:
    found = Place.of(place)
    return found.scheme == "file" and found.rest.rstrip("/").endswith(".parquet")


class ParquetDestination:
    def __init__(self, path: Path) -> None:
        self.uri, self._path = str(path), path
        self._meta: Mapping[str, Any] = {}
        self._shape: Shape | None = None
        self._writer: PartWriter | None = None

    def read_meta(self) -> dict[str, Any] | None:
        if not self._path.exists():
            return None
        if not self._path.is_dir():
            raise StoreError(f"{self.uri} is there already. Copy to a new place, or remove that file first.")
        if (self._path / MANIFEST).exists():
            return read_manifest(self._path)[0]
        if any(not name.endswith(PARTIAL) for name in os.listdir(self._path)):
            raise StoreError(f"{self.uri} has other files in it. Copy to a new place.")
        return None

    def begin(self, meta: Mapping[str, Any], shape: Shape) -> None:
        self._meta, self._shape = meta, shape
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            for left in self._path.glob(f"*{PARTIAL}"):
                left.unlink()
        except OSError as error:
            raise StoreUnavailable(f"{self.uri} cannot be made: {error.strerror}.") from error
        self._describe(meta, [])

    def _describe(self, meta: Mapping[str, Any], parts: list[str]) -> None:
        text = json.dumps({"format": FORMAT, "gallery": meta, "parts": parts}, indent=2, ensure_ascii=False)
        draft = self._path / (MANIFEST + PARTIAL)
        try:
            with draft.open("wb") as file:
                file.write(text.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path / MANIFEST)
        except OSError as error:
            raise StoreUnavailable(f"{self._path / MANIFEST} cannot be written: {error.strerror}.") from error

    def count(self) -> int:
        return sum(map(rows_in, self._parts()))

    def _parts(self) -> list[Path]:
        return sorted(self._path.glob("part-*.parquet"))

    def write(self, batch: Batch) -> int:
        self._writer = self._writer or self._part(self._next())
        self._writer.write(batch)
        return self.settle() if self._writer.tally.items >= PART_ROWS else 0

    def settle(self) -> int:
        writer, self._writer = self._writer, None
        if writer is None:
            if not self._parts():
                self._part(self._next()).close()  # of an empty gallery: its description and columns
            return 0
        try:
            self._check_mine()
        except StoreError:
            writer.drop()
            raise
        writer.close()
        return writer.tally.items

    def _next(self) -> Path:
        numbers = [int(part.stem.removeprefix("part-")) for part in self._parts()]
        return self._path / f"part-{max(numbers, default=-1) + 1:05}.parquet"

    def _part(self, path: Path) -> PartWriter:
        assert self._shape is not None, "begin comes first"
        finished = {name: value for name, value in self._meta.items() if name != "copying"}
        return PartWriter(path, schema_of(self._shape, finished, extras=True))

    def scan(self) -> Iterator[Batch]:
        for part in self._parts():
            yield from read_part(part, extras=False)

    def _check_mine(self) -> None:
        check_mine(self.uri, self.read_meta(), self._meta)

    def drop(self, stale: Digests) -> int:
        """Parts that hold such items are written anew without them."""
        self._check_mine()
        dropped = 0
        for part in self._parts():
            old = [np.isin(batch.digests, stale) for batch in read_part(part, extras=False)]
            if any(block.any() for block in old):
                with self._part(part) as writer:
                    for batch, block in zip(read_part(part, extras=True), old, strict=True):
                        writer.write(batch.only(~block))
                dropped += sum(int(block.sum()) for block in old)
        return dropped

    def finish(self, meta: Mapping[str, Any]) -> None:
        self._check_mine()
        self._describe(meta, [part.name for part in self._parts()])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.drop()
            self._writer = None
