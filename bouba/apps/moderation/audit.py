"""What was decided, for good: JSON lines, each with the hash of the line before, so that a changed, removed or inserted
line shows. (Haber and Stornetta, How to Time-Stamp a Digital Document, 1991; Schneier and Kelsey, 1999.)

A line has `n`, `at` (UTC), `action`, `previous`, and what the action is about: policy and version, fingerprint of the
model, hash of the picture's bytes, decision. Never a path, a name of a person, or what a picture shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from bouba.errors import StoreUnavailable
from bouba.locks import try_lock

FIRST = "0" * 64  # before the first line
LONGEST_BYTES = 2**20  # of a line
PATIENCE_S = 60.0  # with others who write


@dataclass(frozen=True, slots=True)
class Head:
    """The last line: how many there are, and its hash."""

    lines: int = 0
    digest: str = FIRST


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in a log."""

    head: Head
    fault: str = ""  # the first thing that is wrong; empty where the chain is whole

    def to_dict(self) -> dict[str, Any]:
        return {"whole": not self.fault, "lines": self.head.lines, "head": self.head.digest, "fault": self.fault}


class AuditLog:
    """At a path. Safe from threads and processes; what was appended is on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, events: Sequence[Mapping[str, Any]]) -> Head:
        """One line for each event, all or none. Raises StoreUnavailable: then nothing may be changed either."""
        try:
            with self._alone(), open(self.path, "ab+") as file:
                head = _mended(file)
                lines, head = _chained(events, head)
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
                return head
        except OSError as error:
            raise StoreUnavailable(
                f"The audit log {self.path} cannot be written ({error.strerror or error}), so nothing was changed. "
                "Free some space or give permission, then try again."
            ) from error

    def verify(self, known: Head | None = None) -> Verified:
        """Reads all of it. `known`: a head of earlier, which the log must still contain."""
        digest, number = FIRST, 0
        met = known is None or known.lines == 0
        for line in self._lines():
            fault = _fault(line, number + 1, digest)
            if fault:
                return Verified(Head(number, digest), f"line {number + 1:,}: {fault}")
            number, digest = number + 1, hashlib.sha256(line).hexdigest()
            if known is not None and number == known.lines:
                met = digest == known.digest
                if not met:
                    return Verified(Head(number, digest), f"line {number:,}: not the one that was written here")
        if known is not None and not met:
            gone = known.lines - number
            return Verified(Head(number, digest), f"the last {gone:,} lines that were written are gone")
        return Verified(Head(number, digest))

    def tail(self, count: int) -> list[dict[str, Any]]:
        """The last events, the newest first; lines that cannot be read are left out."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - min(count * 2048, 64 * LONGEST_BYTES)))
            lines = file.read().splitlines()
        return [event for line in reversed(lines[-count:]) if (event := _event(line))]

    def _lines(self) -> Iterator[bytes]:
        if self.path.exists():
            with open(self.path, "rb") as file:
                yield from file

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + PATIENCE_S
        with open(self.path.with_suffix(".lock"), "wb") as lock:
            while not try_lock(lock):
                if time.monotonic() > until:
                    raise OSError(None, f"another process has held it for {PATIENCE_S:g} s")
                time.sleep(0.01)
            yield


def _chained(events: Sequence[Mapping[str, Any]], head: Head) -> tuple[bytes, Head]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    number, digest, lines = head.lines, head.digest, []
    for event in events:
        number += 1
        record = {"n": number, "at": now, **event, "previous": digest}
        line = json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        digest = hashlib.sha256(line).hexdigest()
        lines.append(line)
    return b"".join(lines), Head(number, digest)


def _mended(file: BinaryIO) -> Head:
    """The head of a log whose last line may be half: the writer was killed before it was reported done."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return Head()
    start = max(0, size - LONGEST_BYTES)
    file.seek(start)
    data = file.read()
    whole, _, torn = data.rpartition(b"\n")
    if torn:
        file.truncate(size - len(torn))
        file.seek(0, os.SEEK_END)
    if not whole:
        return Head()
    line = whole.rpartition(b"\n")[2] + b"\n"
    number = _event(line).get("n")
    if not isinstance(number, int):
        raise OSError(None, "its last line is damaged; verify it, and put the file aside")
    return Head(number, hashlib.sha256(line).hexdigest())


def _fault(line: bytes, number: int, previous: str) -> str:
    if not line.endswith(b"\n"):
        return "half a line: its writer was stopped before it was reported done"
    event = _event(line)
    if not event:
        return "no JSON"
    if event.get("previous") != previous:
        return "does not follow the line before it: one of them was changed, or lines between them are gone"
    return "" if event.get("n") == number else "is numbered wrongly"


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
