"""A gallery judged by its stored vectors: no picture is read, none is encoded. After a change of the guideline, its
examples or its thresholds all of it is judged again; otherwise what is new."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps.moderation.records import Decided, Flag
from bouba.apps.moderation.shelf import now
from bouba.apps.moderation.verdict import DECISIONS, Finding, Judging

if TYPE_CHECKING:
    import numpy.typing as npt

    from bouba import Item
    from bouba.apps.moderation.judge import Moderator
    from bouba.types import Vectors

    Flags = npt.NDArray[np.bool_]

COMMITTED = 20_000  # pictures: so much is lost, and done again, where a scan is killed


@dataclass(slots=True)
class Scanned:
    """What a scan did."""

    policy: str
    version: str
    state: str
    items: int = 0  # that the scan was about
    judged: int = 0  # of them; for the others nothing had changed
    decisions: Counter[str] = field(default_factory=Counter)  # of all of them
    broken: Counter[str] = field(default_factory=Counter)  # by rule, of those that were judged
    changed: int = 0  # decisions that are others than before, or new and not to let pass
    removed: int = 0  # that are no longer in the gallery
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "policy": self.policy, "version": self.version, "state": self.state, "items": self.items,
            "judged": self.judged,
            "decisions": {name: self.decisions[name] for name in ("allow", "review", "block")},
            "broken": dict(self.broken), "changed": self.changed, "removed": self.removed,
            "seconds": round(self.seconds, 3),
        }  # fmt: skip


class Scan:
    """One run of it."""

    def __init__(self, moderator: Moderator, progress: Callable[[int, int], None]) -> None:
        self._moderator, self._progress = moderator, progress
        self._name = moderator.policy.name
        self._began = now()
        self._judging: Judging = moderator.judging()
        self._state = moderator.records.state(self._name, self._judging.state)
        self._before = moderator.records.decisions(self._name)
        self._said = moderator.records.said(self._name)
        self._done = Scanned(self._name, moderator.policy.version, self._judging.state)
        self._decided: list[tuple[str, int]] = []
        self._flags: list[Flag] = []
        self._events: list[dict[str, Any]] = []

    def run(self, where: str | None, everything: bool) -> Scanned:
        started = time.perf_counter()
        gallery = self._moderator.gallery
        total, seen, codes = gallery.count(where), set[str](), hashlib.sha256()
        for items, vectors in gallery.batches(where):
            self._batch(items, vectors, everything)
            seen.update(item.id for item in items)
            if len(self._decided) >= COMMITTED:
                self._commit()
            self._progress(len(seen), total)
        self._commit()
        if where is None:
            gone = [item for item in self._before if item not in seen]
            self._moderator.records.forget(self._name, gone)
            self._done.removed = len(gone)
        for item in sorted(seen):
            codes.update(f"{item}:{self._before[item][0]}\n".encode())
        self._finish(seen, codes.hexdigest(), time.perf_counter() - started)
        return self._done

    def _batch(self, items: list[Item], vectors: Vectors, everything: bool) -> None:
        known = [self._before.get(item.id, (0, -1))[1] == self._state for item in items]
        new: Flags = np.array([everything or not one for one in known])
        if not new.any():
            return
        codes, chances = self._judging.of_evidence(self._judging.gauges.evidence(vectors[new]))
        fresh = [item.id for item, wanted in zip(items, new, strict=True) if wanted]
        interesting: Flags = np.asarray(codes.any(axis=1))
        for row, item in enumerate(fresh):
            said = self._said.get(item, {})
            if interesting[row] or said:
                self._decide(item, self._judging.findings(codes[row], chances[row], said))
            else:
                self._decide(item, ())
        self._done.judged += len(fresh)

    def _decide(self, item: str, findings: tuple[Finding, ...]) -> None:
        code = max((one.code for one in findings), default=0)
        before = self._before.get(item, (0, -1))[0]
        if DECISIONS[code] != DECISIONS[before]:
            self._events.append(self._event(item, findings, code))
        for one in findings:
            self._done.broken[one.rule] += 1
            self._flags.append(Flag(item, one.rule, one.code, one.probability, one.rank))
        self._decided.append((item, code))
        self._before[item] = (code, self._state)

    def _event(self, item: str, findings: tuple[Finding, ...], code: int) -> dict[str, Any]:
        by = "person" if any(one.by_person for one in findings) else "machine"
        broken = {one.rule: round(one.probability, 4) for one in findings}
        facts = {"picture": item, "decision": DECISIONS[code], "broken": broken, "by": by}
        return {"action": "decision", **self._versions(), **facts}

    def _commit(self) -> None:
        """The log first: where nothing can be written down, nothing is changed."""
        if self._decided:
            head = self._moderator.audit.append(self._events) if self._events else None
            made = Decided(self._state, self._began, self._decided, self._flags)
            self._moderator.records.keep(self._name, made, head)
            self._done.changed += len(self._events)
        self._decided, self._flags, self._events = [], [], []

    def _finish(self, seen: set[str], digest: str, seconds: float) -> None:
        """One line for the whole scan: the hash is over every item's id and decision, those that pass too."""
        self._done.items, self._done.seconds = len(seen), seconds
        self._done.decisions = Counter(DECISIONS[self._before[item][0]] for item in seen)
        facts = {"items": len(seen), "judged": self._done.judged, "decisions": dict(self._done.decisions)}
        event = {"action": "scan", **self._versions(), **facts, "digest": digest}
        self._moderator.records.keep_head(self._moderator.audit.append([event]))

    def _versions(self) -> Mapping[str, str]:
        model = self._judging.gauges.model.fingerprint
        version = self._judging.policy.version
        return {"policy": self._name, "version": version, "model": model, "state": self._judging.state}
