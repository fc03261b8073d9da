"""A request's body -> what it asks: JSON, or a form with files."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from bouba.errors import MediaTooLarge
from bouba.server.guard.bodies import FORM_LIMITS, MOST_JSON_BYTES
from bouba.server.problems import MediaTypeRefused, fault, faults
from bouba.server.schemas import Asked, SearchBody
from bouba.server.settings import Settings

LARGE_BYTES = 2**16  # of JSON: from here on a thread reads it
FORM, JSON = "multipart/form-data", "application/json"
OPTIONS = ("where", "k", "min_probability", "raw", "exact", "diverse")
PARTS = ("text", "transcript", "audio_as", "concept", "like", "unlike")
MEDIA = ("image", "audio")

_OBJECT = TypeAdapter(dict[str, Any])
_Body = TypeVar("_Body", bound=Asked)


@dataclass(frozen=True, slots=True)
class Intake(Generic[_Body]):
    """What came with a request."""

    body: _Body
    files: Mapping[str, bytes]


async def intake(request: Request, kind: type[_Body], settings: Settings) -> Intake[_Body]:
    """JSON of the kind, or a form with that JSON in the field `body` and the files that it names; of a search also a
    plain form. Raises RequestValidationError, MediaTypeRefused, MediaTooLarge, and HTTPException for a damaged form."""
    if media_type(request) == JSON:
        return Intake(await _parsed(kind, await request.body()), {})
    if media_type(request) != FORM:
        raise MediaTypeRefused(f"The body is neither {JSON} nor {FORM}: say which in Content-Type.")
    form = await request.form(**FORM_LIMITS)
    try:
        files = await _files(form, settings.most_upload_bytes)
        if isinstance(body := form.get("body"), str) or "body" in files:
            raw = body.encode() if isinstance(body, str) else files.pop("body")
            return Intake(await _parsed(kind, raw), files)
        if kind is not SearchBody:
            raise fault("body", "the form has no field of this name, with the question as JSON")
        return Intake(_checked(kind, plain(form, files)), files)
    finally:
        await form.close()


def media_type(request: Request) -> str:
    """Without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def attributes(text: str | UploadFile | None) -> dict[str, Any]:
    """The JSON object of a form's field. Raises RequestValidationError."""
    try:
        return _OBJECT.validate_json(text) if isinstance(text, str) and text.strip() else {}
    except ValidationError as error:
        raise fault("attributes", f'no JSON object, such as {{"price": 9.5}}: {error.errors()[0]["msg"]}') from None


def plain(form: FormData, files: Iterable[str]) -> dict[str, Any]:
    """A form as HTML sends it -> a search's body; fields that were left empty are not there."""
    given = {name: [value for value in form.getlist(name) if isinstance(value, str) and value] for name in form}
    if unknown := [name for name in form if name not in (*OPTIONS, *PARTS, *MEDIA, "not")]:
        raise fault(unknown[0][:80], "there is no such field")
    query: dict[str, Any] = {name: given[name][-1] for name in PARTS[:4] if given.get(name)}
    query |= {name: given[name] for name in PARTS[4:] if given.get(name)}
    query |= {name: {"part": name} for name in MEDIA if name in files}
    nots = [{"not": {"text": text}} for text in given.get("not", ())]
    whole = {"all": [*([query] if query else []), *nots]} if nots else query
    return {"query": whole, **{name: given[name][-1] for name in OPTIONS if given.get(name)}}


async def _files(form: FormData, most_bytes: int) -> dict[str, bytes]:
    """By their fields; together they may be as large as one upload, for they are held in memory."""
    found: dict[str, bytes] = {}
    for name, file in form.multi_items():
        if not isinstance(file, UploadFile) or not (file.filename or file.size):
            continue  # a field of a form that was left empty
        data = await file.read(most_bytes + 1)
        most_bytes -= len(data)
        if most_bytes < 0:
            raise MediaTooLarge(
                f"{name:.80}: the files of a question are larger than its limit together. Send smaller ones."
            )
        found[name] = data
    return found


async def _parsed(kind: type[_Body], raw: bytes) -> _Body:
    """JSON takes many times its size in memory, also where it comes as a file. Raises RequestValidationError."""
    if len(raw) > MOST_JSON_BYTES:
        raise MediaTooLarge(
            f"{len(raw):,} bytes of JSON, the limit is {MOST_JSON_BYTES:,}. Send files as parts of a form."
        )
    try:
        if len(raw) < LARGE_BYTES:
            return kind.model_validate_json(raw)
        return await asyncio.to_thread(kind.model_validate_json, raw)
    except ValidationError as error:
        raise faults(error.errors(include_url=False, include_context=False, include_input=False)) from None


def _checked(kind: type[_Body], given: Mapping[str, Any]) -> _Body:
    """Of a form, where all is text."""
    try:
        return TypeAdapter(kind).validate_python(given, strict=False)
    except ValidationError as error:
        raise faults(error.errors(include_url=False, include_context=False, include_input=False)) from None
