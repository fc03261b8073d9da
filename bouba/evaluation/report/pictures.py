"""Queries and items as they are shown: a picture's path as a thumbnail, everything else as text."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

from bouba.errors import MediaError
from bouba.evaluation.report.labels import escape
from bouba.ingest.sources import PICTURE_SUFFIXES
from bouba.media import load_image, thumbnail

Show = Callable[[str], str]  # `exhibit`, or a cache of it

SIDE = 160  # pixels, the longer side


def is_picture(item: str) -> bool:
    """Whether `item` is the path of an existing file that is named like a picture."""
    return os.path.splitext(item)[1].lower() in PICTURE_SUFFIXES and os.path.isfile(item)


def exhibit(item: str) -> str:
    """One query or item as HTML: `<img>`, a grey box for a picture that cannot be read, or `<p>`."""
    if not is_picture(item):
        return f'<p class="words" dir="auto">{escape(item)}</p>'
    name = escape(Path(item).name)
    source = _thumbnail(item)
    if source is None:
        return f'<span class="unreadable" role="img" aria-label="{name}, cannot be read">{name}</span>'
    return f'<img src="{source}" alt="{name}" title="{name}">'


def _thumbnail(path: str) -> str | None:
    try:
        jpeg = thumbnail(load_image(path, side=SIDE).rgb, SIDE)
    except MediaError:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
