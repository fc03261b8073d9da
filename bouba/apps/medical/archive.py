"""A radiology archive on top of a gallery: studies with their series, pictures and reports, searched both ways."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.apps import file_of
from bouba.apps.medical.deidentify import Pseudonyms
from bouba.apps.medical.errors import StudyUnknown
from bouba.apps.medical.records import Filed, Picture, Records, rows_of
from bouba.errors import BoubaError, MediaCorrupt, StoreUnavailable

if TYPE_CHECKING:
    from bouba import Gallery
    from bouba.apps.medical.answers import Answer, Only, ReportAnswer
    from bouba.apps.medical.importing import ImportReport, Wish
    from bouba.apps.medical.series import Slice
    from bouba.types import AttributeValue, ImageSource, Vectors

SCANS = "scans"  # the folder beside the gallery with the de-identified pictures

Prepared = tuple["Slice", bytes, int, bool]  # a slice as PNG, how many lines of writing it has, whether masked


class Archive:
    """What a gallery holds of radiology. Pictures are items of the gallery; all else is in `medical.sqlite` beside it.

    Raises QueryError for a gallery in memory."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self.records = Records(file_of(gallery, "medical"))

    @property
    def pseudonyms(self) -> Pseudonyms:
        """The same for the same archive; made with it."""
        return Pseudonyms(self.records.key())

    def import_(
        self,
        sources: str | PathLike[str] | Iterable[str | PathLike[str]],
        wish: Wish | None = None,
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> ImportReport:
        """DICOM files in folders or ZIP archives, and manifests of pictures with reports; see docs/medical.md.

        Everything is de-identified on the way in; each file is imported, known or refused with the reason. What was
        counted by `progress` is safely kept. Raises MediaMissing for a source that is not there, ManifestError,
        MedicalMissing without pydicom, StoreUnavailable."""
        from bouba.apps.medical.importing import Wish, import_

        named = [sources] if isinstance(sources, str | PathLike) else sources
        return import_(self, named, wish or Wish(), progress)

    def search(
        self, text: str | None = None, *, image: ImageSource | None = None, k: int = 10, only: Only | None = None
    ) -> Answer:
        """Studies by words, by a whole report, or by a picture, best first: each with the sentence and the slice that
        matched, and apart from them the studies whose reports rule out what was asked.

        Raises QueryError, MediaError."""
        from bouba.apps.medical.answers import Only
        from bouba.apps.medical.searching import search

        return search(self, text, image, k, only or Only())

    def reports(self, scan: str | ImageSource, *, k: int = 5, only: Only | None = None) -> ReportAnswer:
        """The reports that a scan may belong to, the likeliest first. A scan is an item's id or a picture.

        Raises StudyUnknown for an id that is no item's, MediaError."""
        from bouba.apps.medical.answers import Only
        from bouba.apps.medical.searching import likely_reports

        return likely_reports(self, scan, k, only or Only())

    def study(self, name: str) -> dict[str, Any]:
        """Its series with their pictures, and its reports with their sentences; by its name or the first characters of
        it, or by the id of one of its pictures. Raises StudyUnknown."""
        with self.records.reading() as db:
            wanted = name.upper().removeprefix("S-").lower()
            query = (
                "SELECT * FROM study WHERE id LIKE ? OR id IN "
                "(SELECT study FROM series JOIN image ON series = series.id WHERE item = ?) LIMIT 2"
            )
            hexadecimal = wanted.isalnum() and len(wanted) >= 4
            found = rows_of(db, query, (f"S-{wanted}%" if hexadecimal else "", name))
            if len(found) != 1:
                why = "several studies begin so" if found else "there is no such study"
                raise StudyUnknown(f"{name!r:.60}: {why}. A study is named as in a search's answer, S-0123456789ab.")
            study = found[0]
            series = rows_of(db, "SELECT * FROM series WHERE study = ? ORDER BY id", (study["id"],))
            for one in series:
                del one["study"]
                one["pictures"] = rows_of(
                    db, "SELECT item, number, written, masked FROM image WHERE series = ? ORDER BY number", (one["id"],)
                )
            sentences = rows_of(
                db,
                "SELECT report, section, sentence.text, segment.text AS part, status FROM segment "
                "JOIN sentence ON sentence = sentence.id JOIN report ON report = report.id WHERE study = ? "
                "ORDER BY segment.id",
                (study["id"],),
            )
        return {**study, "series": series, "reports": _reports(sentences)}

    def info(self) -> dict[str, Any]:
        """Counts, and the modalities and body parts that there are."""
        with self.records.reading() as db:
            tables = {"studies": "study", "series": "series", "pictures": "image", "reports": "report"}
            counts = {name: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for name, table in tables.items()}
            statuses = rows_of(db, "SELECT status, count(*) AS count FROM segment GROUP BY status ORDER BY count DESC")
            values = {
                plural: rows_of(
                    db,
                    f"SELECT {column} AS value, count(DISTINCT study) AS studies FROM series WHERE {column} <> '' "
                    "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50",
                )
                for plural, column in (("modalities", "modality"), ("body_parts", "body_part"))
            }
            written = db.execute("SELECT count(*) FROM image WHERE written > 0 AND NOT masked").fetchone()[0]
        return {**counts, "with_writing": written, **values, "statements": {s["status"]: s["count"] for s in statuses}}

    def _file(self, waiting: Sequence[tuple[Filed, list[Prepared]]]) -> list[Filed | BoubaError]:
        """Pictures into the gallery, then, in one transaction, what is known of them. A series whose picture the
        gallery refuses is an error, and nothing of it is filed."""
        paths = {png: self._written(png) for _, pictures in waiting for _, png, _, _ in pictures}
        report = self.gallery.add(list(dict.fromkeys(paths.values()))) if paths else None
        failed = {failure.source: failure.message for failure in report.failures} if report else {}
        filed: list[Filed | BoubaError] = []
        attributes: dict[str, dict[str, AttributeValue | None]] = {}
        for one, pictures in waiting:
            if any(paths[png] in failed for _, png, _, _ in pictures):
                filed.append(MediaCorrupt("its picture could not be encoded."))
                continue
            kept = [Picture(_id(paths[png]), at.number, lines, mask) for at, png, lines, mask in pictures]
            filed.append(_with(one, kept))
            attributes |= {picture.item: _attributes(one) for picture in kept}
        self.gallery.update(attributes)
        good = [one for one in filed if isinstance(one, Filed)]
        self.records.file(good, self._encoded(good), self.gallery.model.fingerprint)
        return filed

    def _encoded(self, filed: Sequence[Filed]) -> list[Vectors]:
        """The segments of each one's report, [segments, dim]."""
        texts = [[segment.text for sentence in one.report for segment in sentence.segments()] for one in filed]
        vectors = self.gallery.model.encode_text([text for of_one in texts for text in of_one]) if any(texts) else None
        ends = np.cumsum([len(of_one) for of_one in texts])
        empty = np.zeros((0, self.gallery.model.dim), np.float32)
        return [empty if vectors is None else vectors[end - len(t) : end] for end, t in zip(ends, texts, strict=True)]

    def _written(self, png: bytes) -> str:
        """A picture kept beside the gallery, under the hash of its content."""
        assert self.gallery.folder is not None
        name = _content_id(png)
        path = self.gallery.folder.absolute() / SCANS / name[:2] / f"{name}.png"
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_suffix(f".{os.getpid()}.part")
                part.write_bytes(png)
                os.replace(part, path)
        except OSError as error:
            raise StoreUnavailable(f"{path.parent} cannot be written: {error.strerror}. Is there space?") from error
        return str(path)


def _content_id(data: bytes) -> str:
    """As the gallery names an item: the first 32 hexadecimal digits of the SHA-256."""
    import hashlib

    return hashlib.sha256(data).hexdigest()[:32]


def _id(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _with(one: Filed, pictures: Sequence[Picture]) -> Filed:
    from dataclasses import replace

    return replace(one, pictures=tuple(pictures))


def _attributes(one: Filed) -> dict[str, AttributeValue | None]:
    """What a gallery's own search can filter by."""
    from datetime import datetime

    about = one.about
    day = datetime.fromisoformat(about.date) if about.date else None
    return {
        "modality": one.modality or None,
        "body_part": one.body_part or None,
        "study": about.study,
        "study_date": day,
        "age": about.age,
    }


def _reports(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of segments -> reports with sentences with segments."""
    reports: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        said = reports.setdefault(row["report"], [])
        if not said or (said[-1]["section"], said[-1]["text"]) != (row["section"], row["text"]):
            said.append({"section": row["section"], "text": row["text"], "says": []})
        said[-1]["says"].append({"text": row["part"], "status": row["status"]})
    return [{"sentences": said} for said in reports.values()]
