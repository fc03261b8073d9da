"""A DICOM data set without what says whose it is (PS3.15 Annex E, basic profile, with the options named here).

The same input gives the same output under one key, so that files of one study stay together, and nobody without the
key can say which study that was: UIDs and pseudonyms are HMAC-SHA256 of the originals."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from bouba.apps.medical.profile import CHARACTERISTICS, Action, action_of, is_private

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

Dates = Literal["shift", "remove", "keep"]
Part = Literal["patient", "study", "series", "image"]

OLDEST_YEARS = 89  # ages above it are told as 90, as the HIPAA safe harbour has it
LAST_MENSTRUAL_DATE = 0x001021D0  # of the patient's own dates the only one that the options for dates retain
FARTHEST_DAYS = 3650  # that dates are moved back
_TIMES = frozenset({"DA", "DT", "TM"})
_DUMMIES: dict[str, Any] = {
    "DA": "19000101", "DT": "19000101000000", "TM": "000000", "AS": "000Y", "PN": "ANONYMOUS", "UR": "urn:removed",
    "AE": "REMOVED", "CS": "REMOVED", "LO": "REMOVED", "LT": "REMOVED", "SH": "REMOVED", "ST": "REMOVED",
    "UC": "REMOVED", "UT": "REMOVED", "IS": "0", "DS": "0", "AT": 0, "SL": 0, "SS": 0, "SV": 0, "UL": 0, "US": 0,
    "UV": 0, "FL": 0.0, "FD": 0.0,
}  # fmt: skip
# Context group 7050, DICOM PS3.16: the methods that a file says were used.
_BASIC = ("113100", "Basic Application Confidentiality Profile")
_CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
_FULL_DATES = ("113106", "Retain Longitudinal Temporal Information Full Dates Option")
_MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")


@dataclass(frozen=True, slots=True)
class Options:
    """Beside the basic profile.

    `dates`: "shift" moves all dates of a patient back by the same secret number of days (modified dates option), so
    that the time between two studies stays; "remove" is the basic profile; "keep" leaves them. `characteristics`: age
    (at most 90), sex, size, weight and the like stay."""

    dates: Dates = "shift"
    characteristics: bool = True

    @property
    def methods(self) -> tuple[tuple[str, str], ...]:
        dates = {"shift": (_MODIFIED_DATES,), "keep": (_FULL_DATES,), "remove": ()}[self.dates]
        return (_BASIC, *dates, *((_CHARACTERISTICS,) if self.characteristics else ()))

    def to_dict(self) -> dict[str, Any]:
        return {"dates": self.dates, "characteristics": self.characteristics, "methods": [m[1] for m in self.methods]}


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """What stands for identifiers, under a key of at least 16 bytes."""

    key: bytes

    def uid(self, original: str) -> str:
        """A UID of the 2.25 form (PS3.5 B.2), from 122 bits of the digest."""
        return f"2.25.{int.from_bytes(self._digest('uid', original)[:16], 'big') >> 6}"

    def name(self, part: Part, original: str) -> str:
        """Short enough to be read out: "P-" and twelve hexadecimal digits."""
        return f"{part[0].upper()}-{self._digest(part, original).hex()[:12]}"

    def days(self, patient: str) -> int:
        """By how many the dates of a patient are moved back, at least 1."""
        return 1 + int.from_bytes(self._digest("days", patient)[:8], "big") % FARTHEST_DAYS

    def _digest(self, kind: str, original: str) -> bytes:
        return hmac.digest(self.key, f"{kind}\0{original}".encode("utf-8", "surrogatepass"), hashlib.sha256)


def patient_of(dataset: Dataset) -> str:
    """Whose it is, as far as the file says; the study where it says nothing."""
    known = [str(dataset.get(name, "") or "").strip() for name in ("PatientID", "IssuerOfPatientID", "PatientName")]
    named = known[:2] if known[0] else known[2:]
    return "\0".join(named) if any(named) else f"study {dataset.get('StudyInstanceUID', '')}"


def deidentified(dataset: Dataset, pseudonyms: Pseudonyms, options: Options | None = None) -> Dataset:
    """A copy without what identifies; pixels are as they were (`burned.py` looks at those).

    Private attributes go, and so does what the dictionary does not know; the file meta information is made anew and
    the preamble left out. Raises nothing for odd values: what cannot be read is removed."""
    options = options or Options()
    patient = patient_of(dataset)
    work = _Work(pseudonyms, options, pseudonyms.days(patient))
    clean = deepcopy(dataset)
    work.clean(clean)
    clean.PatientID = pseudonyms.name("patient", patient)
    clean.PatientName = ""
    _told(clean, options)
    _new_meta(clean, dataset)
    return clean


@dataclass(frozen=True, slots=True)
class _Work:
    pseudonyms: Pseudonyms
    options: Options
    days: int

    def clean(self, dataset: Dataset) -> None:
        for tag in list(dataset.keys()):
            try:
                kept = not is_private(tag) and tag != 0xFFFCFFFC and self._element(dataset, dataset[tag])
            except Exception:  # whatever pydicom makes of a damaged value: it is not kept
                kept = False
            if not kept:
                del dataset[tag]

    def _element(self, dataset: Dataset, element: DataElement) -> bool:
        """Whether it stays."""
        tag = int(element.tag)
        if self.options.characteristics and tag in CHARACTERISTICS:
            element.value = _age(element.value) if element.VR == "AS" else element.value
            return True
        if element.VR in _TIMES and (changed := self._time(element)) is not None:
            return changed
        action = action_of(tag)
        if action is not None:
            return self._act(action, element)
        if element.VR == "PN":
            element.value = ""
        if element.VR == "SQ":
            self._items(element)
        return element.VR != "UN"

    def _act(self, action: Action, element: DataElement) -> bool:
        match action:
            case Action.REMOVE:
                return False
            case Action.EMPTY:
                element.value = [] if element.VR == "SQ" else None
            case Action.DUMMY:
                element.value = _dummy(element.VR)
            case Action.UID if element.VR == "SQ":
                self._items(element)
            case Action.UID:
                element.value = self._uids(element.value)
        return True

    def _items(self, element: DataElement) -> None:
        for item in element.value:
            self.clean(item)

    def _uids(self, value: Any) -> Any:
        if not value:
            return value
        if isinstance(value, str):
            return self.pseudonyms.uid(value)
        return [self.pseudonyms.uid(str(one)) for one in value]

    def _time(self, element: DataElement) -> bool | None:
        """Whether it stays under the option for dates; None where the table decides."""
        born = int(element.tag) >> 16 == 0x0010 and int(element.tag) != LAST_MENSTRUAL_DATE
        if born or self.options.dates == "remove":
            return None
        if self.options.dates == "shift" and element.VR != "TM":
            element.value = _each(element.value, lambda one: shifted(one, self.days))
        return True


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if value is None or isinstance(value, str):
        return change(value or "")
    return [change(str(one)) for one in value] if hasattr(value, "__iter__") else change(str(value))


def shifted(value: str, days: int) -> str:
    """A DA or DT value so many days before; nothing where it is none."""
    text = value.strip()
    digits = text.replace(".", "") if len(text) == 10 and text[4] == text[7] == "." else text
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) - timedelta(days)
    except (ValueError, OverflowError):
        return ""
    return day.strftime("%Y%m%d").zfill(8) + digits[8:]


def _age(value: Any) -> str:
    """An AS value, such as "045Y"; above 89 years "090Y"."""
    text = str(value or "")
    number, unit = text[:-1], text[-1:]
    if unit not in "DWMY" or not number.isdigit():
        return ""
    return "090Y" if unit == "Y" and int(number) > OLDEST_YEARS else text


def _dummy(vr: str) -> Any:
    """A value of non-zero length that fits the representation."""
    if vr == "SQ":
        from pydicom import Dataset

        return [Dataset()]
    if vr == "UI":
        return "2.25.0"
    return _DUMMIES.get(vr, b"\0\0")


def _told(dataset: Dataset, options: Options) -> None:
    """That and how it was de-identified, PS3.15 E.1.1."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = {"shift": "MODIFIED", "remove": "REMOVED", "keep": "UNMODIFIED"}[
        options.dates
    ]
    dataset.DeidentificationMethodCodeSequence = [_code(*method) for method in options.methods]


def told_clean_pixels(dataset: Dataset) -> None:
    """That what was written into the picture was masked."""
    dataset.BurnedInAnnotation = "NO"
    dataset.DeidentificationMethodCodeSequence.append(_code(*_CLEAN_PIXELS))


def _code(value: str, meaning: str) -> Dataset:
    from pydicom import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _new_meta(clean: Dataset, original: Dataset) -> None:
    """Group 2 holds names of the machines that a file went through, and the original's UID."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ImplicitVRLittleEndian

    meta = FileMetaDataset()
    before = getattr(original, "file_meta", None) or {}
    meta.TransferSyntaxUID = before.get("TransferSyntaxUID") or ImplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = clean.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = clean.get("SOPInstanceUID", "")
    clean.file_meta = meta
    if hasattr(clean, "preamble"):
        clean.preamble = b"\0" * 128
