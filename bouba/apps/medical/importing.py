"""Files -> an archive: read, de-identified, one series after the other; each file is imported or refused with a reason.

No original identifier is kept or told: messages name a file as the caller did, the archive keeps pseudonyms."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from bouba.apps.medical.burned import masked, writing
from bouba.apps.medical.deidentify import Options, Pseudonyms
from bouba.apps.medical.dicom import is_dicom, read_dicom
from bouba.apps.medical.header import Header, header_of
from bouba.apps.medical.manifest import about_row, report_of
from bouba.apps.medical.pixels import rendered
from bouba.apps.medical.records import Filed
from bouba.apps.medical.reports import sentences
from bouba.apps.medical.series import Slice, representatives
from bouba.apps.medical.sources import Entry, Row, listed
from bouba.errors import BoubaError, MediaUnsupported
from bouba.media import decode_image

if TYPE_CHECKING:
    from PIL.Image import Image

    from bouba.apps.medical.archive import Archive

Writing = Literal["mask", "report", "refuse"]
SLICES = 3  # of a series, by default
BATCH = 64  # pictures that are encoded and committed together
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM", b"II*\0", b"MM\0*")


@dataclass(frozen=True, slots=True)
class Wish:
    """How an import is done. `writing`: what becomes of a picture in which writing was found."""

    options: Options = field(default_factory=Options)
    writing: Writing = "mask"
    slices: int = SLICES


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not imported, by the name that the caller gave it, and why."""

    name: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        return {"name": self.name, "reason": self.reason}


@dataclass(slots=True)
class ImportReport:
    """Every file is one of `imported`, `known` and `refused`."""

    imported: int = 0  # files that are in the archive now, with those that others of their series stand for
    known: int = 0  # files that were imported before
    refused: list[Refusal] = field(default_factory=list)
    studies: set[str] = field(default_factory=set)
    series: int = 0
    pictures: int = 0  # representative slices in the gallery
    reports: int = 0
    written: int = 0  # pictures in which writing was found
    masked: int = 0

    def to_dict(self) -> dict[str, Any]:
        counts = ("imported", "known", "series", "pictures", "reports", "written", "masked")
        return {
            **{name: getattr(self, name) for name in counts},
            "studies": sorted(self.studies),
            "refused": [one.to_dict() for one in self.refused],
        }


@dataclass(frozen=True, slots=True)
class _File:
    entry: Entry
    digest: str
    header: Header


def import_(
    archive: Archive, sources: Iterable[str | PathLike[str]], wish: Wish, progress: Callable[[int, int], None]
) -> ImportReport:
    """Raises MediaMissing, ManifestError, MedicalMissing, StoreUnavailable; all else is in the report."""
    work = _Work(archive, wish, progress)
    groups: dict[str, list[_File]] = {}
    for one in listed(sources):
        if isinstance(one, Row):
            work.row(one)
        elif (file := work.opened(one)) is not None:
            groups.setdefault(file.header.series, []).append(file)
    for files in groups.values():
        work.series(files)
    work.flush()
    return work.report


