"""A guideline's own tests, run as unit tests are: each picture is judged, and what comes of it is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps.moderation.calibration import uncalibrated
from bouba.apps.moderation.ground import Ground
from bouba.apps.moderation.policy import Case, Policy, PolicyError
from bouba.apps.moderation.scoring import Gauges
from bouba.apps.moderation.verdict import Judgement, Judging
from bouba.errors import MediaError
from bouba.media import load_image

if TYPE_CHECKING:
    from bouba import Model
    from bouba.types import Vectors


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one test."""

    case: Case
    fault: str  # empty where it passed
    judgement: Judgement | None = None

    def to_dict(self) -> dict[str, Any]:
        judged = self.judgement and {
            "decision": self.judgement.decision,
            "probabilities": {name: round(value, 4) for name, value in self.judgement.probabilities.items()},
        }
        return {"test": self.case.name, "passed": not self.fault, "fault": self.fault, "judged": judged}


def judging_alone(policy: Policy, model: Model) -> Judging:
    """A guideline without a gallery: pictures are held against those that the model knows, and nothing is labelled."""
    ground = Ground.around(model, np.empty((0, model.dim), np.float32), 0)
    examples = {one.digest: _encoded(model, one.data) for one in policy.examples()}
    gauges = Gauges.of(policy, ground, examples, {})
    return Judging(policy, gauges, {rule.name: uncalibrated(rule) for rule in policy.rules}, "", {})


def run_tests(policy: Policy, judging: Judging) -> Iterator[Outcome]:
    """In their order. Raises PolicyError where there are none: a guideline without tests has not passed them."""
    if not policy.cases:
        raise PolicyError(f"The policy {policy.name} has no tests. Write [[tests]] with `picture` and `decision`.")
    for case in policy.cases:
        try:
            vector = _encoded(judging.gauges.model, case.picture.data)
        except MediaError as error:
            yield Outcome(case, f"{case.picture.name}: {error}")
            continue
        judgement = judging.judge(case.picture.digest, vector, {})
        yield Outcome(case, _fault(case, judgement), judgement)


def _fault(case: Case, judgement: Judgement) -> str:
    faults = []
    broken = [one.rule for one in judgement.findings]
    if case.decision not in (None, judgement.decision):
        faults.append(f"expected {case.decision}, got {judgement.decision}")
    if case.rules is not None and sorted(case.rules) != sorted(broken):
        faults.append(f"expected {_named(case.rules)} to be broken, got {_named(broken)}")
    if not faults:
        return ""
    chances = ", ".join(f"{name} {chance:.2f}" for name, chance in judgement.probabilities.items())
    return f"{'; '.join(faults)} ({chances})"


def _named(rules: tuple[str, ...] | list[str]) -> str:
    return " and ".join(rules) or "no rule"


def _encoded(model: Model, data: bytes) -> Vectors:
    picture = load_image(data, side=model.manifest.image.size)
    return np.asarray(model.encode_image([picture.rgb])[0], np.float32)
