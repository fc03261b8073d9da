"""How strongly a picture shows what a rule is about: for all pictures and all rules at once, from vectors alone.

The texts of a rule are one another's alternatives: their scores are joined by a smooth maximum. What looks alike and is
fine takes off as much as it fits better than they do. Example pictures turn the texts' directions, as likes and
dislikes turn a query (`bouba.ranking.feedback`). The model's own calibration makes log-odds of the result, and what an
exception makes likely is taken out of them. Labels, once there are some, replace that calibration
(`bouba.apps.moderation.calibration`), not the order of pictures.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bouba.apps.moderation.ground import Ground, biases, calibration_of
from bouba.ranking.calibration import FEW_WORDS, Asked, match_features
from bouba.ranking.feedback import Spread, steer
from bouba.ranking.logic import complement, log_probability

if TYPE_CHECKING:
    from bouba import Model
    from bouba.apps.moderation.policy import Example, Policy, Rule
    from bouba.types import Vectors

    Floats = npt.NDArray[np.float64]

# Of the smooth maximum, in cosines. Tuned on training photos of 197 classes: from 0.01 to 0.05 all is alike.
SHARPNESS = 0.02
LEAST_MISSED = 1e-12  # probability that an exception leaves of a rule


@dataclass(frozen=True, slots=True)
class Group:
    """Texts that mean the same thing, as directions and as what their joint score is worth."""

    texts: tuple[str, ...]
    directions: Vectors  # [k, dim], of length 1
    slope: float  # of the log-odds, by score
    offset: float

    def joint(self, scores: Floats) -> Floats:
        """One score [n] for scores [n, k]."""
        top = scores.max(axis=1)
        return np.asarray(top + SHARPNESS * np.log(np.exp((scores - top[:, None]) / SHARPNESS).sum(axis=1)))

    def log_odds(self, joint: Floats) -> Floats:
        return self.slope * joint + self.offset

    def to_dict(self) -> dict[str, Any]:
        directions = base64.b64encode(self.directions.astype("<f4").tobytes()).decode()
        return {"texts": self.texts, "directions": directions, "slope": self.slope, "offset": self.offset}

    @classmethod
    def of_dict(cls, record: Mapping[str, Any], dim: int) -> Group:
        directions = np.frombuffer(base64.b64decode(record["directions"]), "<f4").astype(np.float32).reshape(-1, dim)
        return cls(tuple(record["texts"]), directions, record["slope"], record["offset"])


@dataclass(frozen=True, slots=True)
class Gauge:
    """A rule, ready to be applied to vectors."""

    rule: Rule
    shows: Group
    alike: Group | None
    exemptions: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Gauges:
    """All rules of a guideline, for one model and one gallery. What they give for a vector never changes: thresholds
    that were set with them go on to mean the same, whatever is added to the gallery."""

    model: Model
    items: int  # in the gallery when they were made
    rules: tuple[Gauge, ...]

    @classmethod
    def of(
        cls,
        policy: Policy,
        ground: Ground,
        examples: Mapping[str, Vectors],
        known: Mapping[str, tuple[Vectors, Vectors]],
    ) -> Gauges:
        """`examples`: vectors [dim] of the guideline's pictures, by their digests; `known`: for rules, by their names,
        the vectors [n, dim] of pictures that were named as breaking them, and as fine."""
        spread = Spread.of(ground.sample, ground.items) if len(ground.sample) else None
        make = _Maker(ground, spread, examples)
        rules = tuple(make.gauge(rule, known.get(rule.name)) for rule in policy.rules)
        return cls(ground.model, ground.items, rules)

    def evidence(self, vectors: Vectors) -> Floats:
        """Log-odds [n, rules] that pictures with these vectors [n, dim] break each rule."""
        return self._log_odds(self.scores(vectors))

    def scores(self, vectors: Vectors) -> Floats:
        """[n, texts] of all texts, in the order of `texts`, freed of hubs."""
        directions = np.concatenate([group.directions for group in self._groups()])
        bias = biases(self.model, vectors)
        return np.asarray(vectors @ directions.T - bias[:, None], np.float64)

    @property
    def texts(self) -> Sequence[tuple[Gauge, Group, str]]:
        return [(gauge, group, text) for gauge in self.rules for group in _parts(gauge) for text in group.texts]

    def to_json(self) -> str:
        """All of it, exactly."""
        rules = [[group.to_dict() for group in _parts(gauge)] for gauge in self.rules]
        return json.dumps({"items": self.items, "rules": rules})

    @classmethod
    def of_json(cls, text: str, policy: Policy, model: Model) -> Gauges:
        """What `to_json` made of the same guideline and model."""
        record = json.loads(text)
        rules = []
        for rule, parts in zip(policy.rules, record["rules"], strict=True):
            shows, *rest = (Group.of_dict(part, model.dim) for part in parts)
            alike = rest.pop(0) if rule.fine else None
            rules.append(Gauge(rule, shows, alike, tuple(rest)))
        return cls(model, record["items"], tuple(rules))

    def _groups(self) -> Sequence[Group]:
        return [group for gauge in self.rules for group in _parts(gauge)]

    def _log_odds(self, scores: Floats) -> Floats:
        ends = np.cumsum([len(group.texts) for group in self._groups()])
        joint = [group.joint(part) for group, part in zip(self._groups(), np.split(scores, ends[:-1], 1), strict=True)]
        columns, at = [], 0
        for gauge in self.rules:
            parts = joint[at : at + len(_parts(gauge))]
            columns.append(_judged(gauge, parts))
            at += len(parts)
        return np.stack(columns, axis=1)


def _parts(gauge: Gauge) -> tuple[Group, ...]:
    alike = (gauge.alike,) if gauge.alike is not None else ()
    return (gauge.shows, *alike, *gauge.exemptions)


def _judged(gauge: Gauge, joint: Sequence[Floats]) -> Floats:
    """Log-odds [n] from the joint scores [n] of the rule's parts."""
    shown, rest = joint[0], list(joint[1:])
    if gauge.alike is not None:
        shown = shown - np.maximum(rest.pop(0) - shown, 0.0)
    logs = log_probability(gauge.shows.log_odds(shown))
    for exemption, score in zip(gauge.exemptions, rest, strict=True):
        logs = logs + np.maximum(complement(log_probability(exemption.log_odds(score))), math.log(LEAST_MISSED))
    return np.asarray(logs - complement(logs))


