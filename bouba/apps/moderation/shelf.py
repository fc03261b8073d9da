"""Guidelines that were used on a gallery, with their pictures, what its model made of them, and calibrations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bouba.apps.moderation.kept import Database
from bouba.apps.moderation.policy import Example, Policy, PolicyError
from bouba.apps.moderation.reading import parse_policy

if TYPE_CHECKING:
    from sqlite3 import Connection

    from bouba.types import Vectors


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


class Shelf:
    """Of one gallery."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def keep(self, policy: Policy) -> bool:
        """Makes it the version of its name that is in force; whether another one was before."""
        known = [(one.name, one.digest) for one in policy.examples()] + [
            (case.picture.name, case.picture.digest) for case in policy.cases
        ]
        data = [(one.digest, one.data) for one in (*policy.examples(), *(case.picture for case in policy.cases))]
        if self.version(policy.name) == policy.version and self._source(policy) == policy.source:
            return False

        def work(db: Connection) -> None:
            key, at = (policy.name, policy.version), now()
            db.execute("UPDATE policies SET used = 0 WHERE name = ?", key[:1])
            db.execute("INSERT OR REPLACE INTO policies VALUES (?, ?, ?, ?, 1)", (*key, policy.source, at))
            db.executemany("INSERT OR IGNORE INTO examples VALUES (?, ?)", data)
            db.executemany("INSERT OR REPLACE INTO named VALUES (?, ?, ?)", ((policy.version, *pair) for pair in known))

        self._db.do(work)
        return True

    def names(self) -> list[str]:
        sql = "SELECT name FROM policies WHERE used = 1 ORDER BY name"
        return self._db.do(lambda db: [row[0] for row in db.execute(sql)])

    def version(self, name: str) -> str | None:
        """The one in force."""
        sql = "SELECT version FROM policies WHERE name = ? AND used = 1"
        row = self._db.do(lambda db: db.execute(sql, (name,)).fetchone())
        return row[0] if row else None

    def policy(self, name: str) -> Policy:
        """The version in force. Raises PolicyError for a name that is none."""
        sql = "SELECT source, version FROM policies WHERE name = ? AND used = 1"
        row = self._db.do(lambda db: db.execute(sql, (name,)).fetchone())
        if row is None:
            there = ", ".join(self.names()) or "none; use one: bouba moderate POLICY --gallery PLACE"
            raise PolicyError(f"No policy called {name!r:.80} was used on this gallery; there are: {there}.")
        return parse_policy(row[0], name, lambda picture: self._example(row[1], picture))

    def vectors(self, policy: Policy, model: str, encode: Callable[[bytes], Vectors]) -> dict[str, Vectors]:
        """Of the guideline's pictures [dim], by their digests; each is encoded once for each model."""
        sql, found = "SELECT vector FROM vectors WHERE digest = ? AND model = ?", {}
        for example in policy.examples():
            key = (example.digest, model)
            row = self._db.do(lambda db, key=key: db.execute(sql, key).fetchone())  # type: ignore[misc]
            vector = np.frombuffer(row[0], "<f4").astype(np.float32) if row else encode(example.data)
            if not row:
                self._keep_vector(key, vector)
            found[example.digest] = vector
        return found

    def gauges(self, version: str, model: str) -> str | None:
        sql = "SELECT record FROM gauges WHERE version = ? AND model = ?"
        row = self._db.do(lambda db: db.execute(sql, (version, model)).fetchone())
        return row[0] if row else None

    def keep_gauges(self, version: str, model: str, record: str) -> None:
        sql = "INSERT OR REPLACE INTO gauges VALUES (?, ?, ?)"
        self._db.do(lambda db: db.execute(sql, (version, model, record)))

    def calibrations(self, version: str, model: str) -> dict[str, str]:
        """By rule."""
        sql = "SELECT rule, record FROM calibrations WHERE version = ? AND model = ? ORDER BY rule"
        return self._db.do(lambda db: dict(db.execute(sql, (version, model)).fetchall()))

    def calibrated_with(self, version: str, model: str) -> dict[str, int]:
        """By rule: how many labels there were."""
        sql = "SELECT rule, labels FROM calibrations WHERE version = ? AND model = ?"
        return self._db.do(lambda db: dict(db.execute(sql, (version, model)).fetchall()))

    def keep_calibrations(
        self, policy: Policy, model: str, gauges: str, records: Mapping[str, tuple[str, int]]
    ) -> None:
        """In place of those that there were; reviews of earlier say nothing of them."""

        def work(db: Connection) -> None:
            db.execute("INSERT OR REPLACE INTO gauges VALUES (?, ?, ?)", (policy.version, model, gauges))
            db.executemany(
                "INSERT OR REPLACE INTO calibrations VALUES (?, ?, ?, ?, ?, ?)",
                ((policy.version, rule, model, record, now(), count) for rule, (record, count) in records.items()),
            )
            db.execute("UPDATE reviews SET settled = 1 WHERE policy = ?", (policy.name,))

        self._db.do(work)

    def _keep_vector(self, key: tuple[str, str], vector: Vectors) -> None:
        data = vector.astype("<f4").tobytes()
        self._db.do(lambda db: db.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", (*key, data)))

    def _source(self, policy: Policy) -> str | None:
        sql = "SELECT source FROM policies WHERE name = ? AND version = ?"
        row = self._db.do(lambda db: db.execute(sql, (policy.name, policy.version)).fetchone())
        return row[0] if row else None

    def _example(self, version: str, name: str) -> Example:
        sql = "SELECT data FROM named JOIN examples USING (digest) WHERE version = ? AND name = ?"
        row = self._db.do(lambda db: db.execute(sql, (version, name)).fetchone())
        if row is None:
            raise PolicyError(f"{name!r:.80}: this picture of the policy was not kept. Use its file again.")
        return Example(name, row[0])


def names_in(path: Path) -> list[str]:
    """The guidelines in force, from what is kept at a path."""
    database = Database(path)
    try:
        return Shelf(database).names()
    finally:
        database.close()


def state_of(policy: Policy, model: str, gauges: str, calibrations: Iterable[tuple[str, str]]) -> str:
    """32 hex digits of a hash over all that decides."""
    told = repr((policy.version, model, gauges, list(calibrations)))
    return hashlib.sha256(told.encode()).hexdigest()[:32]
