"""Evidence -> decisions: what the machine says of a picture, and what a person said instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps.moderation.calibration import Calibrated, decide
from bouba.apps.moderation.policy import SEVERITIES, Action, Policy, Rule, Severity
from bouba.apps.moderation.records import Flag
from bouba.apps.moderation.scoring import Gauges
from bouba.ranking.calibration import sigmoid

if TYPE_CHECKING:
    import numpy.typing as npt

    from bouba.types import Vectors

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int8]

DECISIONS: Mapping[int, Action] = {-1: "allow", 0: "allow", 1: "review", 2: "block"}
MOST_SHOWN = 3  # texts of a rule


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a picture breaks."""

    rule: str
    severity: Severity
    action: Action  # what the rule asks for
    code: int  # what comes of it: -1 it is noted, 1 a person looks, 2 it is blocked
    probability: float
    matched: tuple[tuple[str, float], ...] = ()  # its texts that fit best, with how likely the picture shows each
    by_person: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "rule": self.rule, "severity": self.severity, "decision": DECISIONS[self.code],
            "probability": round(self.probability, 4), "by_person": self.by_person,
            "matched": [{"text": text, "probability": round(chance, 4)} for text, chance in self.matched],
        }  # fmt: skip

    @property
    def rank(self) -> int:
        """In the queue, above all by severity, then by what the rule asks for."""
        return 10 * SEVERITIES.index(self.severity) + self.code


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one picture."""

    picture: str  # the first 32 hex digits of the SHA-256 of its bytes: an item's id
    policy: str
    version: str
    model: str  # its fingerprint
    state: str  # a hash over all that decides, thresholds too
    findings: tuple[Finding, ...]  # the most severe first
    probabilities: Mapping[str, float]  # of every rule
    calibrated: bool  # whether labels of this gallery made all the probabilities

    @property
    def code(self) -> int:
        return max((one.code for one in self.findings), default=0)

    @property
    def decision(self) -> Action:
        return DECISIONS[self.code]

    def flags(self) -> list[Flag]:
        return [Flag(self.picture, one.rule, one.code, one.probability, one.rank) for one in self.findings]

    def event(self) -> dict[str, Any]:
        """For the audit log."""
        return {
            "action": "decision", "policy": self.policy, "version": self.version, "model": self.model,
            "state": self.state, "picture": self.picture, "decision": self.decision,
            "broken": {one.rule: round(one.probability, 4) for one in self.findings},
            "by": "person" if any(one.by_person for one in self.findings) else "machine",
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        return {
            "picture": self.picture, "decision": self.decision, "policy": self.policy, "version": self.version,
            "model": self.model, "calibrated": self.calibrated,
            "findings": [one.to_dict() for one in self.findings],
            "probabilities": {name: round(value, 4) for name, value in self.probabilities.items()},
        }  # fmt: skip


@dataclass(frozen=True)
class Judging:
    """All that decides, at one moment."""

    policy: Policy
    gauges: Gauges
    calibrations: Mapping[str, Calibrated]
    state: str
    kept: Mapping[str, str]  # calibrations as they are kept

    @cached_property
    def calibrated(self) -> bool:
        return all(one.fitted for one in self.calibrations.values())

    def of_evidence(self, evidence: Floats) -> tuple[Codes, Floats]:
        """Codes and probabilities [n, rules] for evidence [n, rules]."""
        codes = np.empty(evidence.shape, np.int8)
        chances = np.empty(evidence.shape)
        for at, rule in enumerate(self.policy.rules):
            known = self.calibrations[rule.name]
            codes[:, at] = decide(rule, known, evidence[:, at])
            chances[:, at] = known.probabilities(evidence[:, at])
        return codes, chances

    def judge(self, picture: str, vector: Vectors, said: Mapping[str, bool]) -> Judgement:
        """A picture by its vector [dim]; what people `said` of rules stands above what the machine finds."""
        codes, chances = self.of_evidence(self.gauges.evidence(vector[None]))
        findings = self.findings(codes[0], chances[0], said, self._matched(vector))
        probabilities = dict(zip((rule.name for rule in self.policy.rules), chances[0].tolist(), strict=True))
        return Judgement(
            picture, self.policy.name, self.policy.version, self.gauges.model.fingerprint, self.state, findings,
            probabilities, self.calibrated,
        )  # fmt: skip

    def findings(
        self,
        codes: Codes,
        chances: Floats,
        said: Mapping[str, bool],
        matched: Mapping[str, tuple[tuple[str, float], ...]] | None = None,
    ) -> tuple[Finding, ...]:
        """From codes and probabilities [rules] of one picture."""
        found = []
        for rule, code, chance in zip(self.policy.rules, codes.tolist(), chances.tolist(), strict=True):
            word = said.get(rule.name)
            code = code if word is None else _by_person(rule) if word else 0
            if code:
                shown = (matched or {}).get(rule.name, ())
                found.append(
                    Finding(rule.name, rule.severity, rule.action, code, chance, shown, by_person=word is not None)
                )
        return tuple(sorted(found, key=lambda one: (-one.rank, -one.probability)))

    def _matched(self, vector: Vectors) -> dict[str, tuple[tuple[str, float], ...]]:
        """By rule: the texts that fit best."""
        found: dict[str, list[tuple[str, float]]] = {}
        scores = self.gauges.scores(vector[None])[0]
        for (gauge, group, text), score in zip(self.gauges.texts, scores, strict=True):
            if group is gauge.shows:
                chance = float(sigmoid(np.array([group.slope * score + group.offset]))[0])
                found.setdefault(gauge.rule.name, []).append((text, chance))
        return {name: tuple(sorted(all_, key=lambda one: -one[1])[:MOST_SHOWN]) for name, all_ in found.items()}


def _by_person(rule: Rule) -> int:
    """What comes of a rule that a person found broken."""
    return -1 if rule.action == "allow" else 2
