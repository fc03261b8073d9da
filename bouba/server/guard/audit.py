"""Who changed what: JSON lines, appended one write at a time.

A line has `time` (UTC), `request_id`, `key` (an id, or null), `address`, `action`, and what the action is about:
galleries, ids, counts. Never what was asked, and never what a file holds. The file is opened for every line, so that
it can be rotated at any time; several processes may share it (O_APPEND: POSIX write(2)).
"""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request

from bouba.errors import StoreUnavailable

MOST_IDS = 1000  # in a line; beyond, their number says how many


class AuditLog:
    """The log at a path; without a path nothing is written."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.path = None if path is None else Path(path).expanduser().absolute()
        self._torn = False  # the last line is not whole
        self._lock = threading.Lock()

    def write(self, request: Request, action: str, **facts: Any) -> None:
        """Call it before the change: where nothing can be written down, nothing is changed.

        Raises StoreUnavailable."""
        if self.path is None:
            return
        caller = getattr(request.state, "caller", None)
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": getattr(request.state, "request_id", ""),
            "key": caller and caller.key_id,
            "address": caller.address if caller else request.client.host if request.client else "",
            "action": action,
            **_bounded(facts),
        }
        self._append(json.dumps(line).encode() + b"\n")

    def _append(self, line: bytes) -> None:
        with self._lock:
            try:
                file = os.open(str(self.path), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    self._write_whole(file, b"\n" + line if self._torn else line)
                finally:
                    os.close(file)
            except OSError as error:
                raise StoreUnavailable(
                    f"The audit log cannot be written ({error.strerror or error}), so nothing was changed. "
                    "Free some space on the server or give it permission, then try again."
                ) from error

    def _write_whole(self, file: int, line: bytes) -> None:
        written = os.write(file, line)
        self._torn = written < len(line) and (written > 0 or self._torn)
        if written < len(line):
            raise OSError(None, "no space for the whole line")


def _bounded(facts: dict[str, Any]) -> dict[str, Any]:
    """Lists as long as they may be, with how long they were."""
    bounded = dict(facts)
    for name, value in facts.items():
        if isinstance(value, list | tuple):
            bounded[name] = list(value[:MOST_IDS])
            if len(value) > MOST_IDS:
                bounded[f"{name}_in_all"] = len(value)
    return bounded
