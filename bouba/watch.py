"""Keep a gallery in step with a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bouba.errors import MediaMissing
from bouba.ingest import Report
from bouba.ingest.sources import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from threading import Event

    from bouba.gallery import Gallery


def watch(gallery: Gallery, folder: Path, told: Callable[[Report], None], stop: Event | None = None) -> None:
    """Add what is in the folder, then follow its changes until `stop` is set or Ctrl-C.

    `told` gets a report after the first pass and after each group of changes."""
    from watchfiles import Change, watch

    if not folder.is_dir():
        raise MediaMissing(f"{folder} is not a folder that can be watched.")
    changes = watch(folder, stop_event=stop, raise_interrupt=True, yield_on_timeout=True, rust_timeout=500)
    next(changes)  # the watcher runs before the first pass, so that nothing falls between the two
    told(gallery.add(folder, prune=True) if any(folder.iterdir()) else Report())
    for group in changes:
        gone = sorted(path for kind, path in group if kind == Change.deleted and not os.path.lexists(path))
        there = sorted({path for kind, path in group if kind != Change.deleted and os.path.lexists(path)})
        report = gallery.add([p for p in there if _is_wanted(p, folder)])
        report.removed += gallery.forget_paths(gone) + sum(gallery.forget_folder(p) for p in gone)
        if report.ids or report.failures or report.removed:
            told(report)


def _is_wanted(path: str, folder: Path) -> bool:
    """What a walk of the folder would have found: pictures and folders, nothing hidden."""
    parts: Iterable[str] = Path(path).relative_to(folder).parts if Path(path).is_relative_to(folder) else ()
    if any(part.startswith(".") for part in parts):
        return False
    return os.path.isdir(path) or os.path.splitext(path)[1].lower() in PICTURE_SUFFIXES
