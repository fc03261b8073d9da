"""What a shopkeeper wants shown first, last, at a place or not at all, for some questions and for some time."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, Literal, get_args

from bouba.apps.shop.schema import Connections
from bouba.apps.shop.text import fold, words
from bouba.errors import QueryError

Kind = Literal["boost", "bury", "pin", "hide"]
MOST_FACTOR, MOST_PLACE, MOST_RULES, MOST_TARGETS = 100.0, 50, 1_000, 100
COUNT_S = 1.0  # uses are written at most this often
TARGET_FIELDS = ("category", "brand", "colour", "gender")


class RuleConflict(QueryError):
    """A rule that says the opposite of one that is there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`pin` puts its products at `place`, 1 being the first, also where the search did not find them; `boost` and
    `bury` multiply and divide a product's 1 / (60 + rank) by `factor`; `hide` leaves it out. What it is about is
    `products` by their keys, or `field` with `value`. It applies where a question has all of `words` and asks for
    `category`; without both, always. `starts` and `ends` are ISO dates, both included."""

    kind: Kind
    products: tuple[str, ...] = ()
    field: str = ""
    value: str = ""
    words: str = ""
    category: str = ""
    factor: float = 2.0
    place: int = 1
    starts: str = ""
    ends: str = ""
    note: str = ""
    id: int = 0

    def __post_init__(self) -> None:
        """Raises QueryError."""
        if self.kind not in get_args(Kind):
            raise QueryError(f"{self.kind!r:.40} is no rule; there are: {', '.join(get_args(Kind))}.")
        if bool(self.products) == bool(self.field) or bool(self.field) != bool(self.value):
            raise QueryError("A rule is about products, or about a field with a value: give one of the two.")
        self._check_target()
        if not 1 < self.factor <= MOST_FACTOR:
            raise QueryError(f"factor is {self.factor:g}; it must lie above 1 and be at most {MOST_FACTOR:g}.")
        if not 1 <= self.place <= MOST_PLACE:
            raise QueryError(f"place is {self.place}; pins go to places 1 to {MOST_PLACE}.")
        if self.words and not words(self.words):
            raise QueryError(f"There is no word in {self.words!r:.60} that a question could have.")
        for day in (self.starts, self.ends):
            _checked_day(day)
        if self.starts and self.ends and self.starts > self.ends:
            raise QueryError(f"The rule would end on {self.ends}, before it starts on {self.starts}.")

    def _check_target(self) -> None:
        if self.field and self.field not in TARGET_FIELDS:
            raise QueryError(f"{self.field!r:.60} cannot be ruled by; there are: {', '.join(TARGET_FIELDS)}.")
        if self.kind == "pin" and not self.products:
            raise QueryError("Only products can be pinned, not all that have a value.")
        if len(self.products) > MOST_TARGETS:
            raise QueryError(f"{len(self.products)} products; a rule is about at most {MOST_TARGETS}.")

    def runs(self, day: str) -> bool:
        return (not self.starts or self.starts <= day) and (not self.ends or day <= self.ends)

    def applies(self, said: set[str], categories: set[str]) -> bool:
        """To a question with these words (`text.words`) and these folded categories."""
        return set(words(self.words)) <= said and (not self.category or fold(self.category) in categories)

    def about(self, key: str, values: Iterable[tuple[str, str]]) -> bool:
        """Whether a product with these facets, folded, is meant."""
        return key in self.products or (bool(self.field) and (self.field, fold(self.value)) in values)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "products": list(self.products)}

    def told(self) -> str:
        """In one line."""
        what = ", ".join(self.products) or f"{self.field} {self.value}"
        how = {"pin": f" at place {self.place}", "hide": ""}.get(self.kind, f" by {self.factor:g}")
        when = " and ".join(
            [f"“{self.words}”"] * bool(self.words) + [f"category {self.category}"] * bool(self.category)
        )
        days = f", from {self.starts}" * bool(self.starts) + f", until {self.ends}" * bool(self.ends)
        return f"{self.kind} {what}{how} for {when or 'every question'}{days}"


class Rules:
    """Those of a shop, with a log of every change and a count of every use."""

    def __init__(self, db: Connections) -> None:
        self._db = db
        self._used: Counter[int] = Counter()
        self._written = time.monotonic()
        self._lock = threading.Lock()

    def all(self) -> list[Rule]:
        with self._db.reading() as db:
            return [_read(id, record) for id, record in db.execute("SELECT id, record FROM rule ORDER BY id")]

    def add(self, rule: Rule, who: str = "") -> Rule:
        """With its id. Raises RuleConflict where a rule says the opposite for some of the same questions."""
        with self._db.writing() as db:
            rows = db.execute("SELECT id, record FROM rule").fetchall()
            if len(rows) >= MOST_RULES:
                raise QueryError(f"There are {len(rows):,} rules, which is the limit. Remove some.")
            for other in (_read(*row) for row in rows):
                if reason := conflict(rule, other):
                    raise RuleConflict(f"Not added: {reason} Rule {other.id} says: {other.told()}. Remove it first.")
            made = db.execute("INSERT INTO rule (record) VALUES ('')").lastrowid
            kept = replace(rule, id=int(made or 0))
            record = json.dumps(kept.to_dict(), ensure_ascii=False)
            db.execute("UPDATE rule SET record = ? WHERE id = ?", [record, kept.id])
            db.execute("INSERT INTO rule_log (time, action, rule, who, record) VALUES (?, 'add', ?, ?, ?)",
                       [_now(), kept.id, who, record])  # fmt: skip
        return kept

    def remove(self, id: int, who: str = "") -> Rule:
        """Raises QueryError where there is none."""
        with self._db.writing() as db:
            found = db.execute("SELECT record FROM rule WHERE id = ?", [id]).fetchone()
            if found is None:
                raise QueryError(f"There is no rule {id}: `bouba shop rules list` shows those that there are.")
            db.execute("DELETE FROM rule WHERE id = ?", [id])
            db.execute("INSERT INTO rule_log (time, action, rule, who, record) VALUES (?, 'remove', ?, ?, ?)",
                       [_now(), id, who, found[0]])  # fmt: skip
        return _read(id, found[0])

    def log(self, most: int = 100) -> list[dict[str, Any]]:
        """Changes, the latest first."""
        query = "SELECT time, action, rule, who, record FROM rule_log ORDER BY id DESC LIMIT ?"
        with self._db.reading() as db:
            return [
                {"time": at, "action": action, "rule": rule, "who": who, "told": _read(rule, record).told()}
                for at, action, rule, who, record in db.execute(query, [most])
            ]

    def uses(self) -> dict[int, int]:
        """Rule -> how many answers it changed."""
        self.flush()
        with self._db.reading() as db:
            return dict(db.execute("SELECT rule, sum(count) FROM rule_use GROUP BY rule"))

    def running(self, said: set[str], categories: set[str]) -> list[Rule]:
        """Those that apply to a question today."""
        today = datetime.now(UTC).date().isoformat()
        return [rule for rule in self.all() if rule.runs(today) and rule.applies(said, categories)]

    def count(self, used: Iterable[int]) -> None:
        """Rules that changed an answer. What was counted within the last second is lost if the process is killed."""
        with self._lock:
            self._used.update(used)
            due = bool(self._used) and time.monotonic() - self._written >= COUNT_S
        if due:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            used, self._used, self._written = self._used, Counter(), time.monotonic()
        if used:
            day = datetime.now(UTC).date().isoformat()
            add = "INSERT INTO rule_use VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
            with self._db.writing() as db:
                db.executemany(add, [(rule, day, count) for rule, count in used.items()])


def conflict(rule: Rule, other: Rule) -> str:
    """Why two rules cannot both be followed; empty where they can, or where no question may have both."""
    apart = (rule.ends and other.starts and rule.ends < other.starts) or (
        other.ends and rule.starts and other.ends < rule.starts
    )
    if apart or not _may_meet(rule, other):
        return ""
    both = set(rule.products) & set(other.products) or (rule.field and _target(rule) == _target(other))
    if rule.kind == other.kind == "pin" and rule.place == other.place:
        return f"two rules cannot pin to place {rule.place} for the same questions."
    opposite = {rule.kind, other.kind} in ({"boost", "bury"}, {"pin", "hide"}, {"boost", "hide"}, {"pin", "bury"})
    if both and opposite:
        named = ", ".join(sorted(both)) if isinstance(both, set) else f"{rule.field} {rule.value}"
        return f"{named} cannot be both under {rule.kind} and under {other.kind} for the same questions."
    return ""


def _may_meet(rule: Rule, other: Rule) -> bool:
    """Whether one's condition holds wherever the other's does: other overlaps are settled by precedence, as nobody can
    list them."""
    mine, theirs = set(words(rule.words)), set(words(other.words))
    categories = {fold(one.category) for one in (rule, other) if one.category}
    return (mine <= theirs or theirs <= mine) and len(categories) < 2


def _target(rule: Rule) -> tuple[str, str]:
    return rule.field, fold(rule.value)


def rule_of(record: dict[str, Any]) -> Rule:
    """From JSON. Raises QueryError for keys that are not known."""
    known = {one.name for one in fields(Rule)} - {"id"}
    if unknown := sorted(set(record) - known):
        raise QueryError(f"{unknown[0]!r:.60} is nothing that a rule has; there are: {', '.join(sorted(known))}.")
    return Rule(**{**record, "products": tuple(record.get("products", ()))})


def _read(id: int, record: str) -> Rule:
    values = json.loads(record)
    return Rule(**{**values, "products": tuple(values["products"]), "id": id})


def _checked_day(day: str) -> None:
    try:
        if day:
            date.fromisoformat(day)
    except ValueError:
        raise QueryError(f"{day!r:.40} is no date such as 2026-11-27.") from None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def ranked(order: Sequence[int], about: dict[int, list[Rule]]) -> list[int]:
    """Products in their order of relevance -> the same, boosted and buried: by 1 / (60 + rank) times the factors, the
    form of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009). A factor of 2 takes the 62nd to the
    first place."""
    scores: dict[int, float] = {}
    for rank, product in enumerate(order, 1):
        score = 1 / (60 + rank)
        for rule in about.get(product, ()):
            score *= rule.factor if rule.kind == "boost" else 1 / rule.factor if rule.kind == "bury" else 1.0
        scores[product] = score
    return sorted(order, key=lambda product: -scores[product])
