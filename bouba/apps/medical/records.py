"""medical.sqlite: studies, their series and pictures, reports with their sentences. Pseudonyms, no identifiers.

One connection an operation, write-ahead log, every change one transaction: threads and processes may share the file,
and what was reported done survives a crash."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps.medical.header import About
from bouba.apps.medical.reports import Sentence
from bouba.errors import StoreUnavailable
from bouba.sqlite import opened, told, transaction

if TYPE_CHECKING:
    from bouba.types import Vectors

VERSION = 1
MEND = "Restore it from a backup, or delete it and import again."
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE study (id TEXT PRIMARY KEY, patient TEXT, date TEXT, age REAL, sex TEXT) WITHOUT ROWID;
CREATE TABLE series (id TEXT PRIMARY KEY, study TEXT NOT NULL REFERENCES study, modality TEXT, body_part TEXT,
                     slices INTEGER) WITHOUT ROWID;
CREATE TABLE image (item TEXT, series TEXT REFERENCES series, number INTEGER, written INTEGER, masked INTEGER,
                    PRIMARY KEY (item, series)) WITHOUT ROWID;
CREATE TABLE report (id INTEGER PRIMARY KEY, study TEXT NOT NULL REFERENCES study, digest TEXT, UNIQUE (study, digest));
CREATE TABLE sentence (id INTEGER PRIMARY KEY, report INTEGER NOT NULL REFERENCES report, section TEXT, text TEXT);
CREATE TABLE segment (id INTEGER PRIMARY KEY, sentence INTEGER NOT NULL REFERENCES sentence, text TEXT, status TEXT,
                      vector BLOB, model TEXT);
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = "porter unicode61");
CREATE TABLE source (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX series_study ON series (study);
CREATE INDEX image_series ON image (series);
CREATE INDEX sentence_report ON sentence (report);
CREATE INDEX segment_sentence ON segment (sentence);
"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A representative slice."""

    item: str  # its id in the gallery
    number: int  # within its series, from 1
    written: int  # lines of writing that were found in it
    masked: bool


@dataclass(frozen=True, slots=True)
class Filed:
    """What is known of one series after its pictures are in the gallery; also a report alone."""

    about: About
    series: str = ""
    modality: str = ""
    body_part: str = ""
    slices: int = 0
    pictures: tuple[Picture, ...] = ()
    report: tuple[Sentence, ...] = ()
    report_digest: str = ""
    sources: tuple[str, ...] = ()  # digests of the files, under the archive's key


class Records:
    """Of one archive. Before anything is filed there is no file, and everything is empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with told(self.path, MEND), closing(self._connection(self.path.exists())) as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        with told(self.path, MEND), closing(self._connection(True)) as db, transaction(db):
            yield db

    def key(self) -> bytes:
        """The secret that pseudonyms are made with: kept here, and made when it is first needed."""
        with self.reading() as db:
            found = db.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
        if found:
            return bytes(found[0])
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO meta VALUES ('key', ?)", (secrets.token_bytes(32),))
            return bytes(db.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()[0])

    def known(self, digest: str) -> bool:
        """Whether a file was imported before."""
        with self.reading() as db:
            return db.execute("SELECT 1 FROM source WHERE digest = ?", (digest,)).fetchone() is not None

    def file(self, filed: Sequence[Filed], vectors: Sequence[Vectors], fingerprint: str) -> None:
        """All of them or none. `vectors` [segments, dim] of each one's report, in order, by the model of that name."""
        with self.writing() as db:
            for one, of_report in zip(filed, vectors, strict=True):
                _file(db, one, of_report, fingerprint)

    def _connection(self, there: bool) -> sqlite3.Connection:
        try:
            return opened(self.path if there else None, _SCHEMA, VERSION)
        except OSError as error:
            raise StoreUnavailable(f"{self.path} cannot be written: {error.strerror}.") from error


def _file(db: sqlite3.Connection, one: Filed, vectors: Vectors, fingerprint: str) -> None:
    about = one.about
    db.execute(
        "INSERT INTO study VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "patient = coalesce(nullif(patient, ''), excluded.patient), date = coalesce(nullif(date, ''), excluded.date), "
        "age = coalesce(age, excluded.age), sex = coalesce(nullif(sex, ''), excluded.sex)",
        (about.study, about.patient, about.date, about.age, about.sex),
    )
    if one.series:
        db.execute(
            "INSERT INTO series VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET slices = slices + excluded.slices",
            (one.series, about.study, one.modality, one.body_part, one.slices),
        )
    rows = [(picture.item, one.series, picture.number, picture.written, picture.masked) for picture in one.pictures]
    db.executemany("INSERT OR IGNORE INTO image VALUES (?, ?, ?, ?, ?)", rows)
    db.executemany("INSERT OR IGNORE INTO source VALUES (?)", [(digest,) for digest in one.sources])
    if one.report:
        _file_report(db, one, vectors, fingerprint)


def _file_report(db: sqlite3.Connection, one: Filed, vectors: Vectors, fingerprint: str) -> None:
    """Once for each study, however often it comes."""
    put = db.execute("INSERT OR IGNORE INTO report (study, digest) VALUES (?, ?)", (one.about.study, one.report_digest))
    if not put.rowcount:
        return
    report, row = put.lastrowid, 0
    for sentence in one.report:
        place = db.execute(
            "INSERT INTO sentence (report, section, text) VALUES (?, ?, ?)", (report, sentence.section, sentence.text)
        ).lastrowid
        for segment in sentence.segments():
            blob = vectors[row].astype(np.float16).tobytes()
            put = db.execute(
                "INSERT INTO segment (sentence, text, status, vector, model) VALUES (?, ?, ?, ?, ?)",
                (place, segment.text, segment.status, blob, fingerprint),
            )
            db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (put.lastrowid, segment.text))
            row += 1


def rows_of(db: sqlite3.Connection, query: str, given: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    cursor = db.execute(query, given)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
