"""The JSON of /moderate and /moderation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from bouba.server.schemas import EXAMPLE_ID, Asked, ItemId, ItemRecord, Told

MOST_LABELS = 1000
MOST_PAGE = 200
DECISION = Literal["allow", "review", "block"]

PolicyName = Annotated[str, StringConstraints(min_length=1, max_length=60), Field(examples=["alcohol"])]
RuleName = Annotated[str, StringConstraints(min_length=1, max_length=60), Field(examples=["alcohol"])]
Share = Annotated[float, Field(gt=0, lt=1)]


class Upload(Asked):
    """A picture's file; exactly one of the two."""

    base64: str | None = Field(None, json_schema_extra={"contentEncoding": "base64"})
    part: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None, description="The name of a file field of the same multipart form."
    )

    @model_validator(mode="after")
    def _one(self) -> Upload:
        if (self.base64 is None) == (self.part is None):
            raise ValueError("give exactly one of base64 and part")
        return self


class ModerateBody(Asked):
    """A picture to be judged, and by which policy."""

    policy: PolicyName
    image: Upload
    heat: bool = Field(False, description="With a PNG that shows where, in base64.")


class PolicyBody(Asked):
    toml: Annotated[str, StringConstraints(min_length=1, max_length=2**20)] = Field(
        description="The text of a guideline, which may name no pictures.",
        examples=['name = "no cats"\n[[rules]]\nname = "cats"\nflag = ["a cat"]\n'],
    )


class ScanBody(Asked):
    policy: PolicyName
    everything: bool = Field(False, description="Judge again what nothing has changed for.")


class ShownBody(Asked):
    """An item whose evidence is wanted."""

    policy: PolicyName
    id: ItemId


class ReviewBody(Asked):
    policy: PolicyName
    rule: RuleName
    id: ItemId
    breaks: bool = Field(description="true accepts the decision, false overturns it.")


class LabelBody(Asked):
    policy: PolicyName
    rule: RuleName
    ids: list[ItemId] = Field(min_length=1, max_length=MOST_LABELS)
    breaks: bool
    random: bool = Field(
        False, description="Whether these came from GET /moderation/sample: only such count for promises."
    )


class CalibrateBody(Asked):
    policy: PolicyName
    miss: Share | None = None
    false_alarm: Share | None = None
    confidence: Share | None = Field(None, description="None: the promises are kept on average.")

    @model_validator(mode="after")
    def _promise(self) -> CalibrateBody:
        if self.confidence is not None and self.miss is None and self.false_alarm is None:
            raise ValueError("confidence is of a promise: give miss, false_alarm or both")
        return self


class Matched(Told):
    text: str
    probability: float


class FindingRecord(Told):
    rule: str
    severity: Literal["low", "medium", "high"]
    decision: DECISION
    probability: float
    by_person: bool
    matched: list[Matched]


class NeighbourRecord(Told):
    kind: Literal["item", "policy"] = Field(description="An item of the gallery, or a picture that the policy names.")
    name: str
    breaks: bool
    similarity: float
    thumbnail: str | None = None


class JudgementAnswer(Told):
    picture: str = Field(description="The first 32 hex digits of the SHA-256 of the file.", examples=[EXAMPLE_ID])
    decision: DECISION
    policy: str
    version: str
    model: str
    calibrated: bool = Field(description="Whether labels of this gallery made the probabilities.")
    findings: list[FindingRecord]
    probabilities: dict[str, float]
    nearest: dict[str, list[NeighbourRecord]] = Field(default_factory=dict)
    where: dict[str, str] = Field(default_factory=dict)
    heat_png: str | None = Field(None, description="base64")


class BoundRecord(Told):
    promised: float
    confidence: float | None
    possible: bool
    labels: int
    needed: int
    errors: int


class DriftRecord(Told):
    reviewed: int
    overturned: int
    expected: float
    evidence: float
    found: bool
    message: str


class RuleRecord(Told):
    name: str
    severity: Literal["low", "medium", "high"]
    action: DECISION
    flag: list[str]
    fine: list[str]
    exceptions: list[str]
    waiting: int
    fitted: bool
    review_from: float
    act_from: float
    breaking: int
    fine_labels: int
    miss: BoundRecord | None
    false_alarm: BoundRecord | None
    drift: DriftRecord


class PolicyRecord(Told):
    name: str
    version: str
    description: str
    rules: list[RuleRecord]
    decisions: dict[str, int]
    new_labels: int = Field(description="Since the last calibration.")


class PoliciesAnswer(Told):
    policies: list[PolicyRecord]


class FlagRecord(Told):
    rule: str
    severity: Literal["low", "medium", "high"]
    decision: DECISION
    probability: float
    item: ItemRecord


class QueueAnswer(Told):
    waiting: int
    flags: list[FlagRecord]


class SampleAnswer(Told):
    items: list[ItemRecord]


class ScanAnswer(Told):
    policy: str
    version: str
    state: str
    items: int
    judged: int
    decisions: dict[str, int]
    broken: dict[str, int]
    changed: int
    removed: int
    seconds: float


class LabelledAnswer(Told):
    labelled: int


class AuditAnswer(Told):
    whole: bool
    lines: int
    head: str
    fault: str
    last: list[dict[str, Any]]
