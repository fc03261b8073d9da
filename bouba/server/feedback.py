"""What people liked and disliked of answers, a JSON line each, beside the gallery: what a model may learn from."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bouba.errors import StoreUnavailable

MOST_BYTES = 64 * 2**20  # then the file is put aside as NAME.1, in the place of an earlier one


class FeedbackLog:
    """Safe from threads; of two servers beside one gallery each line is whole too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def append(self, facts: dict[str, Any]) -> None:
        """Raises StoreUnavailable where it cannot be written."""
        record = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        with self._lock:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                if self._path.exists() and self._path.stat().st_size > MOST_BYTES:
                    os.replace(self._path, self._path.with_name(f"{self._path.name}.1"))
                with open(self._path, "ab", buffering=0) as file:
                    file.write(line)
            except OSError as error:
                raise StoreUnavailable(f"{self._path} cannot be written: {error.strerror}.") from error
