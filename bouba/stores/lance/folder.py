"""The folder of a gallery on disk: its description, its locks between processes, and what its errors mean.

gallery.json     what the gallery is, and which table is its: one JSON object, replaced as a whole
items.lance/     the table; items-2.lance after the first migration, and so on
next.json        while a migration is under way: what gallery.json will be, and so which table is being filled
.*.lock          empty files that the operating system locks; a process that dies lets go
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bouba.errors import GalleryBroken, GalleryMissing, StoreError, StoreUnavailable
from bouba.locks import try_lock
from bouba.stores import Superseded

FORMAT = 1
LOCK_TIMEOUT_S = 120.0
BEGINNING_S = 2.0  # a process that makes a gallery writes its table, then its description
KEEP_S = 600.0  # a reader that started on an old version, or before a migration, has this long to finish

GALLERY, NEXT = "gallery.json", "next.json"
_TABLE = re.compile(r"items(?:-([2-9]|[1-9]\d{1,8}))?\.lance")

_NO_SPACE = ("no space left", "disk quota", "os error 28", "os error 122", "storage full")
_NO_ACCESS = ("permission denied", "read-only file system", "os error 13", "os error 30", "not permitted")


class GalleryFolder:
    """Stays with one table: the one given, or the one that the description names when it is first read."""

    def __init__(self, path: str | os.PathLike[str], description: str = GALLERY, table: str = "") -> None:
        self.path = Path(path).expanduser().absolute()
        self._description = self.path / description
        self._table = table
        self._seen: tuple[int, ...] | None = None  # the description when it was last found to name that table

    @property
    def table(self) -> Path:
        if not self._table:
            self.read_meta()
            self._table = self._table or table_name(1)
        return self.path / self._table

    def read_meta(self) -> dict[str, Any] | None:
        """What `write_meta` kept; None for a folder without a gallery, or no folder.

        Raises GalleryBroken for a file that is no description, is newer than this bouba, or is missing
        beside a table, StoreUnavailable where it cannot be read, and Superseded if it names another table by now."""
        described = self._described()
        if described is None:
            return None
        meta, table = described
        self._table = self._table or table
        if table != self._table:
            raise Superseded(self.path)
        return meta

    def write_meta(self, meta: Mapping[str, Any]) -> None:
        with self.errors(), self.lock("write"):
            self.check_current()
            self.describe(meta)

    def update_meta(self, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
        if self.read_meta() is not None:  # where there is no gallery, no folder is made for the lock
            with self.lock("write"):
                meta = self.read_meta()
                if meta is not None:
                    return self.describe(change(meta))
        raise GalleryMissing(f"There is no gallery at {self.path}: no description to change.")

    def describe(self, meta: Mapping[str, Any]) -> None:
        """Replaces the description as a whole: a reader, or a crash, sees the old or the new one.

        For who holds the lock."""
        content = {"format": FORMAT, "gallery": dict(meta), "table": self.table.name}
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        draft = self._description.with_suffix(".draft")
        with self.errors():
            try:
                with draft.open("wb") as file:
                    file.write(text.encode())
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self._description)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise

    def is_current(self) -> bool:
        """False once a migration gave the gallery another table. Costs a `stat` where nothing changed."""
        with self.errors():
            try:
                stat = os.stat(self._description)
            except FileNotFoundError:
                return True
        signature = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if signature != self._seen:
            described = self._described()
            if described is not None and self._table and described[1] != self._table:
                return False
            self._seen = signature
        return True

    def check_current(self) -> None:
        """Raises Superseded once a migration gave the gallery another table: what is written here would be lost."""
        if not self.is_current():
            raise Superseded(self.path)

    def sweep(self) -> None:
        """Remove the tables of earlier generations once nobody can be reading them. Never fails."""
        with contextlib.suppress(OSError):
            if time.time() - os.stat(self._description).st_mtime > KEEP_S:
                for name in _names(self.path):
                    if 0 < table_number(name) < table_number(self.table.name):
                        shutil.rmtree(self.path / name, ignore_errors=True)

    def _described(self) -> tuple[dict[str, Any], str] | None:
        with self.errors():
            if self.path.exists() and not self.path.is_dir():
                raise StoreUnavailable(f"{self.path} is a file; a gallery is a folder. Name another place.")
            deadline = time.monotonic() + BEGINNING_S
            while True:
                try:
                    return self._parse(self._description.read_bytes())
                except FileNotFoundError:
                    if self._description.name != GALLERY or not any(map(table_number, _names(self.path))):
                        return None
                if time.monotonic() > deadline:
                    if not any(map(self._has_rows, _names(self.path))):
                        return None  # who made the table was killed before it was described
                    raise self._broken("gallery.json is missing, though there are items")
                time.sleep(0.02)

    def _has_rows(self, name: str) -> bool:
        data = self.path / name / "data"
        return table_number(name) > 0 and data.is_dir() and any(data.iterdir())

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Only one thread of one process at a time is inside; makes the folder if there is none."""
        with contextlib.ExitStack() as stack:
            deadline = time.monotonic() + LOCK_TIMEOUT_S
            while not stack.enter_context(self.try_lock(name)):
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"{self.path}: another process has held the {name} lock for {LOCK_TIMEOUT_S:.0f} s. "
                        "Wait for it or end it, then try again."
                    )
                time.sleep(0.01)
            yield

    @contextlib.contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """True inside if nobody held it, else False at once."""
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / f".{name}.lock", "ab") as file:
            yield try_lock(file)  # closing the file lets go

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """What the engine or the operating system raises inside becomes a StoreError that names the folder.

        Errors of Python itself, such as TypeError, stay what they are: they are no damage."""
        try:
            yield
        except (OSError, ValueError, RuntimeError, LookupError) as problem:
            raise self._translated(problem) from problem
        except BaseException as problem:
            # Damage on disk can make the engine panic, which is no Exception.
            if type(problem).__name__ == "PanicException":
                raise self._translated(problem) from None
            raise

    def _translated(self, problem: BaseException) -> StoreError:
        number, text = getattr(problem, "errno", None), str(problem).lower()
        if number in (errno.ENOSPC, errno.EDQUOT) or any(sign in text for sign in _NO_SPACE):
            return StoreUnavailable(f"{self.path}: the disk is full. Free some space; what was stored is intact.")
        if number in (errno.EACCES, errno.EPERM, errno.EROFS) or any(sign in text for sign in _NO_ACCESS):
            return StoreUnavailable(f"{self.path}: no permission to read or write here ({_first_line(problem)}).")
        if "conflict" in text or "concurrent" in text:
            return StoreUnavailable(
                f"{self.path}: too many processes write at once. Try again. ({_first_line(problem)})"
            )
        if number is not None:
            return StoreUnavailable(f"{self.path}: {_first_line(problem)}.")
        return self._broken(_first_line(problem))

    def _parse(self, text: bytes) -> tuple[dict[str, Any], str]:
        name = self._description.name
        try:
            content = json.loads(text)
            written, meta = content["format"], content["gallery"]
            table = content.get("table", table_name(1))
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            raise self._broken(f"{name} cannot be read: {_first_line(problem)}") from None
        if not isinstance(written, int) or not isinstance(meta, dict) or not table_number(table):
            raise self._broken(f"{name} is not a description of a gallery")
        if written > FORMAT:
            raise GalleryBroken(
                f"{self.path} was written by a newer bouba (format {written}; this one reads {FORMAT}). Update bouba."
            )
        return meta, table

    def _broken(self, why: str) -> GalleryBroken:
        return GalleryBroken(
            f"{self.path} is damaged: {why}. Restore it from a backup, or delete the folder and add the pictures again."
        )


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def table_name(number: int) -> str:
    """The table of a gallery's nth generation."""
    return "items.lance" if number == 1 else f"items-{number}.lance"


def table_number(name: object) -> int:
    """The generation that a table belongs to; 0 for anything else than a table's name."""
    found = _TABLE.fullmatch(name) if isinstance(name, str) else None
    return int(found[1] or 1) if found else 0


def _first_line(problem: BaseException) -> str:
    """Without the source locations that the engine appends."""
    return (str(problem) or type(problem).__name__).splitlines()[0].split(", /home/")[0][:300]
