"""What moderation keeps of a gallery, in one SQLite file beside it: guidelines, labels, thresholds, decisions, reviews.

Decisions can be made again from the gallery; labels and reviews are work of people. Every change is one transaction."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bouba.sqlite import opened, told

VERSION = 1
MEND = "Restore it: it holds people's labels."
_SCHEMA = """
CREATE TABLE policies (
    name TEXT NOT NULL, version TEXT NOT NULL, source TEXT NOT NULL, at TEXT NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;
CREATE TABLE named (  -- the pictures that a guideline names
    version TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (version, name)
) WITHOUT ROWID;
CREATE TABLE examples (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE vectors (
    digest TEXT NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (digest, model)
) WITHOUT ROWID;
CREATE TABLE labels (
    policy TEXT NOT NULL, rule TEXT NOT NULL, item TEXT NOT NULL, breaks INTEGER NOT NULL, source TEXT NOT NULL,
    at TEXT NOT NULL, PRIMARY KEY (policy, rule, item)
) WITHOUT ROWID;
CREATE TABLE calibrations (
    version TEXT NOT NULL, rule TEXT NOT NULL, model TEXT NOT NULL, record TEXT NOT NULL, at TEXT NOT NULL,
    labels INTEGER NOT NULL, PRIMARY KEY (version, rule, model)
) WITHOUT ROWID;
CREATE TABLE gauges (
    version TEXT NOT NULL, model TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (version, model)
) WITHOUT ROWID;
CREATE TABLE states (id INTEGER PRIMARY KEY, policy TEXT NOT NULL, state TEXT NOT NULL, UNIQUE (policy, state));
CREATE TABLE decisions (
    policy TEXT NOT NULL, item TEXT NOT NULL, decision INTEGER NOT NULL, state INTEGER NOT NULL,
    PRIMARY KEY (policy, item)
) WITHOUT ROWID;
CREATE TABLE flags (  -- rules that a picture breaks
    policy TEXT NOT NULL, item TEXT NOT NULL, rule TEXT NOT NULL, decision INTEGER NOT NULL, probability REAL NOT NULL,
    rank INTEGER NOT NULL, PRIMARY KEY (policy, item, rule)
) WITHOUT ROWID;
CREATE INDEX flags_by_rank ON flags (policy, rank DESC, probability DESC);
CREATE TABLE reviews (
    id INTEGER PRIMARY KEY, policy TEXT NOT NULL, rule TEXT NOT NULL, item TEXT NOT NULL, probability REAL NOT NULL,
    overturned INTEGER NOT NULL, at TEXT NOT NULL, settled INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), lines INTEGER NOT NULL, digest TEXT NOT NULL);
"""
_T = TypeVar("_T")


class Database:
    """Opened on first use. Safe from threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work` as one transaction. Raises StoreUnavailable, and GalleryBroken for a damaged or newer file."""
        with self._lock, told(self.path, MEND):
            if self._connection is None:
                self._connection = opened(self.path, _SCHEMA, VERSION)
                self._connection.isolation_level = "DEFERRED"  # begun by the first change
            with self._connection:
                return work(self._connection)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
