"""What a server answers when something is wrong -> the error that the same mistake raises here.

Problems are `application/problem+json` (RFC 9457) with the error's class as "code"; a proxy in between knows nothing of
that, so the status alone must do as well."""

from __future__ import annotations

import json
import re
from typing import Any

from bouba import errors
from bouba.errors import (
    AccessDenied,
    BoubaError,
    MediaTooLarge,
    MediaUnsupported,
    QueryError,
    ServerBusy,
    ServerError,
    ServerUnavailable,
)


class NotThere(QueryError):
    """No such item, picture or concept on the server."""


# Whatever the code says: these are about the server and the key, not about what was asked.
_ABOUT_ACCESS: dict[int, type[BoubaError]] = {401: AccessDenied, 403: AccessDenied, 429: ServerBusy}
_BY_STATUS: dict[int, type[BoubaError]] = {
    **_ABOUT_ACCESS,
    400: QueryError,
    404: NotThere,
    413: MediaTooLarge,
    415: MediaUnsupported,
    422: QueryError,
    502: ServerUnavailable,
    503: ServerUnavailable,
    504: ServerUnavailable,
}
_MOST_SHOWN = 500  # characters of what is no problem of ours


def problem(status: int, body: bytes, url: str, request_id: str | None) -> BoubaError:
    """The error to raise for an answer that is none of 2xx."""
    told = _told(body)
    kind = _ABOUT_ACCESS.get(status) or _named(told.get("code")) or _BY_STATUS.get(status, ServerError)
    if detail := told.get("detail"):
        return kind(str(detail))
    if 300 <= status < 400:
        return ServerError(f"{url} sends elsewhere (status {status}): name the address that it sends to.")
    known = f" Its log has it under request {request_id}." if request_id else ""
    return kind(f"{url} answered with status {status}{_words(body)}.{known}")


def _told(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _named(code: object) -> type[BoubaError] | None:
    if code == "GalleryUnknown":
        return QueryError
    kind = vars(errors).get(code) if isinstance(code, str) else None
    return kind if isinstance(kind, type) and issubclass(kind, BoubaError) else None


def _words(body: bytes) -> str:
    """What a page or a line of text says, without its tags."""
    words = " ".join(re.sub(r"<[^>]*>", " ", body[:4096].decode("utf-8", "replace")).split())
    return f" ({words[:_MOST_SHOWN]})" if words.isprintable() and words else ""
