"""A radiology archive: scans and their reports, found by each other. No diagnostic device."""

from __future__ import annotations

from bouba.apps.medical.answers import BANNER, Answer, Only, ReportAnswer
from bouba.apps.medical.archive import Archive
from bouba.apps.medical.deidentify import Options
from bouba.apps.medical.errors import MedicalMissing, NoScan, StudyUnknown
from bouba.apps.medical.importing import ImportReport, Refusal, Wish

__all__ = [
    "BANNER",
    "Answer",
    "Archive",
    "ImportReport",
    "MedicalMissing",
    "NoScan",
    "Only",
    "Options",
    "Refusal",
    "ReportAnswer",
    "StudyUnknown",
    "Wish",
]
