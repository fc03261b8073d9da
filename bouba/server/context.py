"""What every route needs, and how it gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from bouba.server.galleries import Galleries, Served
from bouba.server.metrics import Metrics
from bouba.server.problems import GalleryUnknown, ReadOnly
from bouba.server.records import View
from bouba.server.settings import Settings
from bouba.server.warming import Warming
from bouba.server.work import Lane


@dataclass(frozen=True, slots=True)
class Lanes:
    """Beside each gallery's own for writes."""

    search: Lane
    files: Lane  # thumbnails, originals, single items: short work, which is not to wait for searches
    counting: Lane  # facets: long work, which is not to keep searches from their threads

    def close(self) -> None:
        for lane in (self.search, self.files, self.counting):
            lane.close()


@dataclass(frozen=True, slots=True)
class Context:
    """Of one app: `app.state.bouba`."""

    settings: Settings
    galleries: Galleries
    lanes: Lanes
    metrics: Metrics
    warming: Warming

    def close(self) -> None:
        """Waits for what runs."""
        self.warming.close()
        self.lanes.close()
        self.galleries.close()


def context(request: Request) -> Context:
    here: Context = request.app.state.bouba
    return here


Here = Annotated[Context, Depends(context)]


def chosen(
    request: Request,
    here: Here,
    gallery: Annotated[str | None, Query(description="Which gallery; the first one if left out.")] = None,
) -> Served:
    """Raises GalleryUnknown, also for one that the caller's key does not open."""
    seen = [name for name in here.galleries if request.state.caller.sees(name)]
    if gallery is None and seen:
        return here.galleries[seen[0]]
    if gallery not in seen:
        there = ", ".join(seen) or "none for this key"
        raise GalleryUnknown(f"There is no gallery {gallery or ''!r:.80}; there are: {there:.300}.")
    return here.galleries[gallery]


Chosen = Annotated[Served, Depends(chosen)]


def view(here: Here, served: Chosen) -> View:
    default = next(iter(here.galleries))
    return View("" if served.name == default else f"?gallery={served.name}", here.settings.shows_paths)


Shown = Annotated[View, Depends(view)]


def writable(here: Here) -> None:
    """Raises ReadOnly."""
    if not here.settings.writable:
        raise ReadOnly("This server only answers questions: it was started with --read-only.")
