"""Thumbnails and originals: the only files that the server gives away, and only those that a gallery was made from."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from bouba.media import THUMBNAIL_SIDE, decode_image, thumbnail
from bouba.server.context import Chosen, Here
from bouba.server.galleries import Served
from bouba.server.openapi import DESCRIPTIONS, problems
from bouba.server.originals import KINDS, open_original
from bouba.server.ranges import Ranged, answer_of, is_fresh
from bouba.server.routes.items import Id, find

CACHING = "private, max-age=31536000, immutable"  # an id is a hash of the content: it never means another picture

router = APIRouter(prefix="/items/{id}", tags=["items"])
_SAME: dict[int | str, dict[str, Any]] = {304: {"description": DESCRIPTIONS[304]}}


@router.get(
    "/thumbnail",
    response_class=Response,
    responses={
        **_SAME,
        200: {"description": "A JPEG, at most 256 pixels a side.", "content": {"image/jpeg": {}}},
    },
)
@router.head("/thumbnail", include_in_schema=False)
async def small(request: Request, here: Here, served: Chosen, id: Id) -> Response:
    """A small picture of an item."""
    etag = f'"{id}-s"'
    if is_fresh(request, etag):
        return Response(status_code=304, headers=_headers(etag))
    jpeg = await here.lanes.files.run(request, partial(_small, served, id))
    return Response(jpeg, media_type="image/jpeg", headers=_headers(etag))


@router.get(
    "/image",
    response_class=Response,
    responses={
        **problems(416),
        **_SAME,
        200: {"description": "The file as it was added.", "content": {kind: {} for kind in sorted(KINDS)}},
        206: {"description": "The bytes that were asked for.", "content": {kind: {} for kind in sorted(KINDS)}},
    },
)
@router.head("/image", include_in_schema=False)
async def original(
    request: Request,
    here: Here,
    served: Chosen,
    id: Id,
    download: Annotated[bool, Query(description="Whether a browser is to save it.")] = False,
) -> Response:
    """The picture itself, byte for byte: only while the file is what it was when it was added."""
    etag = f'"{id}"'
    if is_fresh(request, etag):
        return Response(status_code=304, headers=_headers(etag))
    ranged = await here.lanes.files.run(request, partial(_original, served, id, download))
    return answer_of(request, ranged, etag, _headers(etag))


def _small(served: Served, item_id: str) -> bytes:
    """As it was kept; of a gallery whose ledger is elsewhere or lost it is made anew."""
    item = find(served, item_id)
    kept = served.gallery.thumbnail(item_id)
    if kept is not None:
        return kept
    with open_original(item) as file:
        return thumbnail(decode_image(file.read(), side=THUMBNAIL_SIDE).rgb)


def _original(served: Served, item_id: str, download: bool) -> Ranged:
    item = find(served, item_id)
    return Ranged.of(open_original(item), item, download)


def _headers(etag: str) -> dict[str, str]:
    return {"ETag": etag, "Cache-Control": CACHING}
