"""The tables that this process has open: zvec opens each once, and several stores and threads share it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bouba.errors import StoreUnavailable

if TYPE_CHECKING:
    from bouba.stores.zvec.table import ZvecTable

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PROCESS = "process.lock"

_lock = threading.RLock()
_opened: dict[Place, ZvecTable] = {}
_users: dict[Place, int] = {}


@dataclass(frozen=True, slots=True)
class Place:
    """Of a table, as this process knows it; a process that was forked has none of its parent's tables."""

    process: int
    path: str

    @classmethod
    def of(cls, table: Path) -> Place:
        return cls(os.getpid(), os.path.realpath(table))


def take(place: Place, open_: Callable[[], ZvecTable]) -> ZvecTable:
    """The open table at a place, opened now if nobody has it; to be given back."""
    with _lock:
        if place not in _opened:
            _opened[place] = open_()
        _users[place] = _users.get(place, 0) + 1
        return _opened[place]


def give_back(place: Place) -> None:
    """Who is the last closes it."""
    with _lock:
        _users[place] = _users.get(place, 0) - 1
        if _users[place] <= 0:
            del _users[place]
            if place.process == os.getpid() and (table := _opened.pop(place, None)) is not None:
                table.close()


def is_open(table: Path) -> bool:
    return Place.of(table) in _opened


class Ownership:
    """The lock that says which process has a table. Raises StoreUnavailable, naming it, if that is another one."""

    def __init__(self, table: Path) -> None:
        path = table / PROCESS
        self._file = open(path, "a+b")  # noqa: SIM115  (closing it lets go)
        try:
            _lock_file(self._file.fileno())
        except OSError:
            self._file.seek(0)
            owner = self._file.read(200).decode(errors="replace").strip() or "another process"
            self._file.close()
            raise StoreUnavailable(
                f"{table.parent} is in use by {owner}. A zvec:// gallery belongs to one process at a time: ask that "
                "one (for instance its server), or end it. A gallery in a plain folder serves many at once."
            ) from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} ({Path(sys.argv[0]).name or 'python'})".encode())
        self._file.flush()

    def let_go(self) -> None:
        self._file.close()


def _lock_file(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # a locked byte cannot be read there; who owns it stands before
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
