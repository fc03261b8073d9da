"""What is asked of a table's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.stores.zvec.columns import columns, to_item
from bouba.stores.zvec.records import chunks
from bouba.stores.zvec.sql import where_sql

if TYPE_CHECKING:
    from bouba.stores.where.tree import Where
    from bouba.types import AttributeType, Item, Vectors


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as they were read; `item` makes what is asked for."""

    fields: Mapping[str, AttributeType]
    values: Sequence[Sequence[Any]]  # the vector, then the columns of the item, of which the first is its id

    @property
    def ids(self) -> list[str]:
        return [row[1] for row in self.values]

    def item(self, row: int) -> Item:
        return to_item(self.values[row][1:], self.fields)

    def items(self) -> list[Item]:
        return [to_item(row[1:], self.fields) for row in self.values]

    def vectors(self, dim: int) -> Vectors:
        """float32 [rows, dim]."""
        return np.frombuffer(b"".join([row[0] for row in self.values]), np.float32).reshape(-1, dim)


class Reader:
    """One connection, which sees one state of the table, and the attributes that it has in it."""

    def __init__(self, db: sqlite3.Connection, fields: Mapping[str, AttributeType]) -> None:
        self._db, self._fields = db, fields
        listed = ", ".join(f"items.{name}" for name in columns(fields))
        self._select = f"SELECT vector, {listed} FROM items JOIN vectors ON vectors.row = items.row"

    def known(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for some in chunks(dict.fromkeys(ids)):
            sql = f'SELECT "id" FROM items WHERE "id" IN ({", ".join("?" * len(some))})'
            found.update(id for (id,) in self._db.execute(sql, some))
        return found

    def by_id(self, ids: Sequence[str]) -> Rows:
        values: list[Any] = []
        for some in chunks(dict.fromkeys(ids)):
            marks = ", ".join("?" * len(some))
            values += self._db.execute(f'{self._select} WHERE items."id" IN ({marks})', some)
        return Rows(self._fields, values)

    def by_row(self, rows: Sequence[int], where: Where | None) -> Rows:
        """Those of the rows that are there and fit."""
        condition, bound = where_sql(where)
        values: list[Any] = []
        for some in chunks(rows):
            sql = f"{self._select} WHERE items.row IN ({', '.join('?' * len(some))}) AND {condition}"
            values += self._db.execute(sql, [*some, *bound])
        return Rows(self._fields, values)

    def all(self, where: Where | None, batch: int) -> Iterator[Rows]:
        """One state of the table, the newest when this begins."""
        condition, bound = where_sql(where)
        cursor = self._db.execute(f"{self._select} WHERE {condition}", bound)
        while values := cursor.fetchmany(batch):
            yield Rows(self._fields, values)

    def count(self, where: Where) -> int:
        condition, bound = where_sql(where)
        return int(self._db.execute(f"SELECT COUNT(*) FROM items WHERE {condition}", bound).fetchone()[0])

    def after(self, row: int, batch: int) -> Iterator[tuple[list[int], Rows]]:
        """What was written after a row, in the order of its writing."""
        sql = (
            self._select.replace("SELECT ", "SELECT items.row, ", 1) + " WHERE items.row > ? ORDER BY items.row LIMIT ?"
        )
        while found := self._db.execute(sql, (row, batch)).fetchall():
            row = found[-1][0]
            yield [one[0] for one in found], Rows(self._fields, [one[1:] for one in found])

    def dropped(self) -> list[int]:
        return [row for (row,) in self._db.execute("SELECT row FROM dropped")]


class Compared:
    """A table's SQLite file and that of another generation, attached as `other`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def only_here(self) -> list[str]:
        sql = 'SELECT "id" FROM main.items WHERE "id" NOT IN (SELECT "id" FROM other.items)'
        return [id for (id,) in self._db.execute(sql)]

    def only_there(self) -> list[str]:
        """In the order of their writing."""
        sql = 'SELECT "id" FROM other.items WHERE "id" NOT IN (SELECT "id" FROM main.items) ORDER BY row'
        return [id for (id,) in self._db.execute(sql)]