class _Work:
    """One run: what waits for a commit, and what was reported."""

    def __init__(self, archive: Archive, wish: Wish, progress: Callable[[int, int], None]) -> None:
        self._archive, self._wish, self._progress = archive, wish, progress
        self._pseudonyms: Pseudonyms = archive.pseudonyms
        self._waiting: list[tuple[Filed, list[tuple[Slice, bytes, int, bool]]]] = []
        self._done = 0
        self._seen: set[str] = set()
        self.report = ImportReport()

    def opened(self, entry: Entry) -> _File | None:
        """A DICOM file's header; None where the file is known or refused."""
        try:
            data = entry.read()
            digest = self._digest(data)
            if self._again(digest):
                return None
            if not is_dicom(data) and data.startswith(_PICTURES):
                raise MediaUnsupported("a picture without a word about it: name it in a manifest, with its report.")
            header = header_of(read_dicom(data, pixels=False), self._pseudonyms, self._wish.options, digest)
            self._seen.add(digest)
            return _File(entry, digest, header)
        except BoubaError as error:
            self._refuse(entry.name, error)
            return None

    def row(self, row: Row) -> None:
        """A line of a manifest."""
        try:
            if row.fault is not None:
                raise row.fault
            data = row.image.read() if row.image is not None else b""
            digest = self._digest(data + b"\0" + repr(sorted(row.cells.items())).encode())
            if self._again(digest):
                return
            report = report_of(row.cells)
            header = None
            if is_dicom(data):
                header = header_of(read_dicom(data, pixels=False), self._pseudonyms, self._wish.options, digest)
            about, series = about_row(row.cells, header, self._pseudonyms, self._wish.options, self._digest(data))
            told = header is not None and header.burned_in
            pictures = [(Slice(0, 0, 1), *self._prepared(_shown(data), told))] if row.image is not None else []
            self._file(
                Filed(
                    about,
                    series if row.image is not None else "",
                    row.cells.get("modality", header.modality if header else "").upper()[:16],
                    row.cells.get("body_part", header.body_part if header else "").lower()[:64],
                    1,
                    report=tuple(sentences(report)),
                    report_digest=self._digest(report.encode()),
                    sources=(digest,),
                ),
                pictures,
            )
            self._seen.add(digest)
        except BoubaError as error:
            self._refuse(row.name, error)

    def series(self, files: Sequence[_File]) -> None:
        """The files of one series; one that cannot be shown is refused, and others stand for the series."""
        files = list(files)
        prepared: dict[tuple[str, int], tuple[bytes, int, bool]] = {}
        while files:
            chosen = representatives([file.header for file in files], self._wish.slices)
            try:
                at = chosen[0]
                for at in chosen:
                    place = (files[at.file].digest, at.frame)
                    if place not in prepared:
                        file = files[at.file]
                        prepared[place] = self._prepared(self._frame(file, at.frame), file.header.burned_in)
                break
            except BoubaError as error:
                self._refuse(files.pop(at.file).entry.name, error)
        if files:
            first = files[0].header
            slices = sum(file.header.frames for file in files)
            pictures = [(at, *prepared[files[at.file].digest, at.frame]) for at in chosen]
            sources = tuple(file.digest for file in files)
            about = Filed(first.about, first.series, first.modality, first.body_part, slices, sources=sources)
            self._file(about, pictures)

    def flush(self) -> None:
        """Encode and commit what waits: first the pictures, then, in one transaction, what is known of them."""
        waiting, self._waiting = self._waiting, []
        filed = self._archive._file(waiting)
        for before, after in zip((one for one, _ in waiting), filed, strict=True):
            if isinstance(after, BoubaError):
                self.report.refused.append(Refusal("a series", str(after)))
                continue
            self.report.imported += len(before.sources)
            self.report.studies.add(after.about.study)
            self.report.series += bool(after.series)
            self.report.reports += bool(after.report)
            self.report.pictures += len(after.pictures)
            self.report.written += sum(picture.written > 0 for picture in after.pictures)
            self.report.masked += sum(picture.masked for picture in after.pictures)
            self._advance(len(before.sources))

    def _file(self, filed: Filed, pictures: list[tuple[Slice, bytes, int, bool]]) -> None:
        self._waiting.append((filed, pictures))
        if sum(len(pictures) for _, pictures in self._waiting) >= BATCH:
            self.flush()

    def _frame(self, file: _File, frame: int) -> Image:
        return rendered(read_dicom(file.entry.read()), frame)

    def _prepared(self, picture: Image, told: bool) -> tuple[bytes, int, bool]:
        """As a PNG file with nothing but pixels, how many lines of writing it has, and whether they are masked. Where a
        file has `told` of writing and none is found, one line is counted, which stays."""
        lines = writing(picture)
        count = len(lines) or int(told)
        if count and self._wish.writing == "refuse":
            raise MediaUnsupported("there is writing in the picture. --writing mask masks what is found of it.")
        mask = bool(lines) and self._wish.writing == "mask"
        out = BytesIO()
        (masked(picture, lines) if mask else picture).save(out, "PNG")
        return out.getvalue(), count, mask

    def _again(self, digest: str) -> bool:
        """Whether the very same file is there already, or was named twice."""
        if digest not in self._seen and not self._archive.records.known(digest):
            return False
        self.report.known += 1
        self._advance(1)
        return True

    def _digest(self, data: bytes) -> str:
        """Under the archive's key, so that nobody can tell from it which file that was."""
        return hmac.digest(self._pseudonyms.key, data, hashlib.sha256).hex()[:32]

    def _refuse(self, name: str, error: BoubaError) -> None:
        self.report.refused.append(Refusal(name, str(error)))
        self._advance(1)

    def _advance(self, files: int) -> None:
        self._done += files
        self._progress(self._done, 0)


def _shown(data: bytes) -> Image:
    """The pixels of a picture in a usual format, or of a DICOM file."""
    if is_dicom(data):
        return rendered(read_dicom(data))
    return decode_image(data).rgb
