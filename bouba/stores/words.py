"""The words of a gallery's items, for full-text search: SQLite's FTS5 beside the store.

The store is the truth; this is a cache that is made anew where it is lost, damaged or behind. Who changes items marks
them here before and settles them after, so that a process killed in between leaves a mark, not a gap; where the counts
differ all the same (a gallery older than its words, a store written by something else) the store is read again.
What is found here is only names of items: the store says which of them are still there and fit a filter.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from bouba.stores.lexemes import ItemWords, item_words, query_words, variants

if TYPE_CHECKING:
    from bouba.stores import Store
    from bouba.types import Item, Vectors

FORMAT = 1
MAX_WORDS = 32  # of a query, the rarest
EACH = 64  # items that a word is looked up for at most
MOST = 256  # items that all words together are
CODED = 50  # items; what more share is a class of things and no code
MARKED_S = 60.0  # after that a writer is taken for dead
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS items (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS codes (code TEXT, row INTEGER, PRIMARY KEY (code, row)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS codes_by_row ON codes (row);
CREATE TABLE IF NOT EXISTS marks (id TEXT PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO counts VALUES ('items', 0), ('texts', 0), ('words', 0);
CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5(title, other, path, tokenize = 'unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE IF NOT EXISTS vocabulary USING fts5vocab(texts, row);
PRAGMA user_version = {FORMAT};
"""
_CHUNK = 500  # below SQLite's limit of bound variables in every build
_T = TypeVar("_T")
Text = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query's words as this gallery knows them."""

    words: tuple[tuple[str, ...], ...]  # each with its singular and plural
    items: tuple[int, ...]  # how many hold each; 0 for a word that the gallery does not know
    ids: tuple[str, ...]  # items that hold some: all of the rare ones, and a part of the others
    coded: tuple[str, ...]  # items whose code the query names
    texts: int  # how many items have words
    mean_length: float  # words of such an item


