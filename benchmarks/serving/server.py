"""`bouba serve` in a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scale.timing import rss_bytes

READY_S = 120.0
STOP_S = 60.0


class Server:
    """Started, and ready from `wait` on."""

    def __init__(self, place: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._started = time.perf_counter()
        command = [sys.executable, "-m", "bouba", "serve", str(place), "--port", str(self.port), "--quiet", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def wait(self) -> float:
        """Seconds from its start until it says that it is ready."""
        while time.perf_counter() - self._started < READY_S:
            if self._process.poll() is not None:
                raise RuntimeError(f"bouba serve ended with code {self._process.returncode}; what it said is above.")
            if self._is_ready():
                return time.perf_counter() - self._started
            time.sleep(0.01)
        raise TimeoutError(f"bouba serve was not ready after {READY_S:.0f} s.")

    def _is_ready(self) -> bool:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except OSError:
                return False

    def rss(self) -> int:
        """Bytes, of the process and its children."""
        return rss_bytes(self._process.pid)

    def kill(self) -> None:
        """As a power cut does."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def serving(place: Path, *options: str) -> Iterator[Server]:
    server = Server(place, *options)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
