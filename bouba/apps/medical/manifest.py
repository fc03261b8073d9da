"""A manifest's row -> the study and series that it is about, in pseudonyms, and its report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from bouba.apps.medical.deidentify import OLDEST_YEARS, Options, Pseudonyms, shifted
from bouba.apps.medical.header import About, Header
from bouba.apps.medical.reports import MOST_CHARACTERS, without_names
from bouba.errors import ManifestError, MediaTooLarge

SECTIONS = ("history", "findings", "impression")
_AGE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*(?:y|yo|years?|Y)?")


def report_of(cells: Mapping[str, str]) -> str:
    """`report` as it is, then the sections that have columns of their own; personal data left out as far as it is
    labelled. Raises MediaTooLarge."""
    parts = [cells["report"]] if "report" in cells else []
    parts += [f"{name.upper()}:\n{cells[name]}" for name in SECTIONS if name in cells]
    text = "\n".join(parts)
    if len(text) > MOST_CHARACTERS:
        raise MediaTooLarge(f"a report of {len(text):,} characters, the limit is {MOST_CHARACTERS:,}.")
    return without_names(text)


def about_row(
    cells: Mapping[str, str], header: Header | None, pseudonyms: Pseudonyms, options: Options, otherwise: str
) -> tuple[About, str]:
    """The study, and the series' pseudonym; what the row says goes before what its DICOM file says, and `otherwise`
    stands for a study that neither names. Raises ManifestError."""
    said = header.about if header is not None else None
    patient = cells.get("patient", "")
    study = pseudonyms.name("study", cells["study"]) if "study" in cells else ""
    about = About(
        study or (said.study if said else pseudonyms.name("study", otherwise)),
        pseudonyms.name("patient", patient) if patient else (said.patient if said else ""),
        _day(cells, patient or cells.get("study", otherwise), pseudonyms, options) or (said.date if said else ""),
        _years(cells, options) if "age" in cells else (said.age if said else None),
        cells.get("sex", "")[:1].upper() if options.characteristics else "",
    )
    named = cells.get("series")
    series = pseudonyms.name("series", f"{cells.get('study', '')}\0{named}") if named else ""
    return about, series or (header.series if header else pseudonyms.name("series", f"{about.study}\0{otherwise}"))


def _day(cells: Mapping[str, str], patient: str, pseudonyms: Pseudonyms, options: Options) -> str:
    if "date" not in cells or options.dates == "remove":
        return ""
    try:
        day = date.fromisoformat(cells["date"])
    except ValueError:
        raise ManifestError("its date is none: write it as 2024-03-31.") from None
    moved = shifted(day.strftime("%Y%m%d"), pseudonyms.days(patient) if options.dates == "shift" else 0)
    return f"{moved[:4]}-{moved[4:6]}-{moved[6:8]}" if moved else ""


def _years(cells: Mapping[str, str], options: Options) -> float | None:
    if not options.characteristics:
        return None
    found = _AGE.fullmatch(cells["age"])
    if not found:
        raise ManifestError("its age is no number of years.")
    return min(float(found[1]), OLDEST_YEARS + 1.0)
