"""/medical over HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bouba
from bouba.encoders import Model

pydicom = pytest.importorskip("pydicom", reason="needs pip install 'bouba[medical]'")
pytest.importorskip("fastapi", reason="needs pip install 'bouba[server]'")

from bouba.apps.medical import BANNER, Archive  # noqa: E402

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
Clients = Callable[..., Any]


@pytest.fixture
def archived(tmp_path: Path, tiny_model: Model, photos: Path) -> Any:
    rows = [
        {"image": "red.png", "study": "A", "report": "A red mass.", "modality": "CT", "age": 30},
        {"image": "green.png", "study": "B", "report": "No red mass.", "modality": "MR"},
    ]
    (photos / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with bouba.open(tmp_path / "scans.bouba", tiny_model) as gallery:
        Archive(gallery).import_(photos / "cases.jsonl")
        yield gallery


@pytest.fixture
def scans(archived: bouba.Gallery, serve: Clients) -> Any:
    return serve(archived)


def test_search_by_words_and_what_is_ruled_out(scans: Any) -> None:
    answer = scans.post("/medical/search", json={"text": "red mass"}).json()
    assert answer["banner"] == BANNER
    (hit,) = answer["hits"]
    assert hit["sentence"]["text"] == "A red mass."
    assert scans.get(f"/{hit['slice']['thumbnail']}").status_code == 200
    assert scans.get(f"/{hit['slice']['image']}").headers["content-type"] == "image/png"
    assert [one["sentence"]["status"] for one in answer["ruled_out"]] == ["negated"]


def test_search_by_a_scan_that_is_sent(scans: Any, photos: Path) -> None:
    files = {"scan": ("a.png", (photos / "red.png").read_bytes())}
    body = json.dumps({"image": {"part": "scan"}, "only": {"modality": "CT"}})
    answer = scans.post("/medical/search", data={"body": body}, files=files).json()
    assert [hit["modality"] for hit in answer["hits"]] == ["CT"]
    likely = scans.post("/medical/reports", data={"body": '{"image": {"part": "scan"}}'}, files=files).json()
    assert likely["hits"][0]["sentences"][0]["text"] == "A red mass."


def test_reports_and_studies(scans: Any) -> None:
    hit = scans.post("/medical/search", json={"text": "red mass"}).json()["hits"][0]
    likely = scans.post("/medical/reports", json={"item": hit["slice"]["item"], "k": 1}).json()
    assert likely["hits"][0]["own"]
    study = scans.get(f"/medical/studies/{hit['study']}").json()
    assert study["series"][0]["pictures"][0]["image"] == hit["slice"]["image"]
    assert scans.get("/medical/info").json()["reports"] == 2


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("search", {}, 422),
        ("search", {"text": "a", "k": 0}, 422),
        ("search", {"text": "a", "only": {"after": "soon"}}, 422),
        ("search", {"text": "a", "only": {"modality": "';--"}}, 422),
        ("search", {"text": "a", "other": 1}, 422),
        ("reports", {}, 422),
        ("reports", {"item": "f" * 32}, 404),
        ("import", {}, 415),
    ],
)
def test_what_cannot_be_asked(scans: Any, route: str, body: dict[str, Any], status: int) -> None:
    assert scans.post(f"/medical/{route}", json=body).status_code == status


@pytest.mark.parametrize("name", ["S-ffffffffffff", "%27", "x" * 40, "S-%25"])
def test_a_study_that_is_not_there(scans: Any, name: str) -> None:
    assert scans.get(f"/medical/studies/{name}").status_code == 404


def test_import_of_dicom_and_of_a_picture_with_a_report(scans: Any, png: Any, tmp_path: Path) -> None:
    files = [
        ("files", ("DOE_JANE.dcm", (FILES / "MR_small.dcm").read_bytes())),
        ("files", ("plan.dcm", (FILES / "rtplan.dcm").read_bytes())),
        ("files", ("a.png", png("blue", 32))),
    ]
    answer = scans.post("/medical/import", files=files, data={"report": "Blue nodule.", "modality": "CR"}).json()
    assert (answer["imported"], answer["reports"], answer["banner"]) == (2, 1, BANNER)
    assert [one["name"] for one in answer["refused"]] == ["plan.dcm"]
    found = scans.post("/medical/search", json={"text": "nodule"}).json()["hits"][0]
    assert (found["modality"], found["sentence"]["text"]) == ("CR", "Blue nodule.")
    kept = [path for path in (tmp_path / "scans.bouba").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"DOE_JANE" in path.read_bytes() + str(path).encode()]


def test_import_is_refused_where_nothing_may_be_written(archived: bouba.Gallery, serve: Clients) -> None:
    client = serve(archived, writable=False)
    files = {"files": ("a.dcm", io.BytesIO(b"x"))}
    assert client.post("/medical/import", files=files).status_code == 403
    assert serve(archived).post("/medical/import", files=files, data={"dates": "soon"}).status_code == 422


def test_a_gallery_in_memory_is_no_archive(tiny_model: Model, serve: Clients) -> None:
    with bouba.open("memory://", tiny_model) as gallery:
        assert serve(gallery).get("/medical/info").status_code == 422


def test_the_page_is_served(scans: Any) -> None:
    assert "not for diagnosis" in scans.get("/medical").text


def test_answers_are_as_described(scans: Any) -> None:
    from bouba.server import schemas_medical as schemas

    hit = scans.post("/medical/search", json={"text": "red mass"}).json()["hits"][0]
    answers = [
        (schemas.MedicalSearchAnswer, scans.post("/medical/search", json={"text": "red mass"})),
        (schemas.MedicalReportsAnswer, scans.post("/medical/reports", json={"item": hit["slice"]["item"]})),
        (schemas.MedicalStudyAnswer, scans.get(f"/medical/studies/{hit['study']}")),
        (schemas.MedicalInfoAnswer, scans.get("/medical/info")),
        (schemas.MedicalImportAnswer, scans.post("/medical/import", files={"files": ("no.dcm", b"no")})),
    ]
    for kind, answer in answers:
        assert kind.model_validate_json(answer.content, strict=True, extra="forbid"), answer.text
