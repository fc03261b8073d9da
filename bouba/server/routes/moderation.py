"""/moderate: an upload judged by a guideline. /moderation: guidelines, scans, the review queue, labels, audit log."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from bouba.apps import file_of
from bouba.errors import ModelMissing
from bouba.media import Limits
from bouba.server.context import Chosen, Context, Here, Shown, writable
from bouba.server.galleries import Served
from bouba.server.guard.access import require
from bouba.server.intake import Intake, intake
from bouba.server.openapi import body
from bouba.server.problems import ItemMissing
from bouba.server.questions import MOST_DECODED_BYTES, file_sent
from bouba.server.records import View, as_json
from bouba.server.routes.items import find
from bouba.server.schemas_moderation import (
    MOST_PAGE,
    AuditAnswer,
    CalibrateBody,
    JudgementAnswer,
    LabelBody,
    LabelledAnswer,
    ModerateBody,
    PoliciesAnswer,
    PolicyBody,
    PolicyRecord,
    QueueAnswer,
    ReviewBody,
    SampleAnswer,
    ScanAnswer,
    ScanBody,
    ShownBody,
)

if TYPE_CHECKING:
    from bouba.apps.moderation import Judgement, Moderator
    from bouba.apps.moderation.evidence import Exhibit

HEAT_SIDE = 512  # pixels of each map

router = APIRouter(tags=["moderation"])
Changing = [Depends(writable), Depends(require("write"))]
PolicyName = Annotated[str, Query(min_length=1, max_length=60, description="As GET /moderation/policies names it.")]
RuleName = Annotated[str | None, Query(min_length=1, max_length=60)]
Limit = Annotated[int, Query(ge=1, le=MOST_PAGE)]


@router.post("/moderate", response_model=JudgementAnswer, openapi_extra=body(ModerateBody), dependencies=Changing)
async def moderate(request: Request, here: Here, served: Chosen, shown: Shown) -> Response:
    """Judge a picture that is sent, which is not kept; the decision is written to the audit log."""
    here.lanes.search.check()
    asked = await intake(request, ModerateBody, here.settings)
    return await here.lanes.search.run(request, partial(_judged, asked, here, served, shown))


@router.get("/moderation/policies", response_model=PoliciesAnswer)
async def policies(request: Request, here: Here, served: Chosen) -> Response:
    """The policies in force, with what they promise, what waits and whether reviews still fit."""
    return await here.lanes.search.run(request, partial(_policies, served))


@router.post("/moderation/policies", response_model=PolicyRecord, dependencies=Changing)
async def put_policy(request: Request, served: Chosen, asked: PolicyBody) -> Response:
    """Bring a policy into force, in place of the one of its name. Nothing is judged by it before the next scan."""
    _note(request, served, "policy")
    return await served.writes.run(request, partial(_put, served, asked.toml))


@router.post("/moderation/scan", response_model=ScanAnswer, dependencies=Changing)
async def scan(request: Request, served: Chosen, asked: ScanBody) -> Response:
    """Judge the gallery's pictures, by their stored vectors: what is new, or all after a change."""
    _note(request, served, "scan")
    work: _Work = lambda one: one.scan(everything=asked.everything).to_dict()  # noqa: E731
    return await served.writes.run(request, partial(_with, served, asked.policy, work))


