"""What galleries are called in a server."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from bouba.errors import ServerError

NAME = re.compile(r"[a-z0-9_-]{1,64}")


def name_of(place: str) -> str:
    """`~/Pictures/Holiday 2024.bouba` -> `holiday-2024`: the name of a gallery that was given none."""
    stem = PurePosixPath(place.partition("?")[0].replace("\\", "/").rstrip("/")).stem
    return re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-")[:64] or "gallery"


def checked_name(name: str) -> str:
    """Raises ServerError."""
    if not NAME.fullmatch(name):
        raise ServerError(f"{name!r:.80} is no name for a gallery: 1 to 64 of the characters a-z, 0-9, - and _.")
    return name
