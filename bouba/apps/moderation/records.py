"""What people and the machine said of pictures: labels, decisions, the queue of those to be looked at, reviews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bouba.apps.moderation.audit import Head
from bouba.apps.moderation.kept import Database
from bouba.apps.moderation.shelf import now

if TYPE_CHECKING:
    from sqlite3 import Connection

# "random": the picture is of a random sample; "review": a decision was looked at; "given": somebody named it, to show
# what is meant.
Source = Literal["random", "review", "given"]
CHUNK = 500  # below SQLite's limit of bound variables in every build


@dataclass(frozen=True, slots=True)
class Label:
    rule: str
    item: str
    breaks: bool
    source: Source


@dataclass(frozen=True, slots=True)
class Flag:
    """A rule that a picture breaks, as far as the machine can say."""

    item: str
    rule: str
    decision: int  # as of `calibration.decide`
    probability: float
    rank: int = 0  # of the queue: the higher the sooner


@dataclass(frozen=True, slots=True)
class Decided:
    """By a scan, in one commit."""

    state: int  # the number of all that decided
    began: str  # when the scan did
    decisions: Sequence[tuple[str, int]]  # by item
    flags: Sequence[Flag]  # all of these items


class Records:
    """Of one gallery."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def label(self, policy: str, labels: Iterable[Label]) -> None:
        """A later label of a picture takes the place of the earlier one, but what it was drawn for stays. The next scan
        judges it again."""
        rows = [(policy, one.rule, one.item, one.breaks, one.source, now()) for one in labels]
        sql = """INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (policy, rule, item) DO UPDATE SET
            breaks = excluded.breaks, at = excluded.at,
            source = CASE WHEN labels.source = 'random' THEN 'random' ELSE excluded.source END"""

        def work(db: Connection) -> None:
            db.executemany(sql, rows)
            again = "UPDATE decisions SET state = -1 WHERE policy = ? AND item = ?"
            db.executemany(again, ((row[0], row[2]) for row in rows))

        self._db.do(work)

    def labels(self, policy: str, rule: str | None = None) -> list[Label]:
        sql = "SELECT rule, item, breaks, source FROM labels WHERE policy = ?1 AND (?2 IS NULL OR rule = ?2)"
        rows = self._db.do(lambda db: db.execute(sql, (policy, rule)).fetchall())
        return [Label(rule, item, bool(breaks), source) for rule, item, breaks, source in rows]

    def said(self, policy: str, item: str | None = None) -> dict[str, dict[str, bool]]:
        """What people said of one item, or of all, by item and rule."""
        sql = "SELECT item, rule, breaks FROM labels WHERE policy = ?1 AND (?2 IS NULL OR item = ?2)"
        found: dict[str, dict[str, bool]] = {}
        for one, rule, breaks in self._db.do(lambda db: db.execute(sql, (policy, item)).fetchall()):
            found.setdefault(one, {})[rule] = bool(breaks)
        return found

    def unlabelled(self, policy: str, rule: str, count: int) -> list[str]:
        """The next pictures of a random sample, in an order that says nothing of what they show: ids are hashes."""
        sql = """SELECT item FROM decisions WHERE policy = ?1 AND item NOT IN
            (SELECT item FROM labels WHERE policy = ?1 AND rule = ?2) ORDER BY substr(item, 17) LIMIT ?3"""
        return self._db.do(lambda db: [row[0] for row in db.execute(sql, (policy, rule, count))])

    def state(self, policy: str, state: str) -> int:
        """Its number."""

        def work(db: Connection) -> int:
            db.execute("INSERT OR IGNORE INTO states (policy, state) VALUES (?, ?)", (policy, state))
            sql = "SELECT id FROM states WHERE policy = ? AND state = ?"
            return int(db.execute(sql, (policy, state)).fetchone()[0])

        return self._db.do(work)

    def decisions(self, policy: str) -> dict[str, tuple[int, int]]:
        """By item: the decision, and the number of the state that made it."""
        sql = "SELECT item, decision, state FROM decisions WHERE policy = ?"
        return self._db.do(lambda db: {item: (decision, state) for item, decision, state in db.execute(sql, (policy,))})

    def flags(self, policy: str, items: Sequence[str]) -> dict[str, list[Flag]]:
        """By item, in the queue's order."""
        found: dict[str, list[Flag]] = {}
        for start in range(0, len(items), CHUNK):
            chunk = list(items[start : start + CHUNK])
            sql = f"""SELECT item, rule, decision, probability, rank FROM flags WHERE policy = ?
                AND item IN ({",".join("?" * len(chunk))}) ORDER BY rank DESC, probability DESC"""
            for row in self._db.do(lambda db, sql=sql, chunk=chunk: db.execute(sql, (policy, *chunk)).fetchall()):  # type: ignore[misc]
                found.setdefault(row[0], []).append(Flag(*row))
        return found

    def keep(self, policy: str, made: Decided, head: Head | None) -> None:
        """Decisions in place of earlier ones for the same items. What people have said a word of since the scan began
        is left as they made it."""

        def work(db: Connection) -> None:
            sql = "SELECT item FROM labels WHERE policy = ? AND at >= ?"
            newer = {row[0] for row in db.execute(sql, (policy, made.began))}
            kept = [pair for pair in made.decisions if pair[0] not in newer]
            sql = "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?)"
            db.executemany(sql, ((policy, item, decision, made.state) for item, decision in kept))
            had = {row[0] for row in db.execute("SELECT DISTINCT item FROM flags WHERE policy = ?", (policy,))}
            gone = [(policy, item) for item, _ in kept if item in had]
            db.executemany("DELETE FROM flags WHERE policy = ? AND item = ?", gone)
            db.executemany(
                "INSERT OR REPLACE INTO flags VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (policy, one.item, one.rule, one.decision, one.probability, one.rank)
                    for one in made.flags
                    if one.item not in newer
                ),
            )
            _keep_head(db, head)

        self._db.do(work)

    def forget(self, policy: str, items: Sequence[str]) -> None:
        """Items that are no longer in the gallery. What people said of them stays."""

        def work(db: Connection) -> None:
            for table in ("decisions", "flags"):
                db.executemany(f"DELETE FROM {table} WHERE policy = ? AND item = ?", ((policy, one) for one in items))

        self._db.do(work)

    def waiting(self, policy: str, rule: str | None, limit: int, offset: int) -> tuple[list[Flag], int]:
        """Flags that nobody has looked at, the most severe and likeliest first, and the number of all."""
        where = """FROM flags WHERE policy = ?1 AND decision > 0 AND (?2 IS NULL OR rule = ?2) AND NOT EXISTS
            (SELECT 1 FROM labels WHERE labels.policy = ?1 AND labels.rule = flags.rule AND labels.item = flags.item)"""
        sql = f"""SELECT item, rule, decision, probability, rank {where}
            ORDER BY rank DESC, probability DESC, item LIMIT ?3 OFFSET ?4"""

        def work(db: Connection) -> tuple[list[Flag], int]:
            rows = [Flag(*row) for row in db.execute(sql, (policy, rule, limit, offset))]
            return rows, int(db.execute(f"SELECT count(*) {where}", (policy, rule)).fetchone()[0])

        return self._db.do(work)

    def counts(self, policy: str) -> dict[str, Any]:
        """Decisions by kind, and what waits by rule."""

        def work(db: Connection) -> dict[str, Any]:
            made = dict(db.execute("SELECT decision, count(*) FROM decisions WHERE policy = ? GROUP BY 1", (policy,)))
            sql = """SELECT rule, count(*) FROM flags WHERE policy = ?1 AND decision > 0 AND NOT EXISTS (SELECT 1 FROM
                labels WHERE labels.policy = ?1 AND labels.rule = flags.rule AND labels.item = flags.item) GROUP BY 1"""
            waiting = dict(db.execute(sql, (policy,)).fetchall())
            named = {"allow": made.get(0, 0) + made.get(-1, 0), "review": made.get(1, 0), "block": made.get(2, 0)}
            return {"decisions": named, "waiting": waiting}

        return self._db.do(work)

    def review(
        self, policy: str, label: Label, probability: float, decision: int, flags: Sequence[Flag], head: Head
    ) -> None:
        """What a person said of a flag, with what that makes of the picture, at once."""

        def work(db: Connection) -> None:
            at = now()
            sql = """INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (policy, rule, item) DO UPDATE SET
                breaks = excluded.breaks, at = excluded.at"""
            db.execute(sql, (policy, label.rule, label.item, label.breaks, label.source, at))
            sql = "INSERT INTO reviews (policy, rule, item, probability, overturned, at) VALUES (?, ?, ?, ?, ?, ?)"
            db.execute(sql, (policy, label.rule, label.item, probability, not label.breaks, at))
            db.execute(
                "UPDATE decisions SET decision = ? WHERE policy = ? AND item = ?", (decision, policy, label.item)
            )
            db.execute("DELETE FROM flags WHERE policy = ? AND item = ?", (policy, label.item))
            rows = ((policy, one.item, one.rule, one.decision, one.probability, one.rank) for one in flags)
            db.executemany("INSERT OR REPLACE INTO flags VALUES (?, ?, ?, ?, ?, ?)", rows)
            _keep_head(db, head)

        self._db.do(work)

    def reviews(self, policy: str, rule: str) -> list[tuple[float, bool]]:
        """Since the last calibration, in their order: the probability, and whether it was overturned."""
        sql = "SELECT probability, overturned FROM reviews WHERE policy = ? AND rule = ? AND settled = 0 ORDER BY id"
        rows = self._db.do(lambda db: db.execute(sql, (policy, rule)).fetchall())
        return [(float(probability), bool(overturned)) for probability, overturned in rows]

    def head(self) -> Head | None:
        """Of the audit log, as it was last written."""
        row = self._db.do(lambda db: db.execute("SELECT lines, digest FROM head").fetchone())
        return Head(*row) if row else None

    def keep_head(self, head: Head) -> None:
        self._db.do(lambda db: _keep_head(db, head))


def _keep_head(db: Connection, head: Head | None) -> None:
    """Of two that write, the later line counts."""
    if head is not None:
        sql = """INSERT INTO head VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET lines = excluded.lines,
            digest = excluded.digest WHERE excluded.lines > head.lines"""
        db.execute(sql, (head.lines, head.digest))