@dataclass(frozen=True, slots=True)
class _Maker:
    """Of gauges, for one model and one gallery."""

    ground: Ground
    spread: Spread | None
    examples: Mapping[str, Vectors]

    def gauge(self, rule: Rule, known: tuple[Vectors, Vectors] | None) -> Gauge:
        breaking, fine = self._vectors(rule.pictures), self._vectors(rule.fine_pictures)
        if known is not None:
            breaking, fine = np.concatenate([breaking, known[0]]), np.concatenate([fine, known[1]])
        nothing = np.empty((0, self.ground.model.dim), np.float32)
        return Gauge(
            rule,
            self._group(rule.flag, breaking, fine),
            self._group(rule.fine, nothing, nothing) if rule.fine else None,
            tuple(self._group(one.texts, self._vectors(one.pictures), nothing) for one in rule.exemptions),
        )

    def _vectors(self, pictures: Sequence[Example]) -> Vectors:
        """[n, dim]"""
        empty = np.empty((0, self.ground.model.dim), np.float32)
        return np.concatenate([empty, *(self.examples[one.digest][None] for one in pictures)])

    def _group(self, texts: Sequence[str], liked: Vectors, disliked: Vectors) -> Group:
        starts: list[Vectors | None] = [*self.ground.model.encode_text(list(texts))] if texts else [None]
        if self.spread is not None and (len(liked) or len(disliked)):
            starts = [steer(start, liked, disliked, self.spread).vector for start in starts]
        directions = np.stack([start for start in starts if start is not None]).astype(np.float32)
        slope, offset = self._worth(directions, texts or ("",))
        return Group(tuple(texts) or ("pictures like the examples",), directions, slope, offset)

    def _worth(self, directions: Vectors, texts: Sequence[str]) -> tuple[float, float]:
        """Log-odds of a score are a line, and that of several texts is the mean of theirs. Without a calibration: how
        far above the best that chance would give, in standard deviations."""
        lines, calibration = [], calibration_of(self.ground.model)
        for text, scores in zip(texts, self.ground.scores(directions).T, strict=True):
            background, words = self.ground.background(scores), min(len(text.split()), FEW_WORDS)
            if calibration is None:
                reach = math.sqrt(2 * math.log(max(self.ground.items, 2)))
                lines.append((1 / background.spread, -background.mean / background.spread - reach))
                continue
            asked = Asked(background, self.ground.items, words)
            at = match_features(np.array([0.0, 1.0]), asked) @ np.asarray(calibration.match.weights)
            lines.append((float(at[1] - at[0]), float(at[0])))
        slope, offset = np.mean(lines, axis=0)
        return float(slope), float(offset)
