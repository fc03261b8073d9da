"""What the server is and how it does."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

import bouba
from bouba.apps import apps_of
from bouba.server.context import Context, Here
from bouba.server.galleries import Served
from bouba.server.guard.access import Caller, require
from bouba.server.problems import NotReady
from bouba.server.records import as_json
from bouba.server.schemas import GalleriesAnswer, StatusAnswer, VersionAnswer
from bouba.types import ITEM_FIELDS

READY_S = 2.0  # for all galleries to answer

router = APIRouter(tags=["server"])


@router.get("/galleries", response_model=GalleriesAnswer)
async def galleries(request: Request, here: Here) -> Response:
    """The galleries that the caller may see; the first is the one that is asked by default."""
    return await here.lanes.files.run(request, partial(_galleries, here, request.state.caller))


@router.get("/healthz", response_model=StatusAnswer)
async def healthz() -> dict[str, Any]:
    """Whether the server lives."""
    return {"status": "alive"}


@router.get("/readyz", response_model=StatusAnswer)
async def readyz(request: Request, here: Here) -> dict[str, Any]:
    """Whether every gallery answers; 503 while one is being loaded or cannot be reached."""
    if cold := here.warming.cold():
        raise NotReady("; ".join(f"{name} {why}" for name, why in cold.items()) + ".")
    try:
        async with asyncio.timeout(READY_S):
            await here.lanes.files.run(request, partial(_counted, here))
    except TimeoutError:
        raise NotReady(f"The galleries did not answer within {READY_S:g} s.") from None
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "In Prometheus' text format.", "content": {"text/plain": {}}}},
    dependencies=[Depends(require("admin"))],
)
async def metrics(request: Request, here: Here) -> Response:
    """Requests, times, batches, queues and items."""
    text = await here.lanes.files.run(request, here.metrics.text)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/version", response_model=VersionAnswer)
async def version() -> dict[str, str]:
    """Which bouba this is."""
    return {"name": "bouba", "version": bouba.__version__}


def _galleries(here: Context, caller: Caller) -> Response:
    writable = here.settings.writable and caller.may("write")
    seen = [_described(served, writable) for name, served in here.galleries.items() if caller.sees(name)]
    settings = here.settings
    return as_json({"galleries": seen, "key_needed": settings.keys_file is not None, "fetch": settings.fetch})


def _described(served: Served, writable: bool) -> dict[str, Any]:
    facts = served.gallery.fields
    own = {name: str(kind) for name, kind in facts.items() if name not in ITEM_FIELDS}
    return {
        "name": served.name,
        "items": served.gallery.count(),
        "hears": served.gallery.model.hears,
        "explains": served.explains,
        "model": served.gallery.model.name,
        "writable": writable,
        "attributes": own,
        "apps": apps_of(served.gallery),
    }


def _counted(here: Context) -> int:
    return sum(served.gallery.count() for served in here.galleries.values())