@router.get("/moderation/queue", response_model=QueueAnswer)
async def queue(
    request: Request,
    here: Here,
    served: Chosen,
    shown: Shown,
    policy: PolicyName,
    rule: RuleName = None,
    limit: Limit = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """What waits for a person, the most severe and likeliest first."""
    work = partial(_queue, served=served, shown=shown, asked=(rule, limit, offset))
    return await here.lanes.search.run(request, partial(_with, served, policy, work))


@router.get("/moderation/sample", response_model=SampleAnswer)
async def sample(
    request: Request,
    here: Here,
    served: Chosen,
    shown: Shown,
    policy: PolicyName,
    rule: Annotated[str, Query(min_length=1, max_length=60)],
    limit: Limit = 20,
) -> Response:
    """The next pictures of a random sample to be labelled for a rule."""
    work: _Work = lambda one: {  # noqa: E731
        "items": [shown.item(item) for item in served.gallery.get(one.sample(rule, limit))]
    }
    return await here.lanes.search.run(request, partial(_with, served, policy, work))


@router.post("/moderation/evidence", response_model=JudgementAnswer)
async def evidence(request: Request, here: Here, served: Chosen, shown: Shown, asked: ShownBody) -> Response:
    """Why rules find a picture of the gallery to break them: texts, and the nearest pictures that people named."""
    work = partial(_evidence, served=served, shown=shown, item_id=asked.id)
    return await here.lanes.search.run(request, partial(_with, served, asked.policy, work))


@router.post(
    "/moderation/heat",
    response_class=Response,
    responses={200: {"description": "A map for each broken rule, side by side.", "content": {"image/png": {}}}},
)
async def heat(request: Request, here: Here, served: Chosen, asked: ShownBody) -> Response:
    """Where in a picture of the gallery what breaks the rules is."""
    return await here.lanes.search.run(request, partial(_heat, served, asked))


@router.post("/moderation/review", response_model=JudgementAnswer, dependencies=Changing)
async def review(request: Request, served: Chosen, asked: ReviewBody) -> Response:
    """Accept or overturn what a rule flagged; the answer is what that makes of the picture."""
    _note(request, served, "review", ids=[asked.id])
    work: _Work = lambda one: one.review(asked.id, asked.rule, asked.breaks).to_dict()  # noqa: E731
    return await served.writes.run(request, partial(_with, served, asked.policy, work))


@router.post("/moderation/label", response_model=LabelledAnswer, dependencies=Changing)
async def label(request: Request, served: Chosen, asked: LabelBody) -> Response:
    """Say of items whether they break a rule."""
    _note(request, served, "label", ids=asked.ids)
    ids = list(dict.fromkeys(asked.ids))
    work: _Work = lambda one: {  # noqa: E731
        "labelled": one.label(asked.rule, ids, asked.breaks, "random" if asked.random else "given")
    }
    return await served.writes.run(request, partial(_with, served, asked.policy, work))


@router.post("/moderation/calibrate", response_model=PolicyRecord, dependencies=Changing)
async def calibrate(request: Request, served: Chosen, asked: CalibrateBody) -> Response:
    """Set probabilities and thresholds by the labels there are. Decisions change with the next scan."""
    _note(request, served, "calibrate")
    return await served.writes.run(request, partial(_with, served, asked.policy, partial(_calibrated, asked=asked)))


@router.get("/moderation/audit", response_model=AuditAnswer, dependencies=[Depends(require("write"))])
async def audit(request: Request, here: Here, served: Chosen, policy: PolicyName, limit: Limit = 20) -> Response:
    """Whether the audit log is as it was written, and its last lines."""
    work: _Work = lambda one: {**one.verify().to_dict(), "last": one.audit.tail(limit)}  # noqa: E731
    return await here.lanes.counting.run(request, partial(_with, served, policy, work))


_Work = Callable[["Moderator"], dict[str, Any]]


@contextmanager
def _moderator(served: Served, policy: str) -> Iterator[Moderator]:
    """Raises PolicyError, without making anything, where the gallery has none."""
    from bouba.apps.moderation import Moderator, PolicyError

    if not file_of(served.gallery, "moderation").exists():
        raise PolicyError(f"No policy called {policy!r:.80} is in force for the gallery {served.name}: send one first.")
    with Moderator(served.gallery, policy) as moderator:
        yield moderator


def _with(served: Served, policy: str, work: _Work) -> Response:
    with _moderator(served, policy) as moderator:
        return as_json(work(moderator))


def _note(request: Request, served: Served, action: str, **facts: Any) -> None:
    request.state.guard.audit.write(request, f"moderation.{action}", gallery=served.name, **facts)


def _judged(asked: Intake[ModerateBody], here: Context, served: Served, shown: View) -> Response:
    data = file_sent(asked.body.image, asked.files, here.settings.most_upload_bytes)
    limits = Limits(max_bytes=here.settings.most_upload_bytes, max_decoded_bytes=MOST_DECODED_BYTES)
    with _moderator(served, asked.body.policy) as moderator:
        judgement = moderator.judge(data, limits=limits)
        exhibit = moderator.exhibit(judgement, data, heat=asked.body.heat)
    png = exhibit.png(HEAT_SIDE) or b""
    picture = {"heat_png": base64.b64encode(png).decode()} if png else {}
    return as_json({**_told(judgement, exhibit, shown), **picture})


def _told(judgement: Judgement, exhibit: Exhibit, shown: View) -> dict[str, Any]:
    record: dict[str, Any] = {**judgement.to_dict(), **exhibit.to_dict()}
    for one in (one for all_ in record["nearest"].values() for one in all_):
        if one["kind"] == "item":
            one["thumbnail"] = f"items/{one['name']}/thumbnail{shown.query}"
        elif not shown.paths:
            one["name"] = shown.path(one["name"])
    return record


def _policies(served: Served) -> Response:
    if served.gallery.folder is None or not file_of(served.gallery, "moderation").exists():
        return as_json({"policies": []})
    from bouba.apps.moderation.shelf import names_in

    records = []
    for name in names_in(file_of(served.gallery, "moderation")):
        with _moderator(served, name) as moderator:
            records.append(_policy(moderator))
    return as_json({"policies": records})


def _policy(moderator: Moderator) -> dict[str, Any]:
    record = moderator.policy.to_dict()
    counts, calibrations = moderator.records.counts(moderator.policy.name), moderator.calibrations()
    for rule in record["rules"]:
        known = calibrations[rule["name"]].to_dict()
        known["fine_labels"] = known.pop("fine")
        drift = moderator.drift(rule["name"]).to_dict()
        rule |= {**known, "waiting": counts["waiting"].get(rule["name"], 0), "drift": drift}
    return {**record, "decisions": counts["decisions"], "new_labels": moderator.new_labels()}


def _put(served: Served, toml: str) -> Response:
    from bouba.apps.moderation import Moderator
    from bouba.apps.moderation.reading import parse_policy

    with Moderator(served.gallery, parse_policy(toml, "the policy")) as moderator:
        return as_json(_policy(moderator))


def _calibrated(moderator: Moderator, asked: CalibrateBody) -> dict[str, Any]:
    from bouba.apps.moderation.policy import Promise

    moderator.calibrate(Promise(asked.miss, asked.false_alarm, asked.confidence) or None)
    return _policy(moderator)


def _queue(moderator: Moderator, served: Served, shown: View, asked: tuple[str | None, int, int]) -> dict[str, Any]:
    """Of items that are gone nothing is shown."""
    from bouba.apps.moderation.verdict import DECISIONS

    flags, waiting = moderator.queue(*asked)
    items = {item.id: shown.item(item) for item in served.gallery.get(list({flag.item for flag in flags}))}
    records = [
        {
            "rule": flag.rule, "severity": moderator.policy.rule(flag.rule).severity,
            "decision": DECISIONS[flag.decision], "probability": round(flag.probability, 4), "item": items[flag.item],
        }
        for flag in flags
        if flag.item in items and flag.rule in {one.name for one in moderator.policy.rules}
    ]  # fmt: skip
    return {"waiting": waiting, "flags": records}


def _evidence(moderator: Moderator, served: Served, shown: View, item_id: str) -> dict[str, Any]:
    item = find(served, item_id)
    judgement = moderator.judge_item(item)
    return _told(judgement, moderator.exhibit(judgement, item, heat=False), shown)


def _heat(served: Served, asked: ShownBody) -> Response:
    if not served.explains:
        raise ModelMissing(f"{served.gallery.model.name} does not tell where in a picture it looks.")
    item = find(served, asked.id)
    with _moderator(served, asked.policy) as moderator:
        png = moderator.exhibit(moderator.judge_item(item), item).png(HEAT_SIDE)
    if png is None:
        raise ItemMissing(f"{asked.id} breaks no rule of {asked.policy!r:.80}: there is nothing to show.")
    return Response(png, media_type="image/png")
