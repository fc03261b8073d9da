"""A radiology report -> its sections, their sentences, and what each sentence says is there, is not, or may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bouba.apps.medical.negation import PRESENT, Segment, Status, segments

MOST_CHARACTERS = 100_000  # of one report
REPORT = "report"  # the section of what stands under no heading

_SECTIONS = {
    "findings": "findings", "finding": "findings", "description": "findings", "observations": "findings",
    "impression": "impression", "impressions": "impression", "conclusion": "impression", "conclusions": "impression",
    "opinion": "impression", "summary": "impression", "diagnosis": "impression", "assessment": "impression",
    "history": "history", "clinical history": "history", "clinical information": "history",
    "indication": "indication", "indications": "indication", "reason for exam": "indication",
    "reason for examination": "indication", "clinical question": "indication",
    "technique": "technique", "procedure": "technique", "protocol": "technique",
    "comparison": "comparison", "comparisons": "comparison", "recommendation": "recommendation",
    "recommendations": "recommendation", "report": REPORT,
}  # fmt: skip
# What a section says of the patient now: a history is past, an indication is a question.
_MEANT = {
    "history": Status.HISTORICAL,
    "comparison": Status.HISTORICAL,
    "indication": Status.HYPOTHETICAL,
    "technique": Status.HYPOTHETICAL,
    "recommendation": Status.HYPOTHETICAL,
}
_NAMES = "|".join(sorted(map(re.escape, _SECTIONS), key=len, reverse=True))
_HEADING = re.compile(rf"(?:^|(?<=[\n.;]))[ \t]*({_NAMES})[ \t]*(?::|\n|-[ \t])", re.IGNORECASE)
_LINE = re.compile(r"\n\s*(?:[-*•▪●]|\(?\d{1,2}[.)])\s+|\n\s*\n|[•▪●]")
_END = re.compile(r"(?<=[.!?])[\"')\]]?(?:\s+(?=[A-Z0-9\"'(])|(?=[A-Z][a-z]))")
_ABBREVIATED = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|prof|vs|no|fig|approx|ca|e\.g|i\.e|etc|resp|st|incl|cf)|\b[A-Z])\.$", re.IGNORECASE
)

# What names somebody within a text: labels with their values, titles with names, and numbers that are addresses.
_PERSONAL = (
    re.compile(
        r"(?im)\b(?:patient(?:'s)? name|name|mrn|medical record (?:number|no\.?)|patient id|dob|date of birth|accession"
        r"(?: number| no\.?)?|ssn|address|phone|referring physician|attending|radiologist|dictated by|signed by|"
        r"electronically signed(?: by)?)[ \t]*[:#][ \t]*[^\n;]+"
    ),
    re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof)\.?[ \t]+(?:[A-Z][\w'-]+)(?:[ \t]+[A-Z][\w'-]+)?"),
    re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"),
    re.compile(r"(?<!\d)(?:\+?\d{1,3}[ .-])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)"),
    re.compile(r"\b\d{3}-\d{2}-\d{4}\b"),
    re.compile(r"\b(?:\d{1,2}[/.-]\d{1,2}[/.-](?:19|20)?\d{2}|(?:19|20)\d{2}-\d{2}-\d{2})\b"),
)
REMOVED = "[removed]"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One of a report, with what it says."""

    section: str
    text: str

    def segments(self) -> list[Segment]:
        """Runs of words with their status, as the section has them meant."""
        found = segments(self.text)
        meant = _MEANT.get(self.section)
        if meant is None:
            return found
        return [Segment(one.text, meant if one.status in PRESENT else one.status) for one in found]


def sentences(report: str) -> list[Sentence]:
    """In order; headings are the sections, not part of the text."""
    return [Sentence(section, text) for section, body in sections(report) for text in _split(body)]


def sections(report: str) -> Iterator[tuple[str, str]]:
    """Each section's name and text; what stands before the first heading is of the section "report"."""
    text = report.replace("\r\n", "\n").replace("\r", "\n")
    headings = list(_HEADING.finditer(text))
    starts = [(0, 0, REPORT)] + [(one.start(), one.end(), _SECTIONS[one[1].lower()]) for one in headings]
    for (_, begin, name), following in zip(starts, [*starts[1:], None], strict=True):
        body = text[begin : following[0] if following else len(text)].strip()
        if body:
            yield name, body


def _split(body: str) -> Iterator[str]:
    for paragraph in _LINE.split("\n" + body):
        held = ""
        for part in _END.split(re.sub(r"\s+", " ", paragraph).strip()):
            held = f"{held} {part}" if held else part
            if not _ABBREVIATED.search(held):
                yield from _worth(held)
                held = ""
        yield from _worth(held)


def _worth(text: str) -> list[str]:
    return [text] if re.search(r"[^\W\d]", text) else []


def without_names(report: str) -> str:
    """Without what is labelled as personal, titles with names, telephone numbers, addresses of mail and dates.

    A net with large meshes: a name that stands alone in a sentence goes through."""
    for pattern in _PERSONAL:
        report = pattern.sub(REMOVED, report)
    return report
