"""Words, a report or a scan -> studies; a scan -> reports.

A study is judged by three kinds of evidence, each in standard deviations of what was found, and added up, as
`bouba.ranking.fusion` has it: the words of what its reports affirm, how near those statements are, and how near its
slices are. What a report denies is never evidence: it is what `ruled_out` tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps.medical.answers import Answer, Only, ReportAnswer, ReportHit, Slice, StudyHit
from bouba.apps.medical.errors import StudyUnknown
from bouba.apps.medical.negation import PRESENT, Status, segments
from bouba.apps.medical.records import rows_of
from bouba.apps.medical.reports import sentences
from bouba.apps.medical.statements import Statement, Statements
from bouba.errors import MediaError, QueryError
from bouba.ranking.fusion import STRENGTH
from bouba.types import Query

if TYPE_CHECKING:
    import sqlite3

    import numpy.typing as npt

    from bouba.apps.medical.archive import Archive
    from bouba.types import ImageSource, Vectors

NEAREST = 200  # pictures that are looked at for an answer
NEAREST_STATEMENTS = 3  # of a report, by which a scan judges it
MOST_K = 200
PICTURES = 0.5  # what a standard deviation of a picture's nearness counts beside one of a statement's
REPORT_WORDS = 40  # a longer text is taken for a report
_ITEM = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A text, as it is taken: what is to be there, and what is not."""

    wanted: str
    denied: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Asked:
        """Of a report only what it affirms; of a question also what it denies ("nodule without effusion")."""
        if len(text.split()) > REPORT_WORDS:
            in_order = sorted(sentences(text), key=lambda one: one.section != "impression")  # what matters most first
            said = [one for sentence in in_order for one in sentence.segments() if one.status in PRESENT]
            if not said:
                raise QueryError("The report affirms nothing that could be looked for.")
            note = f"Taken for a report: {len(said)} statements of it are looked for, what it denies is not."
            return cls(" ".join(one.text for one in said), (), (note,))
        found = segments(text)
        denied = tuple(one.text for one in found if one.status is Status.NEGATED)
        wanted = " ".join(one.text for one in found if one.status is not Status.NEGATED)
        if denied and wanted:
            return cls(wanted, denied, (f"Studies with {', '.join(denied)} are left out.",))
        if denied:
            return cls("", denied, ("Looked for in what reports deny; pictures are not searched.",))
        return cls(wanted or text, ())


@dataclass(slots=True)
class _Found:
    """What speaks for each study."""

    score: dict[str, float] = field(default_factory=dict)
    sentence: dict[str, tuple[float, Statement]] = field(default_factory=dict)
    slices: dict[str, Slice] = field(default_factory=dict)

    def says(self, statement: Statement, evidence: float) -> None:
        before = self.sentence.get(statement.study)
        if before is None or evidence > before[0]:
            self.sentence[statement.study] = (evidence, statement)


def search(archive: Archive, text: str | None, image: ImageSource | None, k: int, only: Only) -> Answer:
    _check(k)
    if (text is None or not text.strip()) and image is None:
        raise QueryError("Nothing was asked: give words, a report, or a picture.")
    asked = Asked.of(text) if text is not None and text.strip() else Asked("", ())
    with archive.records.reading() as db:
        there = _pictures(db, only)
        statements = Statements.of(archive, db, {one["study"] for one in there.values()} | _studies(db, only))
        found = _Found()
        said = statements.of_status(PRESENT)
        if asked.wanted:
            _add_statements(found, said, asked.wanted, archive)
        elif asked.denied:
            _add_statements(found, statements.of_status({Status.NEGATED}), " ".join(asked.denied), archive)
        if asked.wanted or image is not None:
            _add_slices(found, archive, Query(asked.wanted or None, image), there)
        out = _left_out(said, asked)
        ruled = _ruled_out(said, statements.of_status({Status.NEGATED}), asked)
        return _answer(db, found, out, ruled, asked, k)


