"""An archive: what is imported, that it holds no identifier, and that it finds both ways."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bouba
from bouba.apps.medical import Archive, Only, StudyUnknown, Wish
from bouba.encoders import Model
from bouba.errors import AttributeTypeError, ManifestError, MediaMissing, QueryError

# The tiny model knows colours: these reports name them.
CASES = [
    {"image": "red.png", "study": "A", "report": "FINDINGS: A red mass. No green cyst.", "modality": "CT",
     "body_part": "Chest", "age": 30, "date": "2024-01-10", "patient": "p1", "sex": "F"},
    {"image": "green.png", "study": "B", "report": "FINDINGS: A green cyst without red mass.", "modality": "MR",
     "body_part": "Head", "age": "95 y", "date": "2024-01-20", "patient": "p1"},
    {"image": "blue.png", "study": "C", "report": "FINDINGS: Possible blue nodules. No effusion."},
]  # fmt: skip


@pytest.fixture
def manifest(photos: Path) -> Path:
    path = photos / "cases.jsonl"
    path.write_text("\n".join(map(json.dumps, CASES)), encoding="utf-8")
    return path


@pytest.fixture
def filled(archive: Archive, manifest: Path) -> Archive:
    report = archive.import_(manifest)
    assert (report.imported, report.pictures, report.reports, report.refused) == (3, 3, 3, [])
    return archive


def _name(archive: Archive, study: str) -> str:
    return archive.pseudonyms.name("study", study)


def test_every_file_of_pydicom_is_imported_or_refused_with_a_reason(archive: Archive, dicom_files: Path) -> None:
    files = [path for path in dicom_files.rglob("*") if path.is_file()]
    report = archive.import_(dicom_files)
    assert report.imported + report.known + len(report.refused) == len(files)
    assert report.imported > 80
    assert all(one.reason.endswith(".") and len(one.reason) > 10 for one in report.refused)
    assert report.pictures <= len(archive.gallery) + 40  # the same picture may stand in several series
    assert archive.info()["series"] == report.series


def test_a_second_run_imports_nothing(filled: Archive, manifest: Path) -> None:
    again = filled.import_(manifest)
    assert (again.imported, again.known, len(filled.gallery)) == (0, 3, 3)


def test_nothing_that_is_kept_names_anybody(archive: Archive, scan: Any, saved: Any) -> None:
    from pydicom.uid import generate_uid

    uid = generate_uid()
    dataset = scan(PatientName="Secretus^Nomen", PatientID="MRN4711", StudyInstanceUID=uid, StudyDate="20240301")
    source = saved(dataset, "Secretus/MRN4711.dcm")
    report = archive.import_(source.parent)
    assert report.imported == 1
    told = [b"Secretus", b"MRN4711", uid.encode(), b"20240301", b"2024-03-01", str(source.parent).encode()]
    kept = [path for path in archive.gallery.folder.rglob("*") if path.is_file()]
    assert len(kept) > 3
    for path in kept:
        data = path.read_bytes() + str(path.relative_to(archive.gallery.folder)).encode()
        assert not [secret for secret in told if secret in data], path


def test_three_slices_stand_for_a_series(archive: Archive, scan: Any, saved: Any) -> None:
    for number in range(10):
        pixels = np.random.default_rng(number).integers(0, 1000, (32, 32), np.uint16)
        dataset = scan(pixels, InstanceNumber=number, ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        dataset.ImagePositionPatient = [0, 0, -5.0 * number]
        folder = saved(dataset, f"{number}.dcm").parent
    (folder / "4.dcm").write_bytes((folder / "4.dcm").read_bytes()[:900])  # its pixels are cut off
    report = archive.import_(folder)
    assert (report.imported, report.series, report.pictures, len(report.refused)) == (9, 1, 3, 1)
    (series,) = archive.study(next(iter(report.studies)))["series"]
    assert series["slices"] == 9
    assert [picture["number"] for picture in series["pictures"]] == [2, 5, 8]


def test_a_zip_is_read_without_unpacking(archive: Archive, dicom_files: Path, tmp_path: Path) -> None:
    path = tmp_path / "studies.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(dicom_files / "test_files" / "MR_small.dcm", "../../a.dcm")
        packed.writestr("notes.txt", "Jane Doe")
    (tmp_path / "broken.zip").write_bytes(path.read_bytes()[:300])
    report = archive.import_([path, tmp_path / "broken.zip"])
    assert report.imported == 1
    assert [one.name for one in report.refused] == ["studies.zip/notes.txt", "broken.zip"]


def test_bad_rows_lose_nothing(archive: Archive, photos: Path) -> None:
    rows = [
        "{broken",
        json.dumps({"image": "gone.png"}),
        json.dumps({"report": "A mass."}),
        json.dumps({"image": "red.png", "date": "yesterday"}),
        json.dumps({"image": "red.png", "age": "old"}),
        json.dumps({"image": "red.png", "report": {"text": "A mass."}}),
        json.dumps({"image": "red.png", "report": "A mass."}),
    ]
    (photos / "cases.jsonl").write_text("\n".join(rows), encoding="utf-8")
    report = archive.import_(photos / "cases.jsonl")
    assert report.imported == 1
    assert [one.name for one in report.refused] == [f"cases.jsonl, line {n}" for n in range(1, 7)]
    (photos / "other.csv").write_text("name,colour\na,red\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="names no column of"):
        archive.import_(photos / "other.csv")
    with pytest.raises(MediaMissing):
        archive.import_(photos / "nowhere")


def test_a_report_joins_its_dicom_study(archive: Archive, scan: Any, saved: Any, tmp_path: Path) -> None:
    archive.import_(saved(scan(StudyInstanceUID="1.2.99"), "a.dcm"))
    (tmp_path / "reports.csv").write_text("study,findings\n1.2.99,A red mass.\n", encoding="utf-8")
    assert archive.import_(tmp_path / "reports.csv").reports == 1
    study = archive.study(_name(archive, "1.2.99"))
    assert len(study["series"]) == 1
    assert study["reports"][0]["sentences"][0]["text"] == "A red mass."


def test_what_reports_deny_is_kept_apart(filled: Archive) -> None:
    answer = filled.search("red mass")
    assert answer.hits[0].study == _name(filled, "A")
    assert answer.hits[0].sentence.sentence == "A red mass."
    assert _name(filled, "B") not in [hit.study for hit in answer.hits]
    assert [hit.study for hit in answer.ruled_out] == [_name(filled, "B")]
    assert answer.ruled_out[0].sentence.status == "negated"


def test_a_denial_finds_denials(filled: Archive) -> None:
    answer = filled.search("no effusion")
    assert answer.hits[0].study == _name(filled, "C")
    assert answer.hits[0].sentence.status == "negated"
    without = filled.search("mass without red")
    assert _name(filled, "A") not in [hit.study for hit in without.hits]


def test_words_are_found_in_their_forms(filled: Archive) -> None:
    assert filled.search("nodule").hits[0].study == _name(filled, "C")


def test_a_report_finds_its_scan_and_a_scan_its_report(filled: Archive, photos: Path) -> None:
    long = "FINDINGS: " + "There is no red mass and no blue nodule in the chest. " * 5 + "IMPRESSION: Green cyst."
    answer = filled.search(long)
    assert answer.hits[0].study == _name(filled, "B")
    assert "Taken for a report" in answer.notes[0]
    likely = filled.reports(answer.hits[0].slice.item)
    assert likely.hits[0].study == _name(filled, "B")
    assert likely.hits[0].own
    assert filled.reports(str(photos / "red.png")).hits[0].study == _name(filled, "A")
    assert filled.search(image=photos / "blue.png").hits[0].study == _name(filled, "C")


@pytest.mark.parametrize(
    ("only", "studies"),
    [
        (Only(modality="ct"), "A"),
        (Only(body_part="hea"), "B"),
        (Only(youngest=31), "B"),
        (Only(oldest=89), "A"),
        (Only(modality="US"), ""),
    ],
)
def test_only_some_studies(filled: Archive, photos: Path, only: Only, studies: str) -> None:
    found = filled.search("red green blue", only=only)
    wanted = {_name(filled, one) for one in studies}
    assert {hit.study for hit in found.hits} == wanted
    likely = filled.reports(str(photos / "red.png"), only=only)
    assert {hit.study for hit in likely.hits} == wanted


def test_dates_move_and_are_filtered_as_they_are(filled: Archive) -> None:
    dates = sorted(filled.study(_name(filled, one))["date"] for one in "AB")
    assert "2024-01-10" not in dates
    found = filled.search("red green", only=Only(after=dates[1]))
    assert [hit.study for hit in found.hits] == [_name(filled, "B")]
    assert filled.study(_name(filled, "B"))["age"] == 90


def test_questions_that_cannot_be_asked(filled: Archive) -> None:
    with pytest.raises(QueryError, match="Nothing was asked"):
        filled.search(" ")
    with pytest.raises(QueryError, match="is no date"):
        filled.search("a", only=Only(after="2024"))
    with pytest.raises(QueryError, match="modality"):
        filled.search("a", only=Only(modality="'; DROP"))
    with pytest.raises(QueryError, match="k is 0"):
        filled.search("a", k=0)
    with pytest.raises(StudyUnknown, match="no such study"):
        filled.study("S-ffffffffffff")
    with pytest.raises(StudyUnknown):
        filled.reports("f" * 32)


def test_an_empty_archive_answers_and_makes_no_file(archive: Archive) -> None:
    assert archive.info()["studies"] == 0
    assert archive.search("a mass").hits == ()
    assert not archive.records.path.exists()


def test_a_gallery_in_memory_is_refused(tiny_model: Model) -> None:
    with bouba.open("memory://", tiny_model) as gallery, pytest.raises(QueryError, match="in memory"):
        Archive(gallery)


def test_writing_is_masked_reported_or_refused(archive: Archive, photos: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("L", (256, 256))
    ImageDraw.Draw(picture).text((20, 20), "DOE JANE 1956", fill=255, font=ImageFont.load_default(16))
    picture.save(photos / "named.png")
    for number, writing in enumerate(("refuse", "report", "mask")):
        row = {"image": "named.png", "study": writing, "report": f"Number {number}."}
        (photos / "cases.jsonl").write_text(json.dumps(row), encoding="utf-8")
        report = archive.import_(photos / "cases.jsonl", Wish(writing=writing))
        counts = {"refuse": (0, 0, 1), "report": (1, 0, 0), "mask": (1, 1, 0)}
        assert (report.written, report.masked, len(report.refused)) == counts[writing]
    assert archive.info()["with_writing"] == 1


def test_attributes_that_clash_are_told(tmp_path: Path, tiny_model: Model, photos: Path, manifest: Path) -> None:
    with bouba.open(tmp_path / "other.bouba", tiny_model) as gallery:
        gallery.add(photos / "red.png", {"modality": 3.0})
        with pytest.raises(AttributeTypeError):
            Archive(gallery).import_(manifest)
        assert Archive(gallery).info()["studies"] == 0


def test_statements_of_an_older_model_are_encoded_anew(filled: Archive) -> None:
    scan = next(iter(filled.gallery.items())).id
    before = filled.reports(scan).hits
    with filled.records.writing() as db:
        db.execute("UPDATE segment SET model = 'older', vector = x'0000'")
        db.execute("UPDATE meta SET value = x'00' WHERE name = 'key'")  # as if it were another archive
    after = filled.reports(scan).hits
    assert [hit.study for hit in after] == [hit.study for hit in before]
    assert [hit.score for hit in after] == pytest.approx([hit.score for hit in before], abs=1e-3)


def test_several_threads_read_and_write(filled: Archive, photos: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def work(number: int) -> int:
        path = photos / f"more{number}.jsonl"
        path.write_text(json.dumps({"study": f"more{number}", "report": f"Finding {number}."}), encoding="utf-8")
        archive = Archive(filled.gallery)
        return archive.import_(path).imported + len(archive.search("finding", k=20).hits[:1])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [2] * 8
    assert filled.info()["reports"] == 11


def test_a_file_that_tells_of_writing_is_believed(archive: Archive, scan: Any, saved: Any) -> None:
    source = saved(scan(BurnedInAnnotation="YES"), "a.dcm")
    assert "there is writing" in archive.import_(source, Wish(writing="refuse")).refused[0].reason
    report = archive.import_(source)
    assert (report.written, report.masked, archive.info()["with_writing"]) == (1, 0, 1)
