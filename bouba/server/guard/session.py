"""A key in a browser: exchanged for a cookie that scripts cannot read, since <img> sends no headers.

The cookie is a random number that only this process knows the key of; a restart or a revoked key ends it. It is made
here and nowhere else, so that nobody can choose it for somebody (session fixation, CWE-384)."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, Request, Response

if TYPE_CHECKING:
    from bouba.server.guard.access import Door

COOKIE = "bouba_session"
LIFETIME_S = 12 * 3600
MOST_SESSIONS = 1000
MOST_OF_A_KEY = 50  # so that no key ends the sessions of others


class Sessions:
    """Session -> the id of its key; beyond `most`, or its key's share of them, the oldest ends."""

    def __init__(self, most: int = MOST_SESSIONS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()  # key id, end

    def open(self, key_id: str) -> str:
        session = secrets.token_urlsafe(32)
        others = [one for one, (key, _) in self._open.items() if key == key_id]
        for one in others[: max(0, len(others) + 1 - MOST_OF_A_KEY)]:
            self.close(one)
        self._open[session] = (key_id, self._clock() + LIFETIME_S)
        while len(self._open) > self._most:
            self._open.popitem(last=False)
        return session

    def key_id(self, session: str) -> str | None:
        key_id, end = self._open.get(session, (None, 0.0))
        if key_id is not None and self._clock() >= end:
            self.close(session)
            return None
        return key_id

    def close(self, session: str) -> None:
        self._open.pop(session, None)

    def __len__(self) -> int:
        return len(self._open)


router = APIRouter(tags=["session"])


@router.post("/session", status_code=204, summary="Exchange a key for a cookie")
async def open_session(
    request: Request, key: Annotated[str, Body(embed=True, max_length=200, examples=["bouba_..."])]
) -> Response:
    """For pages: `bouba_session` is HttpOnly and SameSite=Strict, and ends after 12 hours."""
    door: Door = request.state.guard
    session = door.open_session(request, key)
    response = Response(status_code=204)
    if session is not None:
        response.set_cookie(
            COOKIE,
            session,
            LIFETIME_S,
            path=_path(request),
            secure=_is_https(request),
            httponly=True,
            samesite="strict",
        )
    return response


@router.delete("/session", status_code=204, summary="End the session")
async def close_session(request: Request) -> Response:
    door: Door = request.state.guard
    door.close_session(request)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, _path(request), secure=_is_https(request), httponly=True, samesite="strict")
    return response


def _path(request: Request) -> str:
    """Of the server, which may be mounted below another."""
    return str(request.scope.get("root_path", "")) or "/"


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"
