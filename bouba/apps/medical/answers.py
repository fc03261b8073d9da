"""What is asked of an archive beside the question, and what it answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bouba.errors import QueryError

if TYPE_CHECKING:
    from bouba.apps.medical.statements import Statement

BANNER = "bouba is no medical device: it finds similar scans and reports, and is not for diagnosis."

_CODE = re.compile(r"[\w /.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Only:
    """Which studies may be found. Dates are ISO 8601, as the archive has them; ages in years."""

    modality: str = ""
    body_part: str = ""  # or a part of its name
    after: str = ""
    before: str = ""
    youngest: float | None = None
    oldest: float | None = None

    def sql(self) -> tuple[str, list[Any]]:
        """A condition on `series JOIN study`. Raises QueryError."""
        for name in ("modality", "body_part"):
            if (value := getattr(self, name)) and not _CODE.fullmatch(value):
                raise QueryError(f"{name} {value!r:.80} is none: letters, digits and spaces, at most 64.")
        for name in ("after", "before"):
            if (value := getattr(self, name)) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
                raise QueryError(f"{name} {value!r:.80} is no date: write it as 2024-03-31.")
        conditions = (
            ("modality = upper(?)", self.modality),
            ("instr(body_part, lower(?)) > 0", self.body_part),
            ("date <> '' AND date >= ?", self.after),
            ("date <> '' AND date <= ?", self.before),
            ("age >= ?", self.youngest),
            ("age <= ?", self.oldest),
        )
        asked = [(condition, value) for condition, value in conditions if value not in ("", None)]
        return " AND ".join(one for one, _ in asked) or "1", [value for _, value in asked]


@dataclass(frozen=True, slots=True)
class Slice:
    """A picture that matched, or the one of a study that comes nearest."""

    item: str
    series: str
    number: int
    slices: int  # of the series
    score: float  # cosine

    def to_dict(self) -> dict[str, Any]:
        return {
            "item": self.item,
            "series": self.series,
            "number": self.number,
            "slices": self.slices,
            "score": round(self.score, 4),
        }


@dataclass(frozen=True, slots=True)
class StudyHit:
    """A study with what matched in it. `score` is its evidence, in standard deviations."""

    rank: int
    study: str
    score: float
    about: Mapping[str, Any]  # patient, date, age, sex, modality, body_part
    sentence: Statement | None = None
    slice: Slice | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "rank": self.rank,
            "study": self.study,
            "score": round(self.score, 4),
            **self.about,
            "sentence": self.sentence.to_dict() if self.sentence else None,
            "slice": self.slice.to_dict() if self.slice else None,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Studies, best first; `ruled_out` are those whose reports deny what was asked, and affirm it nowhere."""

    hits: tuple[StudyHit, ...]
    ruled_out: tuple[StudyHit, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "banner": BANNER,
            "notes": list(self.notes),
            "hits": [hit.to_dict() for hit in self.hits],
            "ruled_out": [hit.to_dict() for hit in self.ruled_out],
        }


@dataclass(frozen=True, slots=True)
class ReportHit:
    """A report that a scan may belong to. `own`: it is that of the scan's study."""

    rank: int
    study: str
    score: float  # mean cosine of its nearest statements
    own: bool
    about: Mapping[str, Any]
    sentences: tuple[Statement, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "rank": self.rank,
            "study": self.study,
            "score": round(self.score, 4),
            "own": self.own,
            **self.about,
            "sentences": [one.to_dict() for one in self.sentences],
        }


@dataclass(frozen=True, slots=True)
class ReportAnswer:
    hits: tuple[ReportHit, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"banner": BANNER, "hits": [hit.to_dict() for hit in self.hits]}
