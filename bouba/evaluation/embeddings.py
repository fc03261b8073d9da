"""Vectors of texts, pictures and recordings, computed once: a second evaluation of the same model costs seconds."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bouba.encoders import Model
from bouba.errors import MediaError
from bouba.evaluation.listening import Listening, Recorded
from bouba.evaluation.memory import unusable
from bouba.media import decode_image, load_text, read_source

if TYPE_CHECKING:
    from PIL.Image import Image

    from bouba.evaluation.listening import SoundChange
    from bouba.types import HeardAs, Pixels, Vectors

    Change = Callable[[Image, int], Image]  # picture and its number among the queries -> another picture

BATCH = 64
_WORKERS = max(2, os.cpu_count() or 1)


def default_cache() -> Path:
    """`$BOUBA_CACHE`, else the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("BOUBA_CACHE") or user_cache_path("bouba")) / "embeddings"


class Embeddings:
    """One model's vectors in one SQLite file, by the content that they were made from."""

    def __init__(self, model: Model, folder: Path, advance: Callable[[int], None] = lambda count: None) -> None:
        self.model = model
        self._advance = advance  # told how many vectors are there now, cached or new
        self._path = folder / f"{model.name}-{model.fingerprint}.sqlite"
        self._digests: dict[Path, bytes] = {}  # of the pictures' content, which every slice asks for

    def texts(self, texts: Sequence[str]) -> Vectors:
        """float32 [n, dim]."""
        checked = [load_text(text) for text in texts]
        keys = [_key(b"text", text.encode()) for text in checked]
        return self._vectors(keys, lambda rows: self.model.encode_text([checked[row] for row in rows]))

    def pictures(self, paths: Sequence[Path], change: tuple[str, Change] | None = None) -> Vectors:
        """float32 [n, dim], of the pictures as they are or after a change, whose name and number keep it apart.

        Raises MediaError for a picture that cannot be read."""
        name = change[0] if change else ""
        with ThreadPoolExecutor(_WORKERS) as pool:
            contents = pool.map(self._digest, paths)
            numbers = [str(n).encode() if change else b"" for n in range(len(paths))]
            keys = [_key(name.encode(), digest, n) for digest, n in zip(contents, numbers, strict=True)]

            def encode(rows: Sequence[int]) -> Vectors:
                return self.model.encode_pixels(list(pool.map(prepared, rows)))

            def prepared(row: int) -> Pixels:
                side = None if change else self.model.manifest.image.size
                rgb = decode_image(read_source(paths[row]), side=side).rgb
                return self.model.prepare_image(change[1](rgb, row) if change else rgb)

            return self._vectors(keys, encode)

    def recordings(
        self, paths: Sequence[Path], heard_as: HeardAs = "auto", change: tuple[str, SoundChange] | None = None
    ) -> list[Recorded | MediaError]:
        """Each recording, as it is or after a change, as a query; or why it cannot be used.

        Raises ModelMissing where there is no sound tower or no recogniser for what has to be heard."""
        found: list[Recorded | MediaError] = []
        for row, path in enumerate(paths):
            try:
                found.append(self._listening.listen(path, heard_as, row, change))
            except MediaError as error:
                found.append(error)
            self._advance(1)
        return found

    @cached_property
    def _listening(self) -> Listening:
        return Listening(self.model, self._path.parent)

    def _digest(self, path: Path) -> bytes:
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(read_source(path)).digest()
        return self._digests[path]

    def _vectors(self, keys: Sequence[bytes], encode: Callable[[Sequence[int]], Vectors]) -> Vectors:
        try:
            return self._cached(keys, encode)
        except (sqlite3.Error, OSError) as error:
            raise unusable(self._path, error) from error

    def _cached(self, keys: Sequence[bytes], encode: Callable[[Sequence[int]], Vectors]) -> Vectors:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        out = np.empty((len(keys), self.model.dim), np.float32)
        with closing(sqlite3.connect(self._path, timeout=60)) as db:
            db.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")
            missing = []
            for row, key in enumerate(keys):
                found = db.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
                if found:
                    out[row] = np.frombuffer(found[0], np.float32)
                else:
                    missing.append(row)
            self._advance(len(keys) - len(missing))
            for batch in _batches(missing):
                out[batch] = encode(batch)
                with db:
                    rows = [(keys[row], out[row].tobytes()) for row in batch]
                    db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
                self._advance(len(batch))
        return out


def _key(*parts: bytes) -> bytes:
    return hashlib.sha256(b"\0".join(parts)).digest()[:16]


def _batches(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
