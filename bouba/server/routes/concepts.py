"""/concepts: what a gallery keeps under names; saved by feedback."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from bouba.concepts import checked_name
from bouba.server.context import Chosen, Here, writable
from bouba.server.galleries import Served
from bouba.server.guard.access import require
from bouba.server.problems import ConceptMissing
from bouba.server.records import as_json
from bouba.server.schemas import ConceptsAnswer, RemovedAnswer

router = APIRouter(prefix="/concepts", tags=["concepts"])


@router.get("", response_model=ConceptsAnswer)
async def concepts(request: Request, here: Here, served: Chosen) -> Response:
    """All concepts of a gallery, by name."""
    return await here.lanes.files.run(request, partial(_listed, served))


@router.delete(
    "/{name:path}",
    response_model=RemovedAnswer,
    dependencies=[Depends(writable), Depends(require("write"))],
)
async def remove(request: Request, served: Chosen, name: Annotated[str, Path(max_length=200)]) -> Response:
    """Forget a concept."""
    request.state.guard.audit.write(request, "concept.delete", gallery=served.name, concept=name)
    return await served.writes.run(request, partial(_removed, served, name))


def _listed(served: Served) -> Response:
    return as_json({"concepts": [concept.to_dict() for concept in served.gallery.concepts.list()]})


def _removed(served: Served, name: str) -> Response:
    kept = served.gallery.concepts
    if checked_name(name).casefold() not in kept.names():
        raise ConceptMissing(f"No concept of the gallery {served.name} is called {name!r:.80}.")
    kept.remove(name)
    return as_json({"removed": 1})
