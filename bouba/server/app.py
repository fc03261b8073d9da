"""All of it put together: galleries, lanes, layers, routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.middleware import Middleware

import bouba
from bouba.server.context import Context, Lanes
from bouba.server.galleries import Galleries
from bouba.server.guard import check_binding
from bouba.server.guard.access import Access
from bouba.server.guard.bodies import BodyLimits
from bouba.server.guard.headers import SecurityHeaders
from bouba.server.metrics import Metrics
from bouba.server.observe import Observe
from bouba.server.openapi import ALWAYS, problems, told_by
from bouba.server.problems import Crashes, add_handlers
from bouba.server.routes import ROUTERS
from bouba.server.settings import Settings
from bouba.server.warming import Warming
from bouba.server.work import Lane

if TYPE_CHECKING:
    from bouba.gallery import Gallery

DESCRIPTION = "Find pictures by words, sounds, speech or another picture."
FILES_THREADS, FILES_WAITING = 4, 512  # a page of 500 hits asks for 500 thumbnails
COUNTING_THREADS, COUNTING_WAITING = 2, 32


def build_app(gallery: Gallery | Mapping[str, Gallery], settings: Settings) -> FastAPI:
    """See `bouba.server.create_app`."""
    check_binding(settings)
    here = _context(gallery, settings)
    app = FastAPI(
        title="bouba",
        version=bouba.__version__,
        description=DESCRIPTION,
        lifespan=_life,
        docs_url=None,  # Swagger UI comes from other people's servers
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Observe, metrics=here.metrics),
            Middleware(SecurityHeaders, settings=settings),
            Middleware(BodyLimits, settings=settings),
            Middleware(Access, settings=settings),
            Middleware(Crashes),
        ],
    )
    app.state.bouba = here
    for router in ROUTERS:
        app.include_router(router, responses=problems(*ALWAYS))
    add_handlers(app)
    app.openapi = told_by(app)  # type: ignore[method-assign]
    return app


def _context(gallery: Gallery | Mapping[str, Gallery], settings: Settings) -> Context:
    metrics = Metrics()
    galleries = Galleries(gallery, settings, metrics)
    lanes = Lanes(
        Lane("search", settings.workers, settings.waiting, settings.timeout_s),
        Lane("files", FILES_THREADS, FILES_WAITING, settings.timeout_s),
        Lane("counting", COUNTING_THREADS, COUNTING_WAITING, settings.timeout_s),
    )
    writes = [served.writes for served in galleries.values()]
    metrics.watch([lanes.search, lanes.files, lanes.counting, *writes], galleries)
    return Context(settings, galleries, lanes, metrics, Warming(galleries))


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    here: Context = app.state.bouba
    here.warming.start()
    yield
    await asyncio.to_thread(here.close)
