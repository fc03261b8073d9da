"""/feedback: the same question, turned by which of its hits were good."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from bouba.errors import QueryError
from bouba.server.context import Chosen, Context, Here, Shown, writable
from bouba.server.galleries import Served
from bouba.server.guard.access import require
from bouba.server.intake import intake
from bouba.server.openapi import body, problems
from bouba.server.questions import Reader, turned
from bouba.server.routes.search import Answerer, reader_of
from bouba.server.schemas import FeedbackBody, SearchAnswer
from bouba.types import Query
from bouba.types import Question as Asked

router = APIRouter(tags=["search"])
_may_write = require("write")


@router.post(
    "/feedback",
    response_model=SearchAnswer,
    responses=problems(409),
    openapi_extra=body(FeedbackBody),
)
async def feedback(request: Request, here: Here, served: Chosen, shown: Shown) -> Response:
    """Answer a question again, after hits that were liked and disliked; with `save_as`, keep it as a concept."""
    here.lanes.search.check()
    asked = await intake(request, FeedbackBody, here.settings)
    reader = reader_of(asked, here, served)
    saved = {}
    if asked.body.save_as is not None:
        await _allowed(request, here, served, asked.body.save_as)
        saved = {"saved": await served.writes.run(request, partial(_save, asked.body, reader, served))}
    answerer = Answerer(here, served, shown)
    return await here.lanes.search.run(request, partial(_answered, asked.body, reader, served, answerer, here, saved))


async def _allowed(request: Request, here: Context, served: Served, name: str) -> None:
    writable(here)
    await _may_write(request)
    request.state.guard.audit.write(request, "feedback.save", gallery=served.name, concept=name)


def _save(asked: FeedbackBody, reader: Reader, served: Served) -> str:
    """The name under which it is kept. Raises QueryError for a question that no concept can be."""
    question = _turned(asked, reader)
    if not isinstance(question, Query):
        raise QueryError("A concept keeps a text and examples, and this question has several parts: save one of them.")
    concept = served.gallery.concepts.save(
        asked.save_as or "", question.text, like=question.like, unlike=question.unlike
    )
    return concept.name


def _answered(
    asked: FeedbackBody, reader: Reader, served: Served, answerer: Answerer, here: Context, saved: dict[str, Any]
) -> Response:
    answerer.begun()
    response = answerer.answer(_turned(asked, reader), asked, **saved)
    if here.settings.writable:
        facts = {"query": reader.described(asked.query), "liked": asked.liked, "disliked": asked.disliked, **saved}
        served.feedback.append(facts)
    return response


def _turned(asked: FeedbackBody, reader: Reader) -> Asked:
    return turned(reader.question(asked.query), tuple(asked.liked), tuple(asked.disliked))
