"""Questions: /search, and /explain for where in a picture one matches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from bouba.errors import MediaMissing, ModelMissing
from bouba.server.batching import spent
from bouba.server.context import Chosen, Context, Here, Shown
from bouba.server.galleries import Served
from bouba.server.intake import Intake, intake
from bouba.server.openapi import SEARCH_FORM, body, problems
from bouba.server.problems import ItemMissing
from bouba.server.questions import Reader, wanted
from bouba.server.records import View, as_json
from bouba.server.schemas import ExplainBody, SearchAnswer, SearchBody

if TYPE_CHECKING:
    from bouba.types import Question

EXPLAINED_SIDE = 1024  # pixels

router = APIRouter(tags=["search"])


@router.post(
    "/search",
    response_model=SearchAnswer,
    responses=problems(409),
    openapi_extra=body(SearchBody, SEARCH_FORM),
)
async def search(request: Request, here: Here, served: Chosen, shown: Shown) -> Response:
    """Find the pictures that fit a question best."""
    here.lanes.search.check()
    asked = await intake(request, SearchBody, here.settings)
    reader = reader_of(asked, here, served)
    ask = partial(_answered, asked.body, reader, Answerer(here, served, shown))
    return await here.lanes.search.run(request, ask)


@router.post(
    "/explain",
    response_class=Response,
    responses={
        200: {"description": "The picture with a heat map.", "content": {"image/png": {}}},
    },
    openapi_extra=body(ExplainBody),
)
async def explain(request: Request, here: Here, served: Chosen) -> Response:
    """Show where in a picture of the gallery a question matches: a PNG of at most 1024 pixels a side."""
    here.lanes.search.check()
    asked = await intake(request, ExplainBody, here.settings)
    reader = reader_of(asked, here, served)
    return await here.lanes.search.run(request, partial(_explained, asked.body, reader, served))


class Answerer:
    """Puts questions to a gallery. Made when a request is admitted, so that waiting is counted."""

    def __init__(self, here: Context, served: Served, shown: View) -> None:
        self._here, self._served, self._shown = here, served, shown
        self._asked = time.perf_counter()

    def answer(self, question: Question, wish: SearchBody, **more: Any) -> Response:
        """In a thread, after `begun`. Raises what `Gallery.search` raises."""
        clock = _Clock(self._asked, self._begun, spent.seconds)
        result = self._served.gallery.search(
            question,
            k=wish.k,
            where=wish.where,
            min_probability=wish.min_probability,
            raw=wish.raw,
            exact=wish.exact,
            diverse=wish.diverse,
        )
        took = clock.read(spent.seconds)
        self._here.metrics.searches.labels(self._served.name).observe(took["searching"] / 1000)
        record = self._shown.result(result)
        hits = record.pop("hits")
        return as_json({**record, "gallery": self._served.name, "took_ms": took, **more, "hits": hits})

    def begun(self) -> None:
        """A thread has begun with it."""
        self._begun = time.perf_counter()


@dataclass(frozen=True, slots=True)
class _Clock:
    """When a question was asked, when a thread began with it, and how long that had waited for encodes before."""

    asked: float
    begun: float
    spent: float

    def read(self, spent_now: float) -> dict[str, float]:
        """Milliseconds."""
        now, encoding = time.perf_counter(), spent_now - self.spent
        parts = {
            "total": now - self.asked,
            "waiting": self.begun - self.asked,
            "encoding": encoding,
            "searching": now - self.begun - encoding,
        }
        return {name: round(1000 * seconds, 2) for name, seconds in parts.items()}


def reader_of(asked: Intake[Any], here: Context, served: Served) -> Reader:
    return Reader(asked.files, here.settings, served.gallery.model.manifest.image.size)


def _answered(wish: SearchBody, reader: Reader, answerer: Answerer) -> Response:
    answerer.begun()
    return answerer.answer(reader.question(wish.query), wish)


def _explained(asked: ExplainBody, reader: Reader, served: Served) -> Response:
    from bouba.explain import explain

    gallery = served.gallery
    if not served.explains:
        raise ModelMissing(f"{gallery.model.name} {gallery.model.version} does not tell where in a picture it looks.")
    found = gallery.get([asked.id])
    if not found:
        raise ItemMissing(f"There is no item {asked.id} in the gallery {served.name}.")
    query = wanted(reader.question(asked.query))
    try:
        picture = explain(gallery, found[0], {"asked": query}).overlay()
    except MediaMissing:
        raise ItemMissing(f"The file of {asked.id} is gone, and no thumbnail of it was kept.") from None
    picture.thumbnail((EXPLAINED_SIDE, EXPLAINED_SIDE))
    out = BytesIO()
    picture.save(out, "PNG")
    return Response(out.getvalue(), media_type="image/png")
