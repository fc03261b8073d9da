"""The truth about a table: items and vectors in SQLite. The index beside it is made from this, and can be made anew.

A write is one transaction. An item that is replaced gets a new row, so that what the index holds under a row's number
never changes; a number is not used twice.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.errors import StoreError
from bouba.stores.batch import new_fields
from bouba.stores.zvec.columns import column, columns, to_row
from bouba.stores.zvec.facts import NUMERIC, SLOTS
from bouba.stores.zvec.sql import add_functions
from bouba.types import ITEM_FIELDS, AttributeType, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

CHUNK = 500  # ids in one statement: below SQLite's limit of bound variables in every build
MAX_FIELDS = 1900  # a table of SQLite has at most 2,000 columns
BUSY_S = 60.0
PAGE_BYTES = 16_384  # several vectors to a page
CACHE_KIB = 16_384  # of each connection

_SCHEMA = f"""
CREATE TABLE items (row INTEGER PRIMARY KEY AUTOINCREMENT, {", ".join(map(column, ITEM_FIELDS))});
CREATE UNIQUE INDEX items_by_id ON items ("id");
CREATE TABLE vectors (row INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE fields (name TEXT PRIMARY KEY, kind TEXT NOT NULL, slot TEXT);
CREATE TABLE dropped (row INTEGER PRIMARY KEY);
CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO numbers VALUES ('items', 0), ('indexed', 0), ('removed', 0), ('dim', %d);
"""


class Records:
    """Readers take a connection each and see one state of the table as long as they read; one thread at a time writes.

    `dropped` are rows that the index may still hold, `indexed` is the last row that is safely in it."""

    def __init__(self, path: Path, dim: int | None = None) -> None:
        """Opens the file; where nothing was written to it yet `dim` is needed."""
        self._path, self._lock = path, threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._writer = self._connect()
        if self._writer.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            if dim is None:
                raise StoreError(f"{path}: a new gallery needs to know the length of its vectors (dim).")
            with self._transaction() as db:
                for statement in (_SCHEMA % dim).split(";"):
                    db.execute(statement)
        self.fields: Mapping[str, AttributeType] = {}  # replaced as a whole, as is `slots`
        self.slots: Mapping[str, str] = {}
        self._read_state()

    @property
    def dim(self) -> int:
        return self._numbers["dim"]

    @property
    def count(self) -> int:
        return self._numbers["items"]

    @property
    def indexed(self) -> int:
        return self._numbers["indexed"]

    @property
    def removed(self) -> int:
        """Rows, since the graph was last made."""
        return self._numbers["removed"]

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            with self._lock:
                self._idle.append(connection)

    def fields_seen_by(self, reading: sqlite3.Connection) -> Mapping[str, AttributeType]:
        """Begins to read one state of the table."""
        fields = self.fields
        reading.execute("BEGIN")
        (count,) = reading.execute("SELECT COUNT(*) FROM fields").fetchone()
        return fields if count == len(fields) else _fields(reading)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Writing]:
        """All of it is kept, or nothing."""
        with self._transaction() as db:
            yield Writing(db, self.fields, self.slots)
        self._read_state()

    def close(self) -> None:
        with self._lock:
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle = []

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _read_state(self) -> None:
        db = self._writer
        self._numbers: dict[str, int] = dict(db.execute("SELECT name, value FROM numbers"))
        self.slots = dict(db.execute("SELECT name, slot FROM fields WHERE slot IS NOT NULL"))
        self.fields = _fields(db)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        add_functions(connection)
        return connection


class Writing:
    """What can be done within one transaction."""

    def __init__(self, db: sqlite3.Connection, fields: Mapping[str, AttributeType], slots: Mapping[str, str]) -> None:
        self._db, self.fields, self.slots = db, dict(fields), dict(slots)

    def insert(self, items: Sequence[Item], vectors: Vectors) -> list[int]:
        """New rows of settled items whose ids are not there. Returns their numbers."""
        self.add_fields(new_fields(items, self.fields))
        (last,) = self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'items'").fetchone()
        rows = list(range(last + 1, last + 1 + len(items)))
        names = ["row", *columns(self.fields)]
        marks = ", ".join("?" * len(names))
        self._db.executemany(
            f"INSERT INTO items ({', '.join(names)}) VALUES ({marks})",
            ([row, *to_row(item, self.fields)] for row, item in zip(rows, items, strict=True)),
        )
        blobs = ((row, vector.tobytes()) for row, vector in zip(rows, vectors, strict=True))
        self._db.executemany("INSERT INTO vectors VALUES (?, ?)", blobs)
        self._add("items", len(items))
        return rows

    def remove(self, ids: Iterable[str]) -> list[int]:
        """Returns the rows that they had; `settle` says when the index has none of them any more."""
        rows: list[int] = []
        for some in chunks(dict.fromkeys(ids)):
            marks = ", ".join("?" * len(some))
            rows += [row for (row,) in self._db.execute(f'SELECT row FROM items WHERE "id" IN ({marks})', some)]
        for table in ("items", "vectors"):
            self._db.executemany(f"DELETE FROM {table} WHERE row = ?", ((row,) for row in rows))
        self._db.executemany("INSERT INTO dropped VALUES (?)", ((row,) for row in rows))
        self._add("items", -len(rows))
        self._add("removed", len(rows))
        return rows

    def add_fields(self, fresh: Mapping[str, AttributeType]) -> None:
        if len(self.fields) + len(fresh) > MAX_FIELDS:
            raise StoreError(
                f"This gallery would have {len(self.fields) + len(fresh)} attributes with {next(iter(fresh))!r:.60}; "
                f"in a zvec:// gallery there are {MAX_FIELDS} at most. Leave some out, or keep it as a plain folder."
            )
        for name, kind in fresh.items():
            free = (slot for slot in SLOTS if slot not in self.slots.values())
            slot = next(free, None) if kind in NUMERIC else None
            self._db.execute("INSERT INTO fields VALUES (?, ?, ?)", (name, str(kind), slot))
            self._db.execute(f"ALTER TABLE items ADD COLUMN {column(name)}")
            self.fields[name] = kind
            if slot is not None:
                self.slots[name] = slot

    def settle(self) -> None:
        """The index has all of it on disk, and none of what was dropped."""
        newest = "(SELECT MAX(seq) FROM sqlite_sequence)"
        self._db.execute(f"UPDATE numbers SET value = COALESCE({newest}, 0) WHERE name = 'indexed'")
        self._db.execute("DELETE FROM dropped")

    def forget_removed(self, count: int) -> None:
        self._add("removed", -count)

    def _add(self, name: str, more: int) -> None:
        self._db.execute("UPDATE numbers SET value = value + ? WHERE name = ?", (more, name))


def _fields(db: sqlite3.Connection) -> dict[str, AttributeType]:
    return {name: AttributeType(kind) for name, kind in db.execute("SELECT name, kind FROM fields ORDER BY rowid")}


def chunks(values: Iterable[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some
