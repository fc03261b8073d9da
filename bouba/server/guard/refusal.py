"""What a refused request is answered: problem details (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope


class Refused(HTTPException):
    """A request that is not let in; `code` is the name of the error that a client makes of it."""

    def __init__(
        self, status: int, detail: str, code: str = "AccessDenied", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code

    def response(self, scope: Scope) -> JSONResponse:
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            "code": self.code,
            "request_id": scope.get("state", {}).get("request_id", ""),
        }
        return JSONResponse(problem, self.status_code, self.headers, "application/problem+json")


def too_often(wait_s: float, what: str) -> Refused:
    """429, with how long to wait."""
    seconds = max(1, math.ceil(wait_s))
    return Refused(429, f"{what} Try again in {seconds} s.", "ServerBusy", {"Retry-After": str(seconds)})
