"""Errors -> answers: `application/problem+json` (RFC 9457), each error of bouba mapped once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bouba.errors import (
    AttributeTypeError,
    BoubaError,
    GalleryMissing,
    ManifestError,
    MediaError,
    MediaTooLarge,
    MediaUnsupported,
    ModelMissing,
    QueryError,
    ServerBusy,
    ServerError,
    ServerUnavailable,
    StoreUnavailable,
)

MEDIA_TYPE = "application/problem+json"
STORE_RETRY_S = 5
CLIENT_GONE = 499  # nginx's code; nobody reads it but the log
MOST_SHOWN = 5  # of a body's faults

_log = logging.getLogger("bouba.server")


class ItemMissing(ServerError):
    """No such item, or what it was made from is gone."""


class GalleryUnknown(ServerError):
    """The server has no gallery of this name, or not for this key."""


class ConceptMissing(ServerError):
    """No concept of this name."""


class ReadOnly(ServerError):
    """A change, asked of a server that makes none."""


class MediaTypeRefused(ServerError):
    """A body that is neither JSON nor a form."""


class NotReady(ServerUnavailable):
    """Still loading."""


class TimedOut(ServerError):
    """Given up after the time that a request may take."""


class ClientGone(ServerError):
    """Nobody waits for the answer any more."""


class Overloaded(ServerBusy):
    """As many requests wait as may."""

    def __init__(self, message: str, retry_s: int) -> None:
        super().__init__(message)
        self.retry_s = retry_s


# By the nearest class of an error's ancestry; what is not here is a fault of ours, or of the machine: 500.
STATUS: Mapping[type[BoubaError], int] = {
    ItemMissing: 404,
    GalleryUnknown: 404,
    ConceptMissing: 404,
    ReadOnly: 403,
    MediaTypeRefused: 415,
    Overloaded: 429,
    ClientGone: CLIENT_GONE,
    TimedOut: 504,
    NotReady: 503,
    QueryError: 422,
    AttributeTypeError: 422,
    ManifestError: 422,
    MediaUnsupported: 415,
    MediaTooLarge: 413,
    MediaError: 422,
    ModelMissing: 422,  # no sound tower, no speech recogniser: another question can be answered
    GalleryMissing: 409,  # the gallery is empty
    StoreUnavailable: 503,
}


def status_of(error: BoubaError) -> int:
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """RFC 9457, with `code` (the name of an error class) and the id that stands in the log."""
    title = "Client Closed Request" if status == CLIENT_GONE else HTTPStatus(status).phrase
    record = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, **more}
    return JSONResponse({**record, "request_id": request_id}, status, dict(headers or {}), MEDIA_TYPE)


def request_id(scope: Scope) -> str:
    """As `observe` gave it, or the client."""
    return str(scope.get("state", {}).get("request_id", ""))


def add_handlers(app: FastAPI) -> None:
    """Every error that a route may raise, but bugs, which `Crashes` catches."""
    app.add_exception_handler(BoubaError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BoubaError)
    status = status_of(error)
    if status == 500:
        return _crash(request.scope, error)
    detail, headers = str(error), {}
    if isinstance(error, Overloaded):
        headers = {"Retry-After": str(error.retry_s)}
    elif status == 503:
        headers = {"Retry-After": str(STORE_RETRY_S)}
        if isinstance(error, StoreUnavailable) and not request.app.state.bouba.settings.shows_paths:
            _log.error("%s: %s", request_id(request.scope), error)
            detail = "The gallery's store cannot be used just now. Try again later; the server's log says more."
    return problem(status, type(error).__name__, detail, request_id(request.scope), headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = [
        {"at": ".".join(map(str, fault["loc"])) or "body", "message": fault["msg"]}
        for fault in error.errors()[:MOST_SHOWN]
    ]
    detail = "; ".join(f"{fault['at']}: {fault['message']}" for fault in faults)
    return problem(422, "ValidationError", detail, request_id(request.scope), errors=faults)


async def _http(request: Request, error: Exception) -> JSONResponse:
    """What Starlette, FastAPI and guard refuse: no such route, another method, a damaged form, no key."""
    assert isinstance(error, HTTPException)
    code = getattr(error, "code", None) or HTTPStatus(error.status_code).phrase.title().replace(" ", "")
    return problem(error.status_code, code, str(error.detail), request_id(request.scope), error.headers)


def _crash(scope: Scope, error: Exception) -> JSONResponse:
    known = request_id(scope)
    _log.error("%s: %s", known, type(error).__name__, exc_info=error)
    return problem(500, "InternalError", f"The server failed. Its log says why, under {known}.", known)


class Crashes:
    """A bug inside ends in an answer like any other, which keeps the headers that the layers outside give it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            if begun:  # half an answer cannot be mended: the connection is closed
                raise
            await _crash(scope, error)(scope, receive, send)


def fault(at: str, message: str) -> RequestValidationError:
    """One thing that is wrong with a request."""
    return RequestValidationError([{"loc": (at,), "msg": message, "type": "value_error"}])


def faults(errors: Sequence[Mapping[str, Any]]) -> RequestValidationError:
    """What pydantic found, without the values, which may be large or private."""
    return RequestValidationError([{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in errors])
