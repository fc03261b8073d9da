"""What /openapi.json adds to what FastAPI finds out: bodies that are JSON or a form, problems, keys, examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bouba.server.intake import FORM, JSON
from bouba.server.problems import MEDIA_TYPE
from bouba.server.schemas import AddBody, DeleteBody, ExplainBody, FeedbackBody, Problem, SearchBody
from bouba.server.schemas_medical import MedicalReportsBody, MedicalSearchBody
from bouba.server.schemas_moderation import ModerateBody

REFS = "#/components/schemas/{model}"
BODIES: Sequence[type[BaseModel]] = (
    SearchBody, ExplainBody, FeedbackBody, DeleteBody, AddBody, Problem,
    MedicalSearchBody, MedicalReportsBody, ModerateBody,
)  # fmt: skip
ALWAYS = (400, 401, 403, 404, 408, 411, 413, 414, 415, 421, 422, 429, 431, 500, 503, 504)  # of any route
DESCRIPTIONS: Mapping[int, str] = {
    304: "Not changed.",
    400: "The request is damaged.",
    401: "A key is needed.",
    403: "The key does not allow it, or the server is read-only.",
    404: "There is no such item, gallery or concept.",
    408: "The body came too slowly.",
    409: "The gallery is empty.",
    411: "The length of the body is not said.",
    413: "Over a limit.",
    414: "The address is too long.",
    415: "A kind of file or body that is not read.",
    416: "No such range of bytes.",
    421: "The server is not addressed by a name of its own.",
    422: "The question, the filter or a value is wrong.",
    429: "Too much at once: see Retry-After.",
    431: "The headers are too long.",
    500: "A fault of the server.",
    503: "Not ready, or the store cannot be reached: see Retry-After.",
    504: "It took too long.",
}
_FILE = {"type": "string", "format": "binary"}
_TEXT = {"type": "string"}
_FLAG = {"type": "boolean", "default": False}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may fail in these ways."""
    content = {MEDIA_TYPE: {"schema": {"$ref": REFS.format(model="Problem")}}}
    return {status: {"description": DESCRIPTIONS[status], "content": content} for status in statuses}


def body(kind: type[BaseModel], form: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `openapi_extra` of a route that takes JSON of a kind, or a form with that JSON in `body`, or another form."""
    ref = {"$ref": REFS.format(model=kind.__name__)}
    own = {"body": {"type": "string", "contentMediaType": JSON, "contentSchema": ref}}
    schema = form or {"type": "object", "properties": own, "required": ["body"], "additionalProperties": _FILE}
    return {"requestBody": {"required": True, "content": {JSON: {"schema": ref}, FORM: {"schema": schema}}}}


SEARCH_FORM = {
    "type": "object",
    "properties": {
        "text": _TEXT, "image": _FILE, "audio": _FILE, "concept": _TEXT,
        "audio_as": {"enum": ["auto", "speech", "sound"]}, "transcript": _TEXT,
        "like": {"type": "array", "items": _TEXT}, "unlike": {"type": "array", "items": _TEXT},
        "not": {"type": "array", "items": _TEXT}, "where": _TEXT,
        "k": {"type": "integer", "minimum": 1, "maximum": 500, "default": 24},
        "min_probability": {"type": "number", "minimum": 0, "maximum": 1},
        "raw": _FLAG, "exact": _FLAG, "diverse": _FLAG,
    },
    "description": "A plain form, or the JSON of a search in the field `body` and the files that it names.",
}  # fmt: skip
UPLOAD_FORM = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": _FILE},
        "attributes": {"type": "string", "description": "A JSON object; all the pictures get it."},
    },
    "required": ["files"],
}


def told_by(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """In place of `app.openapi`."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        if "bearer" not in schema["components"].get("securitySchemes", {}):
            _complete(schema)
        return schema

    return openapi


def _complete(schema: dict[str, Any]) -> None:
    _, shared = models_json_schema([(kind, "validation") for kind in BODIES], ref_template=REFS)
    components = schema["components"]
    components.setdefault("schemas", {}).update(shared["$defs"])
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"bearer": []}, {}]  # without keys in force none is needed
