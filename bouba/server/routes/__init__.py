"""One router for each kind of thing that can be asked."""

from __future__ import annotations

from fastapi import APIRouter

from bouba.server.guard import session
from bouba.server.routes import concepts, feedback, files, items, medical, moderation, page, search, shop, state

ROUTERS: tuple[APIRouter, ...] = (
    search.router,
    feedback.router,
    items.router,
    files.router,
    concepts.router,
    state.router,
    session.router,
    shop.router,
    medical.router,
    moderation.router,
    page.router,
)
