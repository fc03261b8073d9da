"""Labels -> what a rule's evidence is worth, and from where on a picture is looked at or acted on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bouba.apps.moderation.guarantee import Bound, false_alarm_bound, miss_bound
from bouba.ranking.calibration import fit_logistic, sigmoid

if TYPE_CHECKING:
    from bouba.apps.moderation.policy import Promise, Rule

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

FEWEST = 8  # labels of each kind, from which on they say more about probabilities than the model's calibration
HALF = 0.5  # of a rule's threshold: from there on a person looks, for as long as nothing better is known
RIDGE = 1e-3  # beside a mean loss of one; keeps the slope finite where labels part without error


@dataclass(frozen=True, slots=True)
class Labelled:
    """Evidence [n] of pictures and whether they break the rule [n]; `random`, which of them are of a random sample."""

    evidence: Floats
    breaks: Flags
    random: Flags

    @classmethod
    def none(cls) -> Labelled:
        return cls(np.empty(0), np.empty(0, bool), np.empty(0, bool))


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A rule's decisions, by its evidence: below `review_from` a picture passes, from `act_from` on the rule acts."""

    slope: float
    offset: float
    review_from: float
    act_from: float
    fitted: bool = False  # whether labels made the probabilities
    miss: Bound | None = None
    false_alarm: Bound | None = None
    breaking: int = 0  # labels
    fine: int = 0

    def probabilities(self, evidence: Floats) -> Floats:
        return sigmoid(self.slope * np.asarray(evidence) + self.offset)

    def to_dict(self) -> dict[str, Any]:
        """What people are told."""
        chances = self.probabilities(np.array([self.review_from, self.act_from])).round(4).tolist()
        bounds = {"miss": self.miss, "false_alarm": self.false_alarm}
        return {
            "fitted": self.fitted, "review_from": chances[0], "act_from": chances[1], "breaking": self.breaking,
            "fine": self.fine, **{name: bound and bound.to_dict() for name, bound in bounds.items()},
        }  # fmt: skip

    def to_json(self) -> str:
        """All of it, exactly."""
        record = {name: getattr(self, name) for name in self.__slots__ if name not in ("miss", "false_alarm")}
        for name in ("miss", "false_alarm"):
            bound: Bound | None = getattr(self, name)
            record[name] = bound and {key: getattr(bound, key) for key in Bound.__slots__}
        return json.dumps(record)

    @classmethod
    def of_json(cls, text: str) -> Calibrated:
        record: dict[str, Any] = json.loads(text)
        for name in ("miss", "false_alarm"):
            record[name] = record[name] and Bound(**record[name])
        return cls(**record)


def uncalibrated(rule: Rule) -> Calibrated:
    """By the model's own calibration and the rule's threshold."""
    return calibrated(rule, rule.promise, Labelled.none())


def calibrated(rule: Rule, promise: Promise, labels: Labelled) -> Calibrated:
    """Probabilities from all labels; promises from those of a random sample alone.

    What was promised and cannot be kept with these labels leaves the rule's own threshold in its place, and a rule that
    promises few false alarms then acts on nothing by itself: all that it flags is looked at."""
    slope, offset, fitted = _fitted(labels)
    miss = false_alarm = None
    if promise.miss is not None:
        miss = miss_bound(labels.evidence[labels.random & labels.breaks], promise.miss, promise.confidence)
    if promise.false_alarm is not None:
        fine = labels.evidence[labels.random & ~labels.breaks]
        false_alarm = false_alarm_bound(fine, promise.false_alarm, promise.confidence)
    review_from, act_from = _thresholds(rule, (slope, offset), miss, false_alarm)
    counts = int(labels.breaks.sum()), int((~labels.breaks).sum())
    return Calibrated(slope, offset, review_from, act_from, fitted, miss, false_alarm, *counts)


def _fitted(labels: Labelled) -> tuple[float, float, bool]:
    """Platt 1999, with his targets, which keep few labels from being certain."""
    positive, negative = int(labels.breaks.sum()), int((~labels.breaks).sum())
    if min(positive, negative) < FEWEST:
        return 1.0, 0.0, False
    features = np.stack([labels.evidence, np.ones(len(labels.evidence))], axis=1)
    targets = np.where(labels.breaks, (positive + 1) / (positive + 2), 1 / (negative + 2))
    slope, offset = fit_logistic(features, targets, np.ones(len(targets)), ridge=RIDGE).weights
    return (slope, offset, True) if slope > 0 else (1.0, 0.0, False)


def _thresholds(
    rule: Rule, line: tuple[float, float], miss: Bound | None, false_alarm: Bound | None
) -> tuple[float, float]:
    def evidence_at(probability: float) -> float:
        return (math.log(probability / (1 - probability)) - line[1]) / line[0]

    sure, likely = evidence_at(rule.threshold), evidence_at(HALF * rule.threshold)
    kept = miss.threshold if miss is not None else None
    if rule.action != "block":  # a person looks anyway, or nobody has to
        return (kept, kept) if kept is not None else (sure, sure)
    act_from = sure
    if false_alarm is not None:
        act_from = math.inf if false_alarm.threshold is None else false_alarm.threshold
    review_from = kept if kept is not None else min(likely, act_from)
    return review_from, max(act_from, review_from)


def decide(rule: Rule, known: Calibrated, evidence: Floats) -> npt.NDArray[np.int8]:
    """For evidence [n]: 0 lets a picture pass, 1 has it reviewed, 2 blocks it; -1 lets it pass, with a note."""
    if rule.action == "allow":
        return np.where(evidence >= known.act_from, -1, 0).astype(np.int8)
    if rule.action == "review":
        return np.where(evidence >= known.review_from, 1, 0).astype(np.int8)
    return (np.asarray(evidence >= known.review_from, np.int8) + (evidence >= known.act_from)).astype(np.int8)


def by_name(records: Mapping[str, str], rules: tuple[Rule, ...]) -> dict[str, Calibrated]:
    """Of each rule, from what was kept; uncalibrated where nothing was."""
    return {
        rule.name: Calibrated.of_json(records[rule.name]) if rule.name in records else uncalibrated(rule)
        for rule in rules
    }
