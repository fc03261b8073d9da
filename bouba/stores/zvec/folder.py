"""The folder of a gallery whose tables are `items.zvec`, `items-2.zvec` and so on; all else as in `GalleryFolder`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bouba.errors import StoreError, StoreUnavailable
from bouba.stores.lance.folder import GALLERY, KEEP_S, GalleryFolder
from bouba.stores.lance.folder import table_name as _lance_name
from bouba.stores.zvec.opened import is_open

DESCRIBED = "described"  # in a table that once had a description
_TABLE = re.compile(r"items(?:-([2-9]|[1-9]\d{1,8}))?\.zvec")


class ZvecFolder(GalleryFolder):
    @property
    def table(self) -> Path:
        if not self._table:
            self.read_meta()
            self._table = self._table or table_name(1)
        return self.path / self._table

    def sweep(self) -> None:
        """Remove the tables of earlier generations once nobody can be reading them. Never fails."""
        with contextlib.suppress(OSError):
            if time.time() - os.stat(self._description).st_mtime > KEEP_S:
                for name in os.listdir(self.path):
                    old = self.path / name
                    if 0 < table_number(name) < table_number(self.table.name) and not is_open(old):
                        shutil.rmtree(old, ignore_errors=True)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        try:
            with super().errors():
                yield
        except sqlite3.OperationalError as problem:
            raise StoreUnavailable(f"{self.path}: {problem}. Check free space and permission.") from problem
        except sqlite3.DatabaseError as problem:
            raise self._broken(str(problem)) from problem

    def describe(self, meta: Mapping[str, Any]) -> None:
        super().describe(meta)
        (self.table / DESCRIBED).touch()

    def _described(self) -> tuple[dict[str, Any], str] | None:
        described = super()._described()
        if described is None and self._description.name == GALLERY and any(self.path.glob(f"*.zvec/{DESCRIBED}")):
            raise self._broken("gallery.json is missing, though there are items")
        return described

    def _parse(self, text: bytes) -> tuple[dict[str, Any], str]:
        """What a description says is checked there, with the name that Lance's table of this generation would have."""
        try:
            content = json.loads(text)
            name = content["table"]
            number = table_number(name)
        except (ValueError, KeyError, TypeError, RecursionError):
            number = 0
        if not number:
            meta, other = super()._parse(text)
            raise StoreError(f"{self.path} holds a gallery of another store ({other}). Open it as file://{self.path}")
        meta, _ = super()._parse(json.dumps({**content, "table": _lance_name(number)}).encode())
        return meta, name


def table_name(number: int) -> str:
    """The table of a gallery's nth generation."""
    return "items.zvec" if number == 1 else f"items-{number}.zvec"


def table_number(name: object) -> int:
    """The generation that a table belongs to; 0 for anything else than a table's name."""
    found = _TABLE.fullmatch(name) if isinstance(name, str) else None
    return int(found[1] or 1) if found else 0
