from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient

from bouba.server.guard import session
from bouba.server.guard.access import Access, Caller, require
from bouba.server.guard.audit import AuditLog
from bouba.server.guard.bodies import BodyLimits
from bouba.server.guard.headers import SecurityHeaders
from bouba.server.guard.keys import KeyFile
from bouba.server.settings import Settings

Guarded = Callable[..., TestClient]


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys" / "keys.json")


def _app(settings: Settings) -> FastAPI:
    """Routes that tell who asked, behind everything that guard has."""
    app = FastAPI()
    app.include_router(session.router)
    app.add_api_route("/healthz", _fine)
    app.add_api_route("/search", _told, methods=["GET", "POST"])
    app.add_api_route("/items", _changed, methods=["POST"])
    app.add_api_route("/metrics", _fine, dependencies=[Depends(require("admin"))])
    for layer in (Access, BodyLimits, SecurityHeaders):
        app.add_middleware(layer, settings=settings)
    return app


async def _fine() -> dict[str, str]:
    return {"status": "fine"}


async def _told(caller: Annotated[Caller, Depends(require("read"))]) -> dict[str, Any]:
    return {
        "key": caller.key_id, "name": caller.name, "scope": caller.scope, "address": caller.address,
        "cookie": caller.by_cookie, "sees": [name for name in ("art", "zoo") if caller.sees(name)],
    }  # fmt: skip


async def _changed(request: Request, caller: Annotated[Caller, Depends(require("write"))]) -> dict[str, int]:
    log: AuditLog = request.state.guard.audit
    log.write(request, "add", gallery="art", ids=["a", "b"])
    return {"added": len(await request.body())}


@pytest.fixture
def guarded(keys: KeyFile) -> Guarded:
    """guarded(in_force=True, audit_file=...): a client of a small app with these settings."""

    def guarded(in_force: bool = False, base_url: str = "http://localhost", **settings: Any) -> TestClient:
        made = Settings(keys_file=keys.path if in_force else None, **settings)
        return TestClient(_app(made), base_url=base_url)

    return guarded
