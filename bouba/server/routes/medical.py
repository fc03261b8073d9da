"""/medical: a radiology archive. Studies by words, reports or scans; reports by scans; a study; an import."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.datastructures import FormData, UploadFile

from bouba.errors import MediaTooLarge, QueryError
from bouba.server.context import Chosen, Here, Shown, writable
from bouba.server.galleries import Served
from bouba.server.guard.access import require
from bouba.server.guard.bodies import FORM_LIMITS
from bouba.server.intake import FORM, Intake, intake, media_type
from bouba.server.openapi import body
from bouba.server.problems import ItemMissing, MediaTypeRefused, fault
from bouba.server.questions import Reader
from bouba.server.records import View, as_json
from bouba.server.routes.search import reader_of
from bouba.server.schemas_medical import (
    MedicalImportAnswer,
    MedicalInfoAnswer,
    MedicalReportsAnswer,
    MedicalReportsBody,
    MedicalSearchAnswer,
    MedicalSearchBody,
    MedicalStudyAnswer,
    OnlyBody,
)
from bouba.server.settings import Settings
from bouba.server.uploads import shown as printable

if TYPE_CHECKING:
    from PIL.Image import Image

    from bouba.apps.medical import ImportReport, Only
    from bouba.server.schemas import Media

MOST_REPORT_CHARACTERS = 20_000
TOLD = ("report", "modality", "body_part", "study", "age")  # fields of a form beside its files
WRITING = ("mask", "report", "refuse")
DATES = ("shift", "remove", "keep")

router = APIRouter(prefix="/medical", tags=["medical"])
_TEXT = {"type": "string"}
IMPORT_FORM = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        **{name: {**_TEXT, "description": "Of the pictures sent; DICOM files say it themselves."} for name in TOLD},
        "writing": {"enum": list(WRITING), "default": "mask"},
        "dates": {"enum": list(DATES), "default": "shift"},
    },
    "required": ["files"],
}


@router.get("/info", response_model=MedicalInfoAnswer)
async def info(request: Request, here: Here, served: Chosen) -> Response:
    """What the archive of a gallery holds."""
    return await here.lanes.counting.run(request, partial(_info, served))


@router.post("/search", response_model=MedicalSearchAnswer, openapi_extra=body(MedicalSearchBody))
async def search(request: Request, here: Here, served: Chosen, shown: Shown) -> Response:
    """Find studies by words, a report or a scan; those whose reports deny what was asked are apart."""
    here.lanes.search.check()
    asked = await intake(request, MedicalSearchBody, here.settings)
    return await here.lanes.search.run(
        request, partial(_searched, asked, reader_of(asked, here, served), served, shown)
    )


@router.post("/reports", response_model=MedicalReportsAnswer, openapi_extra=body(MedicalReportsBody))
async def reports(request: Request, here: Here, served: Chosen) -> Response:
    """Find the reports that a scan may belong to."""
    here.lanes.search.check()
    asked = await intake(request, MedicalReportsBody, here.settings)
    return await here.lanes.search.run(request, partial(_reports, asked, reader_of(asked, here, served), served))


@router.get("/studies/{study}", response_model=MedicalStudyAnswer)
async def study(
    request: Request,
    here: Here,
    served: Chosen,
    shown: Shown,
    study: Annotated[str, Path(max_length=40, description="As a search names it.", examples=["S-02900c4e2c72"])],
) -> Response:
    """A study: its series with their slices, its reports with what each sentence says."""
    return await here.lanes.files.run(request, partial(_study, served, shown, study))


@router.post(
    "/import",
    response_model=MedicalImportAnswer,
    openapi_extra={"requestBody": {"required": True, "content": {FORM: {"schema": IMPORT_FORM}}}},
    dependencies=[Depends(writable), Depends(require("write"))],
)
async def import_(request: Request, here: Here, served: Chosen) -> Response:
    """Add DICOM files, ZIP archives of them, or pictures with a report; all is de-identified, nothing else is kept."""
    served.writes.check()
    if media_type(request) != FORM:
        raise MediaTypeRefused(f"The body is no {FORM}: send the files as its fields `files`.")
    form = await request.form(**FORM_LIMITS)
    return await served.writes.run(request, partial(_imported, request, served, form, here.settings))


def _info(served: Served) -> Response:
    from bouba.apps.medical import BANNER, Archive

    return as_json({"banner": BANNER, **Archive(served.gallery).info()})


def _searched(asked: Intake[MedicalSearchBody], reader: Reader, served: Served, shown: View) -> Response:
    from bouba.apps.medical import Archive

    wish = asked.body
    answer = Archive(served.gallery).search(
        wish.text, image=_picture(reader, wish.image), k=wish.k, only=_only(wish.only)
    )
    record = answer.to_dict()
    for hit in (*record["hits"], *record["ruled_out"]):
        if hit["slice"] is not None:
            hit["slice"] |= shown.links(hit["slice"]["item"])
    return as_json(record)


def _reports(asked: Intake[MedicalReportsBody], reader: Reader, served: Served) -> Response:
    from bouba.apps.medical import Archive, StudyUnknown

    wish = asked.body
    if (wish.item is None) == (wish.image is None):
        raise QueryError("Give a scan: either `item`, its id in the gallery, or `image`.")
    scan = wish.item or _picture(reader, wish.image)
    assert scan is not None
    try:
        answer = Archive(served.gallery).reports(scan, k=wish.k, only=_only(wish.only))
    except StudyUnknown as error:
        raise ItemMissing(str(error)) from None
    return as_json(answer.to_dict())


def _study(served: Served, shown: View, name: str) -> Response:
    from bouba.apps.medical import BANNER, Archive, StudyUnknown

    try:
        found = Archive(served.gallery).study(name)
    except StudyUnknown as error:
        raise ItemMissing(str(error)) from None
    for series in found["series"]:
        for picture in series["pictures"]:
            picture |= shown.links(picture["item"])
    return as_json({"banner": BANNER, **found})


def _picture(reader: Reader, media: Media | None) -> Image | None:
    return None if media is None else reader.picture(media)


def _only(given: OnlyBody | None) -> Only:
    from bouba.apps.medical import Only

    return Only(**given.model_dump(exclude_none=True)) if given is not None else Only()


def _imported(request: Request, served: Served, form: FormData, settings: Settings) -> Response:
    """The files lie in a folder of their own for as long as they are read, under names that say nothing."""
    from bouba.apps.medical import BANNER, Archive, Options, Wish

    audit = request.state.guard.audit
    files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
    try:
        if not files:
            raise fault("files", "the form has no file in a field of this name")
        wish = Wish(Options(_one_of(form, "dates", DATES)), _one_of(form, "writing", WRITING))
        audit.write(request, "medical.import", gallery=served.name, files=len(files))
        with tempfile.TemporaryDirectory(prefix="bouba-") as folder:
            names = _laid(files, form, FilePath(folder), settings.most_upload_bytes)
            try:
                report = Archive(served.gallery).import_(sorted(set(names.values())), wish)
            finally:
                served.facets.changed()
            record = _named(report, {FilePath(path).name: name for name, path in names.items()})
    finally:
        for file in files:
            file.file.close()
    audit.write(request, "medical.imported", gallery=served.name, studies=record["studies"])
    return as_json({"banner": BANNER, **record})


def _one_of(form: FormData, name: str, values: Sequence[str]) -> Any:
    given = form.get(name) or values[0]
    if given not in values:
        raise fault(name, f"it is none of {', '.join(values)}")
    return given


def _laid(files: Sequence[UploadFile], form: FormData, folder: FilePath, most_bytes: int) -> dict[str, str]:
    """The name under which each file was sent -> what is imported for it: the file, or the manifest that names it."""
    about = {name: str(form[name])[:MOST_REPORT_CHARACTERS] for name in TOLD if form.get(name)}
    names: dict[str, str] = {}
    for number, file in enumerate(files, 1):
        data = file.file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise MediaTooLarge(f"a file is larger than {most_bytes:,} bytes, the limit of one. Send a smaller one.")
        path = folder / f"{number:04d}{_ending(data)}"
        path.write_bytes(data)
        if path.suffix == ".picture" and about:
            row = {**about, "image": path.name}
            path = path.with_suffix(".jsonl")
            path.write_text(json.dumps(row) + "\n", encoding="utf-8")
        names[f"{printable(file.filename or '')}\0{number}"] = str(path)
    return names


def _ending(data: bytes) -> str:
    if data[:4] == b"PK\x03\x04":
        return ".zip"
    return ".picture" if data[:4] == b"\x89PNG" or data[:3] == b"\xff\xd8\xff" or data[:4] == b"RIFF" else ".dcm"


def _named(report: ImportReport, names: dict[str, str]) -> dict[str, Any]:
    """Refused files by the names under which they were sent."""
    record = report.to_dict()
    for one in record["refused"]:
        head, comma, _ = one["name"].partition(",")
        file, slash, inside = (head if comma else one["name"]).partition("/")
        sent = names.get(file, "").partition("\0")[0]
        one["name"] = f"{sent}{slash}{inside}" if sent else one["name"]
    return record
