"""What reports say: segments of sentences with their status, searched by words and by vectors."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps.medical.negation import Status
from bouba.apps.medical.records import rows_of
from bouba.ranking.fusion import word_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    from bouba import Model
    from bouba.apps.medical.archive import Archive
    from bouba.types import Vectors

# Words that name nothing that could be found.
_EMPTY = frozenset(
    "a an the of in on at to for with and or is are was were be has have there this that these it its by from as any "
    "patient patients show shows showing seen scan scans image images find study studies evidence".split()
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Statement:
    """A segment of a sentence of a report."""

    id: int
    study: str
    section: str
    sentence: str  # all of it
    text: str  # the segment
    status: str

    def to_dict(self) -> dict[str, Any]:
        return {"section": self.section, "text": self.sentence, "part": self.text, "status": self.status}


@dataclass(frozen=True, slots=True)
class Statements:
    """Of some studies, in the order of the archive, with their vectors [n, dim]."""

    rows: Sequence[Statement]
    vectors: Vectors
    db: sqlite3.Connection

    @classmethod
    def of(cls, archive: Archive, db: sqlite3.Connection, studies: Set[str]) -> Statements:
        rows, vectors = _all(archive, db)
        keep = [n for n, row in enumerate(rows) if row.study in studies]
        return cls([rows[n] for n in keep], vectors[keep], db)

    def __len__(self) -> int:
        return len(self.rows)

    def of_status(self, statuses: Iterable[Status]) -> Statements:
        wanted = set(statuses)
        keep = [n for n, row in enumerate(self.rows) if row.status in wanted]
        return Statements([self.rows[n] for n in keep], self.vectors[keep], self.db)

    def coverage(self, text: str) -> npt.NDArray[np.float64]:
        """How much of a question's words each statement has, by their weight, 0 to 1 [n]; in any of their forms."""
        words = content_words(text)
        place = {row.id: n for n, row in enumerate(self.rows)}
        holding = [[place[id_] for id_ in self._with(word) if id_ in place] for word in words]
        weights = word_weights([len(rows) for rows in holding], max(1, len(self.rows)))
        covered = np.zeros(len(self.rows))
        for weight, rows in zip(weights, holding, strict=True):
            covered[rows] += weight
        return covered / weights.sum() if weights.sum() > 0 else covered

    def holding(self, text: str) -> list[Statement]:
        """Those that have all the words of a finding, in any of their forms."""
        words = content_words(text)
        if not words:
            return []
        ids = set.intersection(*(set(self._with(word)) for word in words))
        return [row for row in self.rows if row.id in ids]

    def _with(self, word: str) -> list[int]:
        """FTS5 compares stems (Porter): "effusions" has "effusion"."""
        query = "SELECT rowid FROM words WHERE words MATCH ?"
        return [row[0] for row in self.db.execute(query, (f'"{word}"',))]


def _all(archive: Archive, db: sqlite3.Connection) -> tuple[Sequence[Statement], Vectors]:
    """Those of an archive, as they were read last where nothing has been added since."""
    model, place = archive.gallery.model, str(archive.records.path)
    newest = db.execute("SELECT count(*), max(id) FROM segment").fetchone()
    key = db.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
    state = (newest, key, model.fingerprint)
    if place not in _read or _read[place][0] != state:
        _read[place] = (state, *_fresh(db, model))
    return _read[place][1:]


_read: dict[str, tuple[Any, Sequence[Statement], Vectors]] = {}  # by the file that they were read from


def _fresh(db: sqlite3.Connection, model: Model) -> tuple[Sequence[Statement], Vectors]:
    """Those that another model has encoded, before the gallery went over to this one, are encoded anew."""
    query = (
        "SELECT segment.id, study, section, sentence.text AS sentence, segment.text, status, vector, model "
        "FROM segment JOIN sentence ON sentence = sentence.id JOIN report ON report = report.id ORDER BY segment.id"
    )
    found = rows_of(db, query)
    vectors = np.zeros((len(found), model.dim), np.float32)
    others = [n for n, row in enumerate(found) if row["model"] != model.fingerprint]
    for n, row in enumerate(found):
        blob, made_by = row.pop("vector"), row.pop("model")
        if made_by == model.fingerprint:
            vectors[n] = np.frombuffer(blob, np.float16)
    if others:
        vectors[others] = model.encode_text([found[n]["text"] for n in others])
    return [Statement(**row) for row in found], vectors


def content_words(text: str) -> list[str]:
    return [word for word in dict.fromkeys(_WORD.findall(text.lower())) if word not in _EMPTY]
