"""One router for each kind of thing that can be asked."""

from __future__ import annotations

from fastapi import APIRouter

from bouba.server.guard import session
from bouba.server.routes import concepts, feedback, files, items, page, search, state

ROUTERS: tuple[APIRouter, ...] = (
    search.router,
    feedback.router,
    items.router,
    files.router,
    concepts.router,
    state.router,
    session.router,
    page.router,
)
