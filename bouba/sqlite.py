"""SQLite files beside a gallery: how one is opened, and what is said where it cannot be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bouba.errors import GalleryBroken, StoreUnavailable

WAIT_S = 60.0  # for another process that writes


def opened(path: Path | None, tables: str, version: int) -> sqlite3.Connection:
    """With its tables, which are made once whoever else opens it at the same time; without a path in memory.

    A write-ahead log: readers do not wait for the one that writes. What was committed survives a power cut.
    Transactions are begun by hand; any thread may use it. Raises GalleryBroken for a file of a later version, and
    sqlite3.Error."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path or ":memory:", timeout=WAIT_S, check_same_thread=False, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        if (found := _version(db)) < version:
            _make(db, tables, version)
        if found > version:
            raise GalleryBroken(f"{path} was written by a newer bouba (format {found}, this one knows {version}).")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def told(path: Path | None, mend: str) -> Iterator[None]:
    """Raises StoreUnavailable, and GalleryBroken for a damaged file, which says how to mend it."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path} cannot be used: {error}. Check free space and permission.") from error
    except sqlite3.DatabaseError as error:
        raise GalleryBroken(f"{path} is damaged ({error}). {mend}") from error


def _make(db: sqlite3.Connection, tables: str, version: int) -> None:
    with transaction(db):
        if _version(db) == 0:
            for statement in _statements(tables):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {version}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _statements(tables: str) -> list[str]:
    """One by one: `executescript` would commit before."""
    lines = (line.partition("--")[0] for line in tables.splitlines())
    return [one for one in "\n".join(lines).split(";") if one.strip()]
