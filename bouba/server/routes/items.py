"""/items: the pictures of a gallery, one by one and in pages; more of them, and fewer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.datastructures import FormData, UploadFile

from bouba.errors import FetchRefused
from bouba.server.context import Chosen, Here, Shown, writable
from bouba.server.galleries import Served
from bouba.server.guard.access import require
from bouba.server.guard.bodies import FORM_LIMITS
from bouba.server.intake import FORM, attributes, intake, media_type
from bouba.server.openapi import UPLOAD_FORM, body, problems
from bouba.server.problems import ItemMissing, fault
from bouba.server.records import View, as_json
from bouba.server.schemas import (
    EXAMPLE_ID,
    ITEM_ID,
    AddAnswer,
    AddBody,
    DeleteBody,
    FacetsAnswer,
    ItemRecord,
    ItemsAnswer,
    RemovedAnswer,
)
from bouba.server.uploads import Sent

if TYPE_CHECKING:
    from bouba.types import Item

MOST_ITEMS = 500  # of a page
FARTHEST = 10_000_000  # offset

router = APIRouter(tags=["items"])
Changing = [Depends(writable), Depends(require("write"))]
Id = Annotated[str, Path(description="32 hexadecimal digits.", examples=[EXAMPLE_ID])]
Where = Annotated[str | None, Query(max_length=10_000, description="A filter, such as `width > 1000`.")]


@router.get("/items", response_model=ItemsAnswer)
async def browse(
    request: Request,
    here: Here,
    served: Chosen,
    shown: Shown,
    where: Where = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ITEMS)] = 50,
    offset: Annotated[int, Query(ge=0, le=FARTHEST)] = 0,
) -> Response:
    """A page of a gallery's pictures, in its own order, which stays as it is until the gallery changes."""
    return await here.lanes.search.run(request, partial(_page, served, shown, where, limit, offset))


@router.get("/facets", response_model=FacetsAnswer, response_model_exclude_none=True)
async def facets(request: Request, here: Here, served: Chosen, where: Where = None) -> Response:
    """What the pictures that fit can be filtered by, with counts; estimated in galleries of more than 100,000."""
    return await here.lanes.counting.run(request, lambda: as_json(served.facets.of(where)))


@router.get("/items/{id}", response_model=ItemRecord)
async def item(request: Request, here: Here, served: Chosen, shown: Shown, id: Id) -> Response:
    """Everything about one picture."""
    return await here.lanes.files.run(request, partial(_one, served, shown, id))


@router.post(
    "/items",
    response_model=AddAnswer,
    responses=problems(409),
    openapi_extra=body(AddBody, UPLOAD_FORM),
    dependencies=Changing,
)
async def add(request: Request, here: Here, served: Chosen) -> Response:
    """Add pictures: each file is added, known already, or listed with what is wrong with it."""
    served.writes.check()
    if media_type(request) == FORM:
        form = await request.form(**FORM_LIMITS)
        work = partial(_taken, served, _sent(form), attributes(form.get("attributes")))
    else:
        asked = (await intake(request, AddBody, here.settings)).body
        if not here.settings.fetch:
            raise FetchRefused("Addresses are read only by a server that was started with --fetch: send the files.")
        work = partial(served.uploads.fetch, asked.urls, asked.attributes)
    return await served.writes.run(request, partial(_added, request, served, work))


@router.delete("/items/{id}", response_model=RemovedAnswer, dependencies=Changing)
async def delete_one(request: Request, served: Chosen, id: Id) -> Response:
    """Remove a picture from the gallery; its file goes only where it was uploaded."""
    return await served.writes.run(request, partial(_deleted_one, request, served, id))


@router.delete(
    "/items",
    response_model=RemovedAnswer,
    openapi_extra=body(DeleteBody),
    dependencies=Changing,
)
async def delete_several(request: Request, here: Here, served: Chosen) -> Response:
    """Remove pictures; those that are not there are left out of the count."""
    asked = (await intake(request, DeleteBody, here.settings)).body
    return await served.writes.run(request, partial(_deleted, request, served, asked.ids))


def find(served: Served, item_id: str) -> Item:
    """Raises ItemMissing."""
    found = served.gallery.get([item_id]) if re.fullmatch(ITEM_ID, item_id) else []
    if not found:
        raise ItemMissing(f"There is no item {item_id:.80} in the gallery {served.name}.")
    return found[0]


def _page(served: Served, shown: View, where: str | None, limit: int, offset: int) -> Response:
    gallery = served.gallery
    items = [shown.item(one) for one in islice(gallery.items(where), offset, offset + limit)]
    return as_json({"items": items, "total": gallery.count(where)})


def _one(served: Served, shown: View, item_id: str) -> Response:
    return as_json(shown.item(find(served, item_id)))


def _sent(form: FormData) -> list[UploadFile]:
    """The files of an upload. Raises RequestValidationError where there is none."""
    files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
    if not files:
        raise fault("files", "the form has no file in a field of this name")
    return files


def _taken(served: Served, files: Sequence[UploadFile], given: Mapping[str, Any]) -> Sent:
    """Closes the files, which must stay open for as long as the thread reads them, whoever has left meanwhile."""
    try:
        return served.uploads.add([(file.filename or "", file.file) for file in files], given)
    finally:
        for file in files:
            file.file.close()


def _added(request: Request, served: Served, work: Callable[[], Sent]) -> Response:
    audit = request.state.guard.audit
    audit.write(request, "add", gallery=served.name)
    try:
        sent = work()
    finally:
        served.facets.changed()
    audit.write(request, "added", gallery=served.name, ids=sent.ids)
    return as_json(sent.to_dict())


def _deleted_one(request: Request, served: Served, item_id: str) -> Response:
    find(served, item_id)
    return _deleted(request, served, [item_id])


def _deleted(request: Request, served: Served, ids: Sequence[str]) -> Response:
    request.state.guard.audit.write(request, "delete", gallery=served.name, ids=list(ids))
    try:
        removed = served.gallery.delete(ids)
    finally:
        served.facets.changed()
    served.uploads.forget(ids)
    return as_json({"removed": removed})