def _add_statements(found: _Found, said: Statements, text: str, archive: Archive) -> None:
    """By words and by vectors; of each study the best statement counts."""
    if not len(said):
        return
    cosines = said.vectors @ archive.gallery.encode(Query(text))
    evidence = np.maximum(0.0, _standardised(cosines)) + STRENGTH * said.coverage(text)
    for row in np.argsort(-evidence, kind="stable")[: 20 * NEAREST]:
        found.says(said.rows[row], float(evidence[row]))
    for study, (value, _) in found.sentence.items():
        found.score[study] = found.score.get(study, 0.0) + value


def _add_slices(found: _Found, archive: Archive, query: Query, there: Mapping[str, Mapping[str, Any]]) -> None:
    """The nearest pictures of the studies that may be found."""
    if not there:
        return
    hits = [hit for hit in archive.gallery.search(query, k=NEAREST, raw=True) if hit.id in there]
    if len(hits) < NEAREST // 4 and len(there) > len(hits):  # the filter leaves few: those are asked for themselves
        hits = [
            hit for hit in archive.gallery.search(query, k=NEAREST, raw=True, where=_among(there)) if hit.id in there
        ]
    if not hits:
        return
    evidence = np.maximum(0.0, _standardised(np.array([hit.score for hit in hits])))
    for hit, value in zip(hits, evidence, strict=True):
        for one in there[hit.id]["of"]:
            if one["study"] not in found.slices:
                found.slices[one["study"]] = Slice(hit.id, one["series"], one["number"], one["slices"], hit.score)
                found.score[one["study"]] = found.score.get(one["study"], 0.0) + PICTURES * float(value)


def _among(ids: Iterable[str]) -> str:
    return "id in ({})".format(", ".join(f'"{one}"' for one in list(ids)[:2000]))