class Words:
    """Opened on first use. Safe from threads and processes. Where its file cannot be written it is kept in memory."""

    def __init__(self, path: Path | None) -> None:
        self._path = path  # None: in memory
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._in_vain: tuple[int, int] | None = None  # counts that reading the store did not bring together

    def mark(self, ids: Sequence[str]) -> None:
        """These items are about to change in the store."""
        now = time.time()
        self._do(lambda db: db.executemany("INSERT OR REPLACE INTO marks VALUES (?, ?)", ((i, now) for i in ids)))

    def put(self, items: Iterable[Item]) -> None:
        """These items are in the store."""
        rows = [(item.id, item_words(item)) for item in items]

        def write(db: sqlite3.Connection) -> None:
            for item_id, words in rows:
                _put(db, item_id, words)

        self._do(write)

    def remove(self, ids: Sequence[str]) -> None:
        """These items are no longer in the store."""

        def write(db: sqlite3.Connection) -> None:
            for item_id in ids:
                _remove(db, item_id)

        self._do(write)

    def follow(self, store: Store) -> bool:
        """Bring the words up to date with the store, which costs two counts where they are; False if it is empty."""
        if not (there := store.count()):
            return False  # and perhaps no place to keep words
        held, marked, old = self._do(_state)
        if old:
            self._settle(store, old)
            held, marked, _ = self._do(_state)
        if abs(there - held) > marked and self._in_vain != (there, held):
            self._read(store)
            self._in_vain = (there, self._do(_state)[0])
        return True

    def ask(self, text: str) -> Asked:
        """What of a query the gallery knows, and where."""
        said = query_words(text)

        def read(db: sqlite3.Connection) -> Asked:
            texts, total = _count(db, "texts"), _count(db, "words")
            groups = [variants(word) for word in said.words[:MAX_WORDS]]
            held = [_holding(db, group) for group in groups]
            ids = _candidates(db, [(n, group) for n, group in zip(held, groups, strict=True) if n])
            coded = _coded(db, said.codes)
            return Asked(tuple(groups), tuple(held), ids, coded, texts, total / max(texts, 1))

        return self._do(read)

    def texts(self, ids: Sequence[str]) -> Mapping[str, Text]:
        """The words of items: of their titles, their other attributes and their path, parted by spaces."""
        sql = "SELECT id, title, other, path FROM items JOIN texts ON texts.rowid = items.row WHERE id IN ({})"

        def read(db: sqlite3.Connection) -> dict[str, Text]:
            return {row[0]: row[1:] for chunk in _chunks(ids) for row in db.execute(sql.format(_marks(chunk)), chunk)}

        return self._do(read)

    def holds(self, word: str) -> bool:
        """Whether any item has this folded word, or its singular or plural."""
        return self._do(lambda db: _holding(db, variants(word))) > 0

    def vocabulary(self) -> Mapping[str, int]:
        """All words, and how many items have each."""
        return self._do(lambda db: dict(db.execute("SELECT term, doc FROM vocabulary")))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _settle(self, store: Store, ids: Sequence[str]) -> None:
        for chunk in _chunks(ids):
            items, _ = store.get(chunk)
            self.put(items)
            self.remove(sorted(set(chunk) - {item.id for item in items}))

    def _read(self, store: Store) -> None:
        seen: set[str] = set()
        for items, _ in store.scan():
            self.put(items)
            seen.update(item.id for item in items)
        held = self._do(lambda db: [row[0] for row in db.execute("SELECT id FROM items")])
        # What came while the store was read is there all the same.
        self._settle(store, [item_id for item_id in held if item_id not in seen])

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work` as one transaction; a second time with a new file where this one is damaged."""
        with self._lock:
            try:
                return self._try(work)
            except sqlite3.DatabaseError as error:
                self.close()
                if isinstance(error, sqlite3.OperationalError) or self._path is None:
                    self._path = None  # locked for long, read-only or full: this process does without the file
                else:
                    with suppress(OSError):
                        self._path.unlink()
                return self._try(work)

    def _try(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        if self._connection is None:
            self._connection = _connect(self._path)
        with self._connection:
            return work(self._connection)


def followed(store: Store, words: Words) -> Store:
    """A store whose changes the words follow."""
    return cast("Store", _Followed(store, words))


class _Followed:
    def __init__(self, store: Store, words: Words) -> None:
        self._store, self._words = store, words

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        self._words.mark([item.id for item in items])
        self._store.upsert(items, vectors)
        self._words.put(items)

    def delete(self, ids: Sequence[str]) -> int:
        self._words.mark(ids)
        removed = self._store.delete(ids)
        self._words.remove(ids)
        return removed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        with suppress(OSError):  # SQLite will say what is wrong
            path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path or ":memory:", timeout=30, check_same_thread=False)
    if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, FORMAT):
        connection.close()
        raise sqlite3.DatabaseError("of another version")
    connection.executescript(_SCHEMA)
    return connection


def _put(db: sqlite3.Connection, item_id: str, words: ItemWords) -> None:
    held = db.execute("SELECT digest FROM items WHERE id = ?", (item_id,)).fetchone()
    if held is None or held[0] != words.digest:
        _remove(db, item_id)
        row = db.execute("INSERT INTO items (id, digest) VALUES (?, ?)", (item_id, words.digest)).lastrowid
        text = (words.title, words.other, words.path)
        if any(text):
            db.execute("INSERT INTO texts (rowid, title, other, path) VALUES (?, ?, ?, ?)", (row, *text))
        db.executemany("INSERT INTO codes VALUES (?, ?)", ((code, row) for code in words.codes))
        _add(db, text, 1)
    db.execute("DELETE FROM marks WHERE id = ?", (item_id,))


def _remove(db: sqlite3.Connection, item_id: str) -> None:
    found = db.execute("SELECT row FROM items WHERE id = ?", (item_id,)).fetchone()
    if found is not None:
        text = db.execute("SELECT title, other, path FROM texts WHERE rowid = ?", found).fetchone()
        for table, key in (("texts", "rowid"), ("codes", "row"), ("items", "row")):
            db.execute(f"DELETE FROM {table} WHERE {key} = ?", found)
        _add(db, text or ("", "", ""), -1)
    db.execute("DELETE FROM marks WHERE id = ?", (item_id,))


def _add(db: sqlite3.Connection, text: Text, sign: int) -> None:
    words = sum(len(field.split()) for field in text)
    changes = (("items", sign), ("texts", sign * any(text)), ("words", sign * words))
    db.executemany("UPDATE counts SET n = n + ? WHERE name = ?", ((n, name) for name, n in changes))


def _count(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute("SELECT n FROM counts WHERE name = ?", (name,)).fetchone()[0])


def _state(db: sqlite3.Connection) -> tuple[int, int, list[str]]:
    """Items held, marks, and the items whose marks are too old to come from a writer that is at work."""
    marked = db.execute("SELECT count(*) FROM marks").fetchone()[0]
    before = time.time() - MARKED_S
    old = [row[0] for row in db.execute("SELECT id FROM marks WHERE since < ?", (before,))] if marked else []
    return _count(db, "items"), marked, old


def _phrase(group: Sequence[str]) -> str:
    return " OR ".join(f'"{word}"' for word in group)


def _holding(db: sqlite3.Connection, group: Sequence[str]) -> int:
    """How many items have any of these words; the largest count of one, for those are forms of one word."""
    sql = f"SELECT max(doc) FROM vocabulary WHERE term IN ({_marks(group)})"
    return int(db.execute(sql, tuple(group)).fetchone()[0] or 0)


def _candidates(db: sqlite3.Connection, groups: list[tuple[int, tuple[str, ...]]]) -> tuple[str, ...]:
    """Items with all the words, then items with each, from the rarest word on."""
    sql = "SELECT id FROM texts JOIN items ON items.row = texts.rowid WHERE texts MATCH ? LIMIT ?"
    ranked = [_phrase(group) for _, group in sorted(groups)]
    queries = [" AND ".join(f"({phrase})" for phrase in ranked)] if len(ranked) > 1 else []
    found: dict[str, None] = {}
    for query in [*queries, *ranked]:
        if len(found) < MOST:
            found |= dict.fromkeys(row[0] for row in db.execute(sql, (query, EACH)))
    return tuple(islice(found, MOST))


def _coded(db: sqlite3.Connection, codes: Sequence[str]) -> tuple[str, ...]:
    """Items of the first code that is one."""
    sql = "SELECT id FROM codes JOIN items USING (row) WHERE code = ? LIMIT ?"
    for code in codes:
        ids = [row[0] for row in db.execute(sql, (code, CODED + 1))]
        if 0 < len(ids) <= CODED:
            return tuple(ids)
    return ()


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
