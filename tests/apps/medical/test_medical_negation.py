"""What sentences say is there and what is not: written down before the triggers were tuned, and held out."""

from __future__ import annotations

import pytest

from benchmarks.medical.negation import sentences
from bouba.apps.medical.negation import Status, segments, status_of
from bouba.apps.medical.reports import REMOVED, without_names
from bouba.apps.medical.reports import sentences as split


@pytest.mark.parametrize("name", ["held out", "tuned on"])
def test_sentences_with_negation(name: str) -> None:
    rows = sentences(name)
    right = [status_of(text, finding) == status for status, finding, text in rows]
    assert len(rows) >= 60
    assert sum(right) >= 0.95 * len(rows)


def test_a_sentence_falls_into_what_is_and_what_is_not() -> None:
    found = segments("Dense consolidation in the right lower lobe without effusion, but a nodule is seen.")
    assert [(one.text, one.status) for one in found] == [
        ("Dense consolidation in the right lower lobe", Status.AFFIRMED),
        ("effusion", Status.NEGATED),
        ("a nodule is seen", Status.AFFIRMED),
    ]


def test_a_finding_that_is_not_there_has_no_status() -> None:
    assert status_of("No effusion.", "fracture") is None
    assert segments("") == []
    assert segments("...") == []


def test_a_report_falls_into_sections_and_sentences() -> None:
    findings = "FINDINGS: 1. Approx. 3.5 cm mass.\n2. No effusion\n"
    report = f"45 yo man. CLINICAL HISTORY: Fall.\n{findings}IMPRESSION: Mass vs. cyst."
    assert [(one.section, one.text) for one in split(report)] == [
        ("report", "45 yo man."),
        ("history", "Fall."),
        ("findings", "Approx. 3.5 cm mass."),
        ("findings", "No effusion"),
        ("impression", "Mass vs. cyst."),
    ]


def test_a_history_is_past_and_an_indication_is_a_question() -> None:
    said = [one.segments()[0].status for one in split("HISTORY: Stroke.\nINDICATION: Tumor.\nFINDINGS: Abscess.")]
    assert said == [Status.HISTORICAL, Status.HYPOTHETICAL, Status.AFFIRMED]


def test_what_is_labelled_as_personal_goes() -> None:
    report = (
        "Patient Name: Jane Doe\nMRN: 4711\nFindings discussed with Dr. John Smith on 03/02/2024, call 555-123-4567."
    )
    clean = without_names(report)
    assert not any(one in clean for one in ("Jane", "4711", "Smith", "2024", "4567"))
    assert clean.count(REMOVED) == 5
    assert without_names("No effusion.") == "No effusion."
