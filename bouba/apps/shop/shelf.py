"""All that a shop keeps beside its gallery: products, variants, which picture shows which product."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bouba.apps.shop.filters import Filter, together
from bouba.apps.shop.product import Product
from bouba.apps.shop.schema import Connections
from bouba.apps.shop.text import as_code, fold

CHUNK = 500  # bound variables of one statement
ORDERS = {
    "price": "min(v.price) IS NULL, min(v.price), p.id",
    "-price": "max(v.price) DESC, p.id",
    "new": "p.added DESC, p.id",
    "": "p.added DESC, p.id",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A product on the shelf."""

    id: int
    product: Product
    added: str  # ISO date
    items: Mapping[str, str]  # source of a picture -> item of the gallery, in the order of the pictures

    @property
    def first_item(self) -> str | None:
        return next(iter(self.items.values()), None)


class Shelf:
    """May be used by many threads and several processes."""

    def __init__(self, path: Path) -> None:
        self.db = Connections(path)

    def close(self) -> None:
        self.db.close()

    # --- what is known

    def edition(self) -> int:
        """Another number after every change of products."""
        with self.db.reading() as db:
            return int(_fact(db, "edition"))

    def currency(self) -> str:
        with self.db.reading() as db:
            return _fact(db, "currency")

    def counts(self) -> dict[str, int]:
        with self.db.reading() as db:
            tables = ("product", "variant", "picture")
            return {name: int(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in tables}

    def fits(self, filters: Iterable[Filter], products: Sequence[int] | None = None) -> dict[int, list[str]]:
        """Product -> keys of its variants that fit all the filters, in their order; of some products, or of all."""
        sql, values = together(filters)
        found: dict[int, list[str]] = defaultdict(list)
        with self.db.reading() as db:
            for chunk in [None] if products is None else _chunks(products):
                among = "" if chunk is None else f" AND p.id IN ({_marks(chunk)})"
                query = f"SELECT p.id, v.key FROM product p JOIN variant v ON v.product = p.id WHERE {sql}{among}"
                for product, key in db.execute(f"{query} ORDER BY p.id, v.place", [*values, *(chunk or ())]):
                    found[product].append(key)
        return dict(found)

    def count(self, filters: Iterable[Filter]) -> int:
        """Products of which a variant fits."""
        sql, values = together(filters)
        query = f"SELECT count(DISTINCT p.id) FROM product p JOIN variant v ON v.product = p.id WHERE {sql}"
        with self.db.reading() as db:
            return int(db.execute(query, values).fetchone()[0])

    def ordered(self, filters: Iterable[Filter], order: str, most: int) -> list[int]:
        """Products that fit, by price, or the newest first."""
        sql, values = together(filters)
        query = f"SELECT p.id FROM product p JOIN variant v ON v.product = p.id WHERE {sql} GROUP BY p.id"
        with self.db.reading() as db:
            found = db.execute(f"{query} ORDER BY {ORDERS[order]} LIMIT ?", [*values, most])
            return [int(row[0]) for row in found]

    def facet(self, field: str, filters: Iterable[Filter], most: int) -> list[tuple[str, int]]:
        """(value, products) of a field, the commonest first."""
        sql, values = together(filters)
        query = (
            "SELECT g.label, count(DISTINCT p.id) n FROM facet g JOIN variant v ON v.id = g.variant "
            f"JOIN product p ON p.id = v.product WHERE g.field = ? AND {sql} GROUP BY g.value ORDER BY n DESC, g.value"
        )
        with self.db.reading() as db:
            return [(str(label), int(n)) for label, n in db.execute(f"{query} LIMIT ?", [field, *values, most])]

    def price_range(self, filters: Iterable[Filter]) -> tuple[float, float] | None:
        sql, values = together(filters)
        query = f"SELECT min(v.price), max(v.price) FROM product p JOIN variant v ON v.product = p.id WHERE {sql}"
        with self.db.reading() as db:
            low, high = db.execute(query, values).fetchone()
        return None if low is None else (float(low), float(high))

    def vocabulary(self) -> list[tuple[str, str, str, int]]:
        """(field, folded value, value, variants) of all that can be filtered by."""
        with self.db.reading() as db:
            return db.execute("SELECT field, value, label, count(*) FROM facet GROUP BY field, value").fetchall()

    def titles(self, most: int) -> list[tuple[int, str]]:
        """Some products' titles, spread over the catalogue."""
        with self.db.reading() as db:
            (count,) = db.execute("SELECT count(*) FROM product").fetchone()
            step = max(1, -(-count // most))
            return db.execute("SELECT id, title FROM product WHERE id % ? = 0", [step]).fetchall()

    def holding(self, field: str, value: str) -> set[int]:
        """Products with a value."""
        join = "facet f JOIN variant v ON v.id = f.variant"
        query = f"SELECT DISTINCT v.product FROM {join} WHERE f.field = ? AND f.value = ?"
        with self.db.reading() as db:
            return {int(row[0]) for row in db.execute(query, [field, value])}

    def coded(self, codes: Sequence[str]) -> list[tuple[int, str]]:
        """(product, key of the variant) that one of these codes names; the earlier codes first."""
        found: dict[tuple[int, str], None] = {}
        with self.db.reading() as db:
            for code in codes[:CHUNK]:
                query = (
                    "SELECT v.product, v.key FROM code c JOIN variant v ON v.id = c.variant WHERE c.code = ? LIMIT 50"
                )
                found |= {(int(product), str(key)): None for product, key in db.execute(query, [code])}
        return list(found)

    def products_of(self, items: Sequence[str]) -> dict[str, list[tuple[int, str]]]:
        """Item -> (product, source of the picture) that it shows."""
        found: dict[str, list[tuple[int, str]]] = defaultdict(list)
        with self.db.reading() as db:
            for chunk in _chunks(items):
                query = "SELECT s.item, t.product, s.name FROM source s JOIN picture t ON t.source = s.name"
                for item, product, source in db.execute(
                    f"{query} WHERE s.item IN ({_marks(chunk)}) ORDER BY t.product", chunk
                ):
                    found[item].append((product, source))
        return dict(found)

    def kept(self, ids: Sequence[int]) -> dict[int, Kept]:
        """Products by their ids."""
        with self.db.reading() as db:
            found = [row for chunk in _chunks(ids) for row in _records(db, "p.id", chunk)]
            pictures = _pictures(db, [row[0] for row in found])
        return {
            one: Kept(one, Product.of_dict(json.loads(record)), added, pictures[one]) for one, _, record, added in found
        }

    def ids(self, keys: Sequence[str]) -> dict[str, int]:
        """Keys of products -> ids, those that there are."""
        with self.db.reading() as db:
            return {row[1]: row[0] for chunk in _chunks(keys) for row in _records(db, "p.key", chunk)}

    def without_pictures(self) -> list[tuple[int, str, str]]:
        """(product, title, brand) of those that no item of the gallery shows."""
        query = (
            "SELECT p.id, p.title, p.record ->> '$.brand' FROM product p WHERE NOT EXISTS (SELECT 1 FROM picture t "
            "JOIN source s ON s.name = t.source WHERE t.product = p.id AND s.item IS NOT NULL)"
        )
        with self.db.reading() as db:
            return db.execute(query).fetchall()

    # --- changes

    def digests(self) -> dict[str, bytes]:
        """Key of every product -> digest of what the feed said."""
        with self.db.reading() as db:
            return dict(db.execute("SELECT key, digest FROM product"))

    def variant_owners(self) -> dict[str, int]:
        """Key of every variant, and every code that only one variant has -> its product."""
        with self.db.reading() as db:
            join = "code c JOIN variant v ON v.id = c.variant"
            coded = f"SELECT c.code, v.product FROM {join} GROUP BY c.code HAVING count(*) = 1"
            codes = {f"code:{code}": product for code, product in db.execute(coded)}
            return {**codes, **dict(db.execute("SELECT key, product FROM variant"))}

    def put(self, products: Sequence[Product]) -> None:
        """Products as they are now, all of them or none."""
        today = datetime.now(UTC).date().isoformat()
        with self.db.writing() as db:
            for product in products:
                _put(db, product, today)
            changed(db)

    def remove(self, keys: Iterable[str]) -> int:
        with self.db.writing() as db:
            removed = sum(db.execute("DELETE FROM product WHERE key = ?", [key]).rowcount for key in keys)
            changed(db)
        return removed

    def set_currency(self, currency: str) -> None:
        with self.db.writing() as db:
            db.execute("UPDATE fact SET value = ? WHERE name = 'currency'", [currency])


def _put(db: sqlite3.Connection, product: Product, today: str) -> None:
    record = json.dumps(asdict(product), ensure_ascii=False)
    found = db.execute("SELECT id, added FROM product WHERE key = ?", [product.key]).fetchone()
    if found:
        one, added = found
        update = "UPDATE product SET title = ?, record = ?, digest = ?, added = ? WHERE id = ?"
        db.execute(update, [product.title, record, product.digest, product.added or added, one])
        db.execute("DELETE FROM variant WHERE product = ?", [one])
        db.execute("DELETE FROM picture WHERE product = ?", [one])
    else:
        insert = "INSERT INTO product (key, title, record, digest, added) VALUES (?, ?, ?, ?, ?)"
        one = db.execute(insert, [product.key, product.title, record, product.digest, product.added or today]).lastrowid
    for place, source in enumerate(product.pictures):
        db.execute("INSERT INTO picture VALUES (?, ?, ?)", [one, source, place])
    _put_variants(db, product, one)


def _put_variants(db: sqlite3.Connection, product: Product, one: int | None) -> None:
    for place, variant in enumerate(product.variants):
        insert = "INSERT INTO variant (product, key, place, price, was, available) VALUES (?, ?, ?, ?, ?, ?)"
        row = [one, variant.key, place, variant.price, variant.was, variant.available]
        db.execute("DELETE FROM variant WHERE key = ?", [variant.key])  # it was another product's
        made = db.execute(insert, row).lastrowid
        for field, value in product.facet_values(variant):
            known = "SELECT label FROM facet WHERE field = ?1 AND value = ?2 LIMIT 1"
            add = f"INSERT OR IGNORE INTO facet VALUES (?3, ?1, ?2, coalesce(({known}), ?4))"
            db.execute(add, [field, fold(value), made, " ".join(value.split())])
        codes = {as_code(code) for code in (*variant.codes, variant.key, product.key)} - {""}
        db.executemany("INSERT INTO code VALUES (?, ?)", [(code, made) for code in codes])


def _records(db: sqlite3.Connection, by: str, values: Sequence[Any]) -> list[tuple[int, str, str, str]]:
    query = f"SELECT p.id, p.key, p.record, p.added FROM product p WHERE {by} IN ({_marks(values)})"
    return db.execute(query, values).fetchall()


def _pictures(db: sqlite3.Connection, ids: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {one: {} for one in ids}
    for chunk in _chunks(ids):
        query = "SELECT t.product, s.name, s.item FROM picture t JOIN source s ON s.name = t.source"
        for product, source, item in db.execute(
            f"{query} WHERE s.item IS NOT NULL AND t.product IN ({_marks(chunk)}) ORDER BY t.place", chunk
        ):
            found[product][source] = item
    return found


def changed(db: sqlite3.Connection) -> None:
    """What was kept in memory of the shelf is no longer so."""
    db.execute("UPDATE fact SET value = CAST(value AS INTEGER) + 1 WHERE name = 'edition'")


def _fact(db: sqlite3.Connection, name: str) -> str:
    return str(db.execute("SELECT value FROM fact WHERE name = ?", [name]).fetchone()[0])


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
