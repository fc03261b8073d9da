"""Which file holds which item, and a small picture of each: SQLite beside the store.

The store is the truth about items; the ledger only saves work. Lost or behind, it costs hashing, never pictures."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bouba.sqlite import told

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_id ON files (id);
CREATE TABLE IF NOT EXISTS thumbnails (id TEXT PRIMARY KEY, jpeg BLOB NOT NULL);
"""
_T = TypeVar("_T")
_CHUNK = 500  # below SQLite's limit of bound variables in every build


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file as it was when it was last read. A URL has size -1 and mtime_ns 0."""

    path: str
    size: int
    mtime_ns: int
    id: str


class Ledger:
    """Opened on first use, so that a search touches it only for thumbnails. Safe from threads and processes."""

    def __init__(self, path: Path | None) -> None:
        self._path = path  # None: in memory
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work` as one transaction.

        A function, not a context manager made from a generator: Ctrl-C between such a manager's lines would leave the
        lock taken, and the threads that wait for it would never end."""
        with self._lock, told(self._path, "Delete that one file: it is made anew by `bouba add`."):
            if self._connection is None:
                self._connection = _connect(self._path)
            with self._connection:
                return work(self._connection)

    def files(self, paths: Sequence[str]) -> dict[str, FileRow]:
        return {row.path: row for row in self._select("path", paths)}

    def files_of(self, ids: Sequence[str]) -> list[FileRow]:
        return self._select("id", ids)

    def files_under(self, folder: str) -> list[FileRow]:
        """Every file row whose path begins with `folder` (which ends in a separator)."""
        after = folder[:-1] + chr(ord(folder[-1]) + 1)
        sql = "SELECT path, size, mtime_ns, id FROM files WHERE path >= ? AND path < ?"
        return self._do(lambda db: [FileRow(*row) for row in db.execute(sql, (folder, after))])

    def has_id(self, item_id: str) -> bool:
        sql = "SELECT 1 FROM files WHERE id = ? LIMIT 1"
        return self._do(lambda db: db.execute(sql, (item_id,)).fetchone()) is not None

    def thumbnail(self, item_id: str) -> bytes | None:
        sql = "SELECT jpeg FROM thumbnails WHERE id = ?"
        row = self._do(lambda db: db.execute(sql, (item_id,)).fetchone())
        return row[0] if row else None

    def record(self, rows: Iterable[FileRow], thumbnails: Iterable[tuple[str, bytes]] = ()) -> None:
        def write(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO thumbnails VALUES (?, ?)", thumbnails)
            db.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", ((r.path, r.size, r.mtime_ns, r.id) for r in rows)
            )

        self._do(write)

    def forget_files(self, paths: Iterable[str]) -> None:
        self._do(lambda db: db.executemany("DELETE FROM files WHERE path = ?", ((p,) for p in paths)))

    def forget_items(self, ids: Sequence[str]) -> None:
        def write(db: sqlite3.Connection) -> None:
            for table in ("files", "thumbnails"):
                db.executemany(f"DELETE FROM {table} WHERE id = ?", ((i,) for i in ids))

        self._do(write)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _select(self, column: str, values: Sequence[str]) -> list[FileRow]:
        def read(db: sqlite3.Connection) -> list[FileRow]:
            rows: list[FileRow] = []
            for start in range(0, len(values), _CHUNK):
                chunk = values[start : start + _CHUNK]
                marks = ",".join("?" * len(chunk))
                sql = f"SELECT path, size, mtime_ns, id FROM files WHERE {column} IN ({marks})"
                rows += [FileRow(*row) for row in db.execute(sql, chunk)]
            return rows

        return self._do(read)


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path or ":memory:", timeout=30, check_same_thread=False)
    connection.executescript(_SCHEMA)
    return connection
