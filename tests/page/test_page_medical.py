"""The archive's page: findings, reports, scans; what reports deny; a study; nothing there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_steps import expect

import bouba

pydicom = pytest.importorskip("pydicom", reason="needs pip install 'bouba[medical]'")

from bouba.apps.medical import Archive  # noqa: E402

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
REPORTS = {
    "retina.jpg": "FINDINGS: Small hemorrhage at the optic disc. No exudate.\nIMPRESSION: Possible retinopathy.",
    "ihc.png": "FINDINGS: Strong staining of the glands. No hemorrhage.\nIMPRESSION: Consistent with adenocarcinoma.",
    "cell.png": "FINDINGS: Two cells with large nuclei, without hemorrhage or necrosis.",
}


@pytest.fixture(scope="session")
def archive_home(home: Path, photographs: Path) -> Path:
    manifest = home / "reports.jsonl"
    rows = [
        {"image": str(photographs / name), "study": name, "report": report, "modality": "OP", "body_part": "eye",
         "age": 40 + 10 * number, "date": f"2024-0{number + 1}-01"}
        for number, (name, report) in enumerate(REPORTS.items())
    ]  # fmt: skip
    manifest.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with bouba.open(home / "archive.bouba") as gallery:
        report = Archive(gallery).import_([manifest, *(FILES / name for name in ("CT_small.dcm", "MR_small.dcm"))])
        assert report.imported == 5
        assert not report.refused
    return home


@pytest.fixture(scope="session")
def archive_server(archive_home: Path, serving: Any) -> Iterator[str]:
    with serving(str(archive_home / "archive.bouba"), f"none={archive_home / 'none.bouba'}") as address:
        yield address


def ask(page: Any, text: str) -> None:
    page.locator("#text").fill(text)
    page.locator("#text").press("Enter")
    page.locator("#results[aria-busy=false]").wait_for()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_archive_in_all_clothes(
    visit: Any, archive_server: str, width: int, dark: bool, shot: Any, accessible: Any
) -> None:
    page = visit("medical", base=archive_server, width=width, dark=dark)
    name = f"medical-{'dark' if dark else 'light'}-{width}"
    expect(page.locator(".no-device")).to_contain_text("not for diagnosis")
    expect(page.locator("#state")).to_contain_text("5 studies")
    accessible(page)
    shot(page, f"{name}-start")
    ask(page, "hemorrhage")
    expect(page.locator("#hits .study").first).to_contain_text("Small hemorrhage")
    expect(page.locator("#ruled-out-title")).to_have_text("2 studies whose reports rule it out")
    page.locator("#ruled-out-title").click()
    expect(page.locator("#denied .says.negated").first).to_contain_text("hemorrhage")
    accessible(page)
    shot(page, f"{name}-results")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    page.locator("#hits .study-open").first.click()
    expect(page.locator("#study .report .says.negated")).to_have_text("exudate")
    page.get_by_role("button", name="Likely reports of this slice").click()
    expect(page.locator("#study .likely li").first).to_be_visible()
    accessible(page)
    shot(page, f"{name}-study")


def test_archive_filters_stand_in_the_address(visit: Any, archive_server: str) -> None:
    page = visit("medical", base=archive_server)
    ask(page, "cells")
    page.locator("[name=youngest]").fill("55")
    expect(page.locator("#hits .study")).to_have_count(1)
    assert "youngest=55" in page.url
    page.reload()
    expect(page.locator("[name=youngest]")).to_have_value("55")
    expect(page.locator("#hits .study")).to_have_count(1)
    page.locator("#reset").click()
    expect(page.locator("#hits .study")).not_to_have_count(1)


def test_archive_is_asked_with_a_scan(visit: Any, archive_server: str, photographs: Path) -> None:
    page = visit("medical", base=archive_server)
    page.locator("#scan-file").set_input_files(photographs / "retina.jpg")
    expect(page.locator("#chips")).to_contain_text("retina.jpg")
    expect(page.locator("#hits .study").first).to_contain_text("40 y")


def test_archive_takes_files(visit: Any, archive_server: str) -> None:
    page = visit("medical?gallery=none", base=archive_server)
    expect(page.locator("#state")).to_contain_text("bouba medical import")
    page.locator("#import-files").set_input_files([FILES / "MR_small.dcm", FILES / "rtplan.dcm"])
    expect(page.locator("#toasts")).to_contain_text("1 imported, 1 refused: rtplan.dcm: RT Plan Storage")
    expect(page.locator("#state")).to_contain_text("1 study, 1 picture, 0 reports")


def test_archive_says_what_cannot_be_asked(visit: Any, archive_server: str, accessible: Any) -> None:
    page = visit("medical", base=archive_server)
    page.context.set_offline(True)
    page.locator("#text").fill("hemorrhage")
    page.locator("#text").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The server is away")
    accessible(page)
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#hits .study").first).to_be_visible()
