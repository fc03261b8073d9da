"""A guideline as typed, frozen values: what is looked for, what is fine all the same, and what is promised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from bouba.errors import QueryError

Action = Literal["allow", "review", "block"]
Severity = Literal["low", "medium", "high"]
ACTIONS: tuple[Action, ...] = ("allow", "review", "block")  # from the mildest
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")
THRESHOLD = 0.3  # probability from which a rule is sure; on training photos four of five such pictures were right


class PolicyError(QueryError):
    """A guideline that cannot be used: its file, its keys, or rules that contradict each other."""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture that a guideline names: its file as it is."""

    name: str  # as the guideline has it
    data: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """The first 32 hex digits of the SHA-256, as ids of items are."""
        return hashlib.sha256(self.data).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Promise:
    """What share of errors a rule may make; None where nothing is promised."""

    miss: float | None = None  # of the pictures that break the rule, those that pass unseen
    false_alarm: float | None = None  # of the pictures that are fine, those on which the rule acts by itself
    confidence: float | None = None  # that a promise is kept; None: it is kept on average

    def __bool__(self) -> bool:
        return self.miss is not None or self.false_alarm is not None


@dataclass(frozen=True, slots=True)
class Exemption:
    """Where a rule does not apply: what the picture shows beside, such as a kitchen."""

    texts: tuple[str, ...]
    pictures: tuple[Example, ...] = ()
    reason: str = ""  # for people; says nothing to the model


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for."""

    name: str
    flag: tuple[str, ...]  # texts: pictures that show any of these break the rule
    pictures: tuple[Example, ...] = ()  # that break it
    fine: tuple[str, ...] = ()  # what looks alike, and is none
    fine_pictures: tuple[Example, ...] = ()
    severity: Severity = "medium"
    action: Action = "review"  # once it is sure
    threshold: float = THRESHOLD  # probability from which it is sure, for as long as no labels say better
    promise: Promise = Promise()
    exemptions: tuple[Exemption, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A picture with what the guideline is to say of it: a unit test."""

    name: str
    picture: Example
    decision: Action | None = None
    rules: tuple[str, ...] | None = None  # exactly those that are to be broken


@dataclass(frozen=True)
class Policy:
    """A guideline. `source` is the text of its file."""

    name: str
    rules: tuple[Rule, ...]
    description: str = ""
    cases: tuple[Case, ...] = ()
    source: str = field(default="", repr=False, compare=False)

    @cached_property
    def version(self) -> str:
        """12 hex digits of a hash over what decides: rules and the bytes of their pictures, whatever the layout of the
        file, its comments and its tests."""
        told = json.dumps([self.name, [_described(rule) for rule in self.rules]], sort_keys=True)
        return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:12]

    def rule(self, name: str) -> Rule:
        """Raises PolicyError for a name that no rule has."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        there = ", ".join(rule.name for rule in self.rules)
        raise PolicyError(f"The policy {self.name} has no rule {name!r:.80}; it has: {there}.")

    def examples(self) -> Iterable[Example]:
        """The pictures of all rules, not those of the tests."""
        for rule in self.rules:
            yield from (*rule.pictures, *rule.fine_pictures)
            for one in rule.exemptions:
                yield from one.pictures

    def to_dict(self) -> dict[str, Any]:
        rules = [
            {"name": rule.name, "severity": rule.severity, "action": rule.action, "flag": list(rule.flag),
             "fine": list(rule.fine), "exceptions": [one.reason or ", ".join(one.texts) for one in rule.exemptions]}
            for rule in self.rules
        ]  # fmt: skip
        return {"name": self.name, "version": self.version, "description": self.description, "rules": rules}


def _described(rule: Rule) -> Mapping[str, Any]:
    return {
        "name": rule.name, "flag": rule.flag, "fine": rule.fine, "severity": rule.severity, "action": rule.action,
        "threshold": rule.threshold, "promise": asdict(rule.promise),
        "pictures": [one.digest for one in rule.pictures],
        "fine_pictures": [one.digest for one in rule.fine_pictures],
        "exceptions": [[one.texts, [each.digest for each in one.pictures]] for one in rule.exemptions],
    }  # fmt: skip
