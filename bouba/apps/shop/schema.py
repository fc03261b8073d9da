"""The tables of shop.sqlite, and connections to it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bouba.sqlite import opened, told, transaction

FORMAT = 1
MEND = "Move it away and import the catalogue again: no picture is encoded anew."
_TABLES = """
CREATE TABLE product (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, title TEXT NOT NULL, record TEXT NOT NULL, digest BLOB NOT NULL,
    added TEXT NOT NULL  -- ISO date: the feed's, else that of the first import
);
CREATE TABLE variant (
    id INTEGER PRIMARY KEY, product INTEGER NOT NULL REFERENCES product ON DELETE CASCADE, key TEXT NOT NULL UNIQUE,
    place INTEGER NOT NULL, price REAL, was REAL, available INTEGER NOT NULL
);
CREATE INDEX variant_of ON variant (product, place);
CREATE INDEX variant_price ON variant (price);
CREATE TABLE facet (
    variant INTEGER NOT NULL REFERENCES variant ON DELETE CASCADE, field TEXT NOT NULL, value TEXT NOT NULL,
    label TEXT NOT NULL, PRIMARY KEY (variant, field, value)
) WITHOUT ROWID;
CREATE INDEX facet_value ON facet (field, value, variant);
CREATE TABLE code (
    code TEXT NOT NULL, variant INTEGER NOT NULL REFERENCES variant ON DELETE CASCADE, PRIMARY KEY (code, variant)
) WITHOUT ROWID;
CREATE INDEX code_of ON code (variant);
CREATE TABLE source (  -- where a picture comes from, and which item of the gallery it became
    name TEXT PRIMARY KEY, item TEXT, state TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX source_item ON source (item);
CREATE TABLE picture (
    product INTEGER NOT NULL REFERENCES product ON DELETE CASCADE, source TEXT NOT NULL, place INTEGER NOT NULL,
    PRIMARY KEY (product, source)
) WITHOUT ROWID;
CREATE INDEX picture_source ON picture (source);
CREATE TABLE item (  -- pictures that the shop has told the gallery about
    id TEXT PRIMARY KEY, own INTEGER NOT NULL, told BLOB  -- whether it came with the shop; digest of what was told
) WITHOUT ROWID;
CREATE TABLE rule (id INTEGER PRIMARY KEY AUTOINCREMENT, record TEXT NOT NULL);
CREATE TABLE rule_log (id INTEGER PRIMARY KEY, time TEXT NOT NULL, action TEXT NOT NULL, rule INTEGER NOT NULL,
    who TEXT NOT NULL, record TEXT NOT NULL);
CREATE TABLE rule_use (rule INTEGER NOT NULL, day TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (rule, day))
    WITHOUT ROWID;
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO fact VALUES ('edition', '0'), ('currency', '');
"""


class Connections:
    """One for each thread: readers do not wait for the one that writes (write-ahead log)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._here = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Raises StoreUnavailable, and GalleryBroken for a file that is damaged or newer."""
        with told(self.path, MEND):
            yield self._mine()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing."""
        with told(self.path, MEND), transaction(db := self._mine()):
            yield db

    def close(self) -> None:
        with self._lock:
            for db in self._all:
                db.close()
            self._all.clear()
            self._here = threading.local()

    def _mine(self) -> sqlite3.Connection:
        known: sqlite3.Connection | None = getattr(self._here, "db", None)
        if known is None:
            known = self._here.db = opened(self.path, _TABLES, FORMAT)
            with self._lock:
                self._all.append(known)
        return known
