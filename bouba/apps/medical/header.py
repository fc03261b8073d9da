"""What an archive keeps of a scan's data set: pseudonyms, and what scans are filtered by. No original identifier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps.medical.deidentify import OLDEST_YEARS, Options, Pseudonyms, patient_of, shifted
from bouba.apps.medical.dicom import frames_of

if TYPE_CHECKING:
    from pydicom import Dataset

_CODE = re.compile(r"[A-Z0-9][A-Z0-9 _]{0,15}")  # a CS value (PS3.5 6.2), which free text is not
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


@dataclass(frozen=True, slots=True)
class About:
    """A study, as far as somebody may know who does not know whose it is."""

    study: str  # "S-" and twelve hexadecimal digits
    patient: str = ""
    date: str = ""  # ISO 8601, as the option for dates has left it
    age: float | None = None  # years, at most 90
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Header:
    """One file of a series."""

    about: About
    series: str  # pseudonym
    modality: str
    body_part: str  # lower case
    place: float | None  # millimetres along the normal of its planes; None where it is not said
    number: int  # within its series
    frames: int
    localizer: bool
    burned_in: bool  # whether the file says that there is writing in the picture


def header_of(dataset: Dataset, pseudonyms: Pseudonyms, options: Options, otherwise: str) -> Header:
    """`otherwise` stands for the UIDs that the file does not have."""
    patient = patient_of(dataset)
    days = {"shift": pseudonyms.days(patient), "keep": 0}.get(options.dates)
    day = "" if days is None else _day(shifted(_text(dataset, "StudyDate") or _text(dataset, "SeriesDate"), days))
    about = About(
        pseudonyms.name("study", _text(dataset, "StudyInstanceUID") or otherwise),
        pseudonyms.name("patient", patient),
        day,
        _age(dataset) if options.characteristics else None,
        _code(dataset, "PatientSex")[:1] if options.characteristics else "",
    )
    return Header(
        about,
        pseudonyms.name("series", _text(dataset, "SeriesInstanceUID") or otherwise),
        _code(dataset, "Modality"),
        _code(dataset, "BodyPartExamined").lower(),
        _place(dataset),
        _number(dataset.get("InstanceNumber")),
        frames_of(dataset),
        "LOCALIZER" in [str(one).upper() for one in _several(dataset.get("ImageType"))],
        _text(dataset, "BurnedInAnnotation").upper() == "YES",
    )


def _text(dataset: Dataset, name: str) -> str:
    return str(dataset.get(name, "") or "").strip()


def _code(dataset: Dataset, name: str) -> str:
    value = _text(dataset, name).upper()
    return value if _CODE.fullmatch(value) else ""


def _several(value: Any) -> list[Any]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _day(value: str) -> str:
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:8])).isoformat()
    except ValueError:
        return ""


def _age(dataset: Dataset) -> float | None:
    """Of PatientAge, else from the dates of birth and study, before those are changed."""
    said = _text(dataset, "PatientAge").upper()
    if said[-1:] in _YEARS and said[:-1].isdigit():
        return _years(int(said[:-1]) * _YEARS[said[-1]])
    born, seen = (_day(shifted(_text(dataset, name), 0)) for name in ("PatientBirthDate", "StudyDate"))
    if not born or not seen:
        return None
    years = (date.fromisoformat(seen) - date.fromisoformat(born)).days / 365.25
    return _years(years) if years >= 0 else None


def _years(years: float) -> float:
    return round(min(years, OLDEST_YEARS + 1), 1 if years < 3 else 0)


def _place(dataset: Dataset) -> float | None:
    """The distance of the plane from the origin, along its normal (PS3.3 C.7.6.2)."""
    try:
        corner = np.array(dataset.ImagePositionPatient, np.float64)
        along = np.array(dataset.ImageOrientationPatient, np.float64)
        place = float(np.cross(along[:3], along[3:6]) @ corner)
    except (AttributeError, TypeError, ValueError):
        return None
    return place if np.isfinite(place) else None
