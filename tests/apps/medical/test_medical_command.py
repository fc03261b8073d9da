"""bouba medical: what it prints, and that it always says what it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bouba.apps.medical import BANNER
from bouba.cli import commands
from bouba.errors import BoubaError


@pytest.fixture
def run(tmp_path: Path, tiny_model_folder: Path) -> Any:
    """run("search", "mass"): `bouba medical search mass --gallery ...`."""

    def run(name: str, *arguments: str) -> Result:
        place = [] if name == "deidentify" else ["--gallery", str(tmp_path / "scans.bouba")]
        model = ["--model", str(tiny_model_folder)] if name == "import" else []
        return CliRunner().invoke(commands, ["medical", name, *arguments, *place, *model])

    return run


@pytest.fixture
def filled(run: Any, photos: Path) -> Any:
    rows = [
        {"image": "red.png", "study": "A", "report": "A red mass.", "modality": "CT", "age": 30},
        {"image": "green.png", "study": "B", "report": "No red mass.", "modality": "MR"},
        {"image": "gone.png"},
    ]
    (photos / "cases.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    result = run("import", str(photos / "cases.jsonl"), "--report", str(photos / "refused.jsonl"))
    assert result.exit_code == 0, result.output
    assert "2 files imported, 0 known, 1 refused" in result.output
    assert "cases.jsonl, line 3: not a regular file." in result.output
    assert json.loads((photos / "refused.jsonl").read_text())["name"] == "cases.jsonl, line 3"
    return run


def _json(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    record: dict[str, Any] = json.loads(result.stdout)
    assert record["banner"] == BANNER
    return record


def test_search_reports_show_and_info(filled: Any) -> None:
    text = filled("search", "red", "mass").output
    assert "A red mass." in text
    assert "--- 1 whose reports rule it out ---" in text
    assert text.endswith(f"{BANNER}\n")
    found = _json(filled("search", "red mass", "--json", "--modality", "ct", "--youngest", "20"))
    (hit,) = found["hits"]
    assert (hit["modality"], hit["age"], hit["sentence"]["status"]) == ("CT", 30.0, "affirmed")
    likely = _json(filled("reports", hit["slice"]["item"], "--json"))
    assert likely["hits"][0]["own"]
    assert "(of its own study)" in filled("reports", hit["slice"]["item"]).output
    assert _json(filled("show", hit["study"], "--json"))["series"][0]["pictures"][0]["item"] == hit["slice"]["item"]
    assert "affirmed: A red mass" in filled("show", hit["study"][:8]).output
    assert _json(filled("info", "--json"))["studies"] == 2
    assert "CT 1" in filled("info").output


def test_a_report_is_read_from_a_file(filled: Any, tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("FINDINGS: A red mass.", encoding="utf-8")
    assert "A red mass." in filled("search", "--report", str(tmp_path / "report.txt")).output
    assert filled("search", "mass", "--report", str(tmp_path / "report.txt")).exit_code == 2
    assert isinstance(filled("search", "--report", str(tmp_path / "none.txt")).exception, BoubaError)


def test_deidentify_writes_files(run: Any, dicom_files: Path, tmp_path: Path) -> None:
    source = str(dicom_files / "test_files" / "MR_small.dcm")
    (tmp_path / "key").write_bytes(b"0" * 32)
    report = _json(run("deidentify", source, str(tmp_path / "out"), "--key", str(tmp_path / "key"), "--json"))
    assert (report["written"], report["refused"]) == (1, [])
    (path,) = (tmp_path / "out").rglob("*.dcm")
    again = run("deidentify", source, str(tmp_path / "other"), "--key", str(tmp_path / "key"))
    assert "1 files written" in again.output
    assert next((tmp_path / "other").rglob("*.dcm")).name == path.name
    (tmp_path / "key").write_bytes(b"short")
    failed = run("deidentify", source, str(tmp_path / "out"), "--key", str(tmp_path / "key"))
    assert "16 are needed" in str(failed.exception)


def test_nothing_imported_is_an_error(run: Any, photos: Path) -> None:
    result = run("import", str(photos / "red.png"))
    assert "name it in a manifest" in result.output
    assert isinstance(result.exception, BoubaError)


def test_a_missing_package_names_the_extra(run: Any, dicom_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pydicom", None)
    result = run("import", str(dicom_files / "test_files" / "MR_small.dcm"))
    assert "pip install 'bouba[medical]'" in f"{result.output} {result.exception}"