def _standardised(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    spread = float(values.std())
    return np.asarray((values - np.median(values)) / spread if spread > 0 else np.zeros(len(values)), np.float64)


def _left_out(said: Statements, asked: Asked) -> set[str]:
    """Studies that have what the question says is not to be there."""
    return {row.study for text in asked.denied if asked.wanted for row in said.holding(text)}


def _ruled_out(said: Statements, denied: Statements, asked: Asked) -> dict[str, Statement]:
    if not asked.wanted:
        return {}
    affirmed = {row.study for row in said.holding(asked.wanted)}
    return {row.study: row for row in denied.holding(asked.wanted) if row.study not in affirmed}


def _answer(
    db: sqlite3.Connection, found: _Found, out: set[str], ruled: Mapping[str, Statement], asked: Asked, k: int
) -> Answer:
    order = sorted(found.score, key=lambda study: (-found.score[study], study))
    best = [study for study in order if study not in out and study not in ruled][:k]
    about = _about(db, [*best, *ruled])
    hits = [
        StudyHit(
            rank, study, found.score[study], about[study], _sentence(found, study), _slice(db, found, study)
        )
        for rank, study in enumerate(best, 1)
    ]  # fmt: skip
    denying = [
        StudyHit(rank, study, 0.0, about[study], row, _slice(db, found, study))
        for rank, (study, row) in enumerate(list(ruled.items())[:k], 1)
    ]
    return Answer(tuple(hits), tuple(denying), asked.notes)


def _sentence(found: _Found, study: str) -> Statement | None:
    return found.sentence[study][1] if study in found.sentence else None


def _slice(db: sqlite3.Connection, found: _Found, study: str) -> Slice | None:
    """The one that matched, else the middle one of the study."""
    if study in found.slices:
        return found.slices[study]
    query = (
        "SELECT item, series, number, slices FROM image JOIN series ON series = series.id WHERE study = ? "
        "ORDER BY abs(2 * number - slices), series LIMIT 1"
    )
    rows = rows_of(db, query, (study,))
    return Slice(**rows[0], score=0.0) if rows else None


def likely_reports(archive: Archive, scan: str | ImageSource, k: int, only: Only) -> ReportAnswer:
    """By the mean of the three statements of a report that come nearest to the scan."""
    _check(k)
    vector, own = _scanned(archive, scan)
    with archive.records.reading() as db:
        studies = {one["study"] for one in _pictures(db, only).values()} | _studies(db, only)
        said = Statements.of(archive, db, studies).of_status(PRESENT)
        if not len(said):
            return ReportAnswer(())
        cosines = said.vectors @ vector
        best = _best_statements(said.rows, cosines)
        scores = {study: float(np.mean([cosine for cosine, _ in of_one])) for study, of_one in best.items()}
        order = sorted(scores, key=lambda study: (-scores[study], study))[:k]
        about = _about(db, order)
    return ReportAnswer(
        tuple(
            ReportHit(rank, study, scores[study], study in own, about[study], tuple(row for _, row in best[study]))
            for rank, study in enumerate(order, 1)
        )
    )


def _best_statements(rows: Sequence[Statement], cosines: npt.NDArray[Any]) -> dict[str, list[tuple[float, Statement]]]:
    """Of each study the three nearest, each from another sentence."""
    best: dict[str, dict[str, tuple[float, Statement]]] = {}
    for place in np.argsort(-cosines, kind="stable"):
        row = rows[place]
        of_study = best.setdefault(row.study, {})
        if len(of_study) < NEAREST_STATEMENTS:
            of_study.setdefault(row.sentence, (float(cosines[place]), row))
    return {study: list(of_study.values()) for study, of_study in best.items()}


def _scanned(archive: Archive, scan: str | ImageSource) -> tuple[Vectors, set[str]]:
    """A scan's vector, and the studies that it is of."""
    if isinstance(scan, str) and _ITEM.fullmatch(scan):
        with archive.records.reading() as db:
            query = "SELECT study FROM image JOIN series ON series = series.id WHERE item = ?"
            own = {row["study"] for row in rows_of(db, query, (scan,))}
        if not archive.gallery.known([scan]):
            raise StudyUnknown(f"There is no scan {scan}.")
        return archive.gallery.encode(Query(like=(scan,))), own
    try:
        return archive.gallery.encode(Query(image=scan)), set()
    except MediaError:
        if isinstance(scan, str) and re.fullmatch(r"[0-9a-f]{4,31}", scan):
            raise StudyUnknown(f"{scan}: a scan's id has 32 digits; a picture is named by its path.") from None
        raise


def _check(k: int) -> None:
    if not 1 <= k <= MOST_K:
        raise QueryError(f"k is {k}: ask for 1 to {MOST_K} studies.")


def _pictures(db: sqlite3.Connection, only: Only) -> dict[str, dict[str, Any]]:
    """The pictures that may be found, by their item; one may be of several studies."""
    condition, given = only.sql()
    query = (
        "SELECT item, series, number, slices, study FROM image JOIN series ON series = series.id "
        f"JOIN study ON study = study.id WHERE {condition}"
    )
    found: dict[str, dict[str, Any]] = {}
    for row in rows_of(db, query, given):
        found.setdefault(row["item"], {"study": row["study"], "of": []})["of"].append(row)
    return found


def _studies(db: sqlite3.Connection, only: Only) -> set[str]:
    """Those that have a series that fits; without conditions also those that have reports alone."""
    condition, given = only.sql()
    query = f"SELECT DISTINCT study.id FROM study LEFT JOIN series ON study = study.id WHERE {condition}"
    return {row["id"] for row in rows_of(db, query, given)}


def _about(db: sqlite3.Connection, studies: Sequence[str]) -> dict[str, dict[str, Any]]:
    marks = ", ".join("?" * len(studies))
    query = (
        "SELECT study.id, patient, date, age, sex, group_concat(DISTINCT modality) AS modality, "
        "group_concat(DISTINCT body_part) AS body_part FROM study LEFT JOIN series ON study = study.id "
        f"WHERE study.id IN ({marks}) GROUP BY study.id"
    )
    rows = rows_of(db, query, studies)
    return {
        row.pop("id"): {name: value or "" if name != "age" else value for name, value in row.items()} for row in rows
    }
