"""Policy on top of a Gallery: a shop, a radiology archive, moderation. They use what anybody can: the public API.

Each keeps what it needs beside a gallery in one SQLite file of its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bouba.errors import QueryError

if TYPE_CHECKING:
    from bouba import Gallery

NAMES = ("shop", "medical", "moderation")


def file_of(gallery: Gallery, app: str) -> Path:
    """Where an app keeps what belongs to a gallery. Raises QueryError for a gallery in memory, which has no place."""
    if gallery.folder is None:
        raise QueryError(f"A gallery in memory cannot be used by {app}: open one in a folder.")
    return gallery.folder / f"{app}.sqlite"


def apps_of(gallery: Gallery) -> list[str]:
    """The apps that have kept something of a gallery."""
    return [] if gallery.folder is None else [app for app in NAMES if file_of(gallery, app).exists()]
