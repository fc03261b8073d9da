"""What /medical takes and answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from bouba.server.schemas import Asked, ItemId, Media, Told

Code = Annotated[str, StringConstraints(max_length=64)]
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Years = Annotated[float, Field(ge=0, le=150)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
StudyName = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class OnlyBody(Asked):
    """Which studies may be found; dates are those of the archive, which may have been moved."""

    modality: Code | None = Field(None, description="As DICOM names them: CT, MR, US, ...")
    body_part: Code | None = Field(None, description="Or a part of its name.")
    after: Day | None = None
    before: Day | None = None
    youngest: Years | None = None
    oldest: Years | None = None


class MedicalSearchBody(Asked):
    """Words, a report, a picture, or a picture with words."""

    text: Text | None = Field(None, description="A longer text is taken for a report.", examples=["pleural effusion"])
    image: Media | None = None
    k: int = Field(10, ge=1, le=200, description="How many studies.")
    only: OnlyBody | None = None


class MedicalReportsBody(Asked):
    """A scan: a picture of the gallery by its id, or one that is sent."""

    item: ItemId | None = None
    image: Media | None = None
    k: int = Field(5, ge=1, le=200, description="How many reports.")
    only: OnlyBody | None = None


class StatementRecord(Told):
    section: str
    text: str = Field(description="The sentence.")
    part: str = Field(description="What of it matched.")
    status: str = Field(description="affirmed, uncertain, historical, hypothetical, family or negated.")


class SliceRecord(Told):
    item: str
    series: str
    number: int = Field(description="Of the slices of its series, from 1.")
    slices: int
    score: float
    thumbnail: str = Field(description="Relative to the server's root.")
    image: str


class StudyRecord(Told):
    rank: int
    study: str
    score: float
    patient: str = Field(description="A pseudonym.")
    date: str
    age: float | None
    sex: str
    modality: str
    body_part: str
    sentence: StatementRecord | None
    slice: SliceRecord | None


class MedicalSearchAnswer(Told):
    banner: str
    notes: list[str]
    hits: list[StudyRecord]
    ruled_out: list[StudyRecord] = Field(description="Their reports deny it, and affirm it nowhere.")


class ReportRecord(Told):
    rank: int
    study: str
    score: float
    own: bool = Field(description="Whether it is that of the scan's own study.")
    patient: str
    date: str
    age: float | None
    sex: str
    modality: str
    body_part: str
    sentences: list[StatementRecord]


class MedicalReportsAnswer(Told):
    banner: str
    hits: list[ReportRecord]


class MedicalStudyAnswer(Told):
    banner: str
    id: str
    patient: str
    date: str
    age: float | None
    sex: str
    series: list[dict[str, Any]]
    reports: list[dict[str, Any]]


class MedicalInfoAnswer(Told):
    banner: str
    studies: int
    series: int
    pictures: int
    reports: int
    with_writing: int
    modalities: list[dict[str, Any]]
    body_parts: list[dict[str, Any]]
    statements: dict[str, int]


class RefusalRecord(Told):
    name: str
    reason: str


class MedicalImportAnswer(Told):
    banner: str
    imported: int
    known: int
    series: int
    pictures: int
    reports: int
    written: int = Field(description="Pictures in which writing was found.")
    masked: int
    studies: list[str]
    refused: list[RefusalRecord]
