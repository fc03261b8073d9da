"""Pictures of a catalogue -> items of the gallery. What became an item once is not read again."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bouba.apps.shop.shelf import Shelf, changed
from bouba.apps.shop.telling import NAMES
from bouba.errors import BoubaError, MediaError, MediaMissing
from bouba.media import read_source

if TYPE_CHECKING:
    from bouba import Gallery

BATCH = 256  # pictures that are added, and settled, together
_WEB = ("http://", "https://")


@dataclass(slots=True)
class Taken:
    """What became of a catalogue's pictures."""

    added: int = 0  # encoded
    known: int = 0  # not read: the same file or address as before, or bytes that the gallery has
    failed: dict[str, str] = field(default_factory=dict)  # source -> why


@dataclass(slots=True)
class Pictures:
    """Of one import. `folder` is where relative paths begin."""

    gallery: Gallery
    shelf: Shelf
    folder: Path
    fetch: bool = False

    def named(self, source: str) -> str:
        """As a picture is known: an address, or a whole path."""
        if source.lower().startswith(_WEB):
            return source
        return os.path.abspath(self.folder / source.removeprefix("file://"))

    def take(self, sources: Iterable[str], progress: Callable[[int, int], None]) -> Taken:
        """Sources as `named` gives them. A picture that cannot be had is reported; one that was there before and
        cannot be read now stays as it was."""
        taken, wanted = Taken(), list(dict.fromkeys(sources))
        known = self._known()
        states = {source: _state(source) for source in wanted}
        new = [source for source in wanted if source not in known or known[source][1] != states[source]]
        taken.known = len(wanted) - len(new)
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            self._add(batch, {source: states[source] for source in batch}, taken)
            progress(taken.known + min(start + BATCH, len(new)), len(wanted))
        return taken

    def _known(self) -> dict[str, tuple[str, str]]:
        """Source -> item and state, of the items that the gallery still has."""
        with self.shelf.db.reading() as db:
            rows = db.execute("SELECT name, item, state FROM source WHERE item IS NOT NULL").fetchall()
        there: set[str] = set()
        for start in range(0, len(rows), 1000):
            there |= self.gallery.known([row[1] for row in rows[start : start + 1000]])
        return {name: (item, state) for name, item, state in rows if item in there}

    def _add(self, batch: Sequence[str], states: Mapping[str, str | None], taken: Taken) -> None:
        files: dict[str, str] = {}
        for source in batch:
            try:
                if not source.lower().startswith(_WEB):
                    files[source] = _item_id(source)
            except MediaError as error:
                taken.failed[source] = str(error)
        before = self.gallery.known(list(files.values()))
        report = self.gallery.add([source for source in batch if source not in taken.failed], fetch=self.fetch)
        taken.failed |= {failure.source: failure.message for failure in report.failures}
        taken.added += report.added
        taken.known += report.unchanged + report.moved + report.duplicates
        items = {source: self._item(source, files.get(source)) for source in batch if source not in taken.failed}
        self._settle({source: item for source, item in items.items() if item}, states, before)

    def _item(self, source: str, item: str | None) -> str | None:
        """A fetched picture is asked for by its address, for only the gallery has seen its bytes."""
        if item is not None:
            return item if self.gallery.known([item]) else None
        found = self.gallery.find(source)
        return found[0].id if found else None

    def _settle(self, items: Mapping[str, str], states: Mapping[str, str | None], before: Iterable[str]) -> None:
        """`before`: items that the gallery had already, and that are not the shop's to remove."""
        others = set(before)
        with self.shelf.db.writing() as db:
            for source, item in items.items():
                db.execute("INSERT OR REPLACE INTO source VALUES (?, ?, ?)", [source, item, states[source] or ""])
                told = (
                    "INSERT INTO item VALUES (?, ?, NULL) ON CONFLICT DO UPDATE SET told = NULL"  # it may be a new one
                )
                db.execute(told, [item, item not in others])
            changed(db)


def forget_unused(gallery: Gallery, shelf: Shelf) -> int:
    """Pictures that no product has any more: those that came with the shop leave the gallery. Returns how many."""
    unused = (
        "SELECT i.id, i.own FROM item i WHERE NOT EXISTS (SELECT 1 FROM source s JOIN picture t ON t.source = s.name "
        "WHERE s.item = i.id)"
    )
    with shelf.db.reading() as db:
        rows = db.execute(unused).fetchall()
    gallery.update({item: dict.fromkeys(NAMES) for item, own in rows if not own})
    removed = gallery.delete([item for item, own in rows if own])
    with shelf.db.writing() as db:
        _forget(db, [item for item, _ in rows])
    return removed


def _forget(db: sqlite3.Connection, items: Sequence[str]) -> None:
    db.executemany("DELETE FROM item WHERE id = ?", [(item,) for item in items])
    db.execute("DELETE FROM source WHERE name NOT IN (SELECT source FROM picture)")


def _state(source: str) -> str | None:
    """By which a changed file is told; an address is not asked again. None for a file that is not there."""
    if source.lower().startswith(_WEB):
        return ""
    try:
        facts = os.stat(source)
    except (OSError, ValueError):
        return None
    return f"{facts.st_size}:{facts.st_mtime_ns}"


def _item_id(path: str) -> str:
    """As the gallery will call it: the first 32 hex digits of the SHA-256 of the file's bytes."""
    try:
        return hashlib.sha256(read_source(path)).hexdigest()[:32]
    except BoubaError:
        raise
    except (OSError, ValueError) as error:
        raise MediaMissing(f"{path} cannot be read: {error}.") from error
