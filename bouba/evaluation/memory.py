"""Small values that cost much to make, by key in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bouba.errors import StoreUnavailable


class Memory:
    """One table of one file, which is made when first used. Every method raises StoreUnavailable."""

    def __init__(self, path: Path, table: str) -> None:
        self._path, self._table = path, table

    def get(self, key: bytes) -> bytes | None:
        with self._opened() as db:
            found = db.execute(f"SELECT value FROM {self._table} WHERE key = ?", (key,)).fetchone()
        return bytes(found[0]) if found else None

    def put(self, key: bytes, value: bytes) -> None:
        with self._opened() as db, db:
            db.execute(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?)", (key, value))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=60)) as db:
                db.execute("PRAGMA synchronous = OFF")  # a value costs less to make again than to wait for the disk
                columns = "(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
                db.execute(f"CREATE TABLE IF NOT EXISTS {self._table} {columns}")
                yield db
        except (sqlite3.Error, OSError) as error:
            raise unusable(self._path, error) from error


def unusable(path: Path, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"{path}: {error}. Set $BOUBA_CACHE to a folder that can be written, or delete that file.")
