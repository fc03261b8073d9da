"""Where a table's upkeep runs: a little of it in place, much of it in a process of its own at low priority.

Building an index keeps every core busy for seconds to minutes. In the process that searches it would share the engine's
threads with the searches, which then wait for it; another process leaves them theirs, and the operating system gives it
what they leave of the cores. Killed, or outliving who started it, it does no harm: each step is one commit.

    python -m bouba.stores.lance.keeper FOLDER [CODES]
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from bouba.stores.lance.folder import GalleryFolder
from bouba.stores.lance.settings import Settings

if TYPE_CHECKING:
    from bouba.stores.lance.table import LanceTable

HEAVY_ROWS = 20_000  # in tables of fewer, upkeep takes less time than a process to start
LOOK_COMMITS = 8  # after so many commits a large table is looked at
BULK_ROWS = 8_192  # who wrote fewer does not wait for the upkeep of all
NICENESS = 10


class Keeper:
    """Safe from threads."""

    def __init__(self, folder: GalleryFolder, settings: Settings) -> None:
        self._folder, self._codes = folder, settings.codes
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._commits = 0
        self._rows = 0  # written since the last call of maintain

    def written(self, table: LanceTable, rows: int) -> None:
        """After a commit: upkeep that is due begins, and nobody waits for it."""
        self._commits += 1
        self._rows += rows
        if self._commits % LOOK_COMMITS == 0 and self._is_heavy(table):
            self._begin()

    def maintain(self, table: LanceTable) -> None:
        """Upkeep that is due is done when this returns; after a few rows for a large table it has only begun."""
        from bouba.stores.lance.upkeep import maintain

        rows, self._rows = self._rows, 0
        for _ in range(2):  # one that began before the last commits leaves something for another
            process = self._begin() if self._is_heavy(table, at_once=True) else self._running()
            if process is not None and 0 < rows < BULK_ROWS:
                return
            if process is None or process.wait() != 0:
                break
        else:
            return
        # In place: what is little, and what went wrong elsewhere, to say how.
        maintain(table, self._folder, self._codes)

    def _is_heavy(self, table: LanceTable, at_once: bool = False) -> bool:
        from bouba.stores.lance.upkeep import is_due

        dataset = table.current(at_once)
        return dataset is not None and dataset.count_rows() >= HEAVY_ROWS and is_due(dataset, self._codes)

    def _begin(self) -> subprocess.Popen[bytes] | None:
        """The process that is at it; None where none can be started, as in a frozen application."""
        with self._lock:
            if self._running() is None and sys.executable and not getattr(sys, "frozen", False):
                with contextlib.suppress(OSError):
                    self._process = _start(str(self._folder.path), self._codes)
                    return self._process
            return self._running()

    def _running(self) -> subprocess.Popen[bytes] | None:
        return self._process if self._process is not None and self._process.poll() is None else None


def _start(folder: str, codes: int | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", __name__, folder, *([str(codes)] if codes else [])]
    # Ctrl-C is not meant for it. A new session would be scheduled apart, and its niceness count for nothing there.
    detached: dict[str, Any] = {"process_group": 0}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NEW_PROCESS_GROUP}
    none = subprocess.DEVNULL
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(command, stdin=none, stdout=none, stderr=none, env=environment, **detached)


def main() -> None:
    from bouba.stores.lance.table import LanceTable
    from bouba.stores.lance.upkeep import maintain

    if sys.platform != "win32":
        os.nice(NICENESS)
    folder, codes = GalleryFolder(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None
    maintain(LanceTable(folder, None), folder, codes)


if __name__ == "__main__":
    main()
