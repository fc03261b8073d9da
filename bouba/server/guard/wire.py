"""The connection itself: how `bouba serve` has uvicorn speak HTTP.

uvicorn's faster parser (httptools) sets no limit on headers, so h11 it is; and neither ends a connection whose headers
never end (Slowloris), or whose client reads nothing of its answer (both CWE-400), which is what `PatientHTTP` adds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from bouba.server.guard.bodies import MOST_HEADER_BYTES

if TYPE_CHECKING:
    from bouba.server.settings import Settings

HEADERS_S = 20.0  # from a connection, or from the first byte of its next request, to the end of the headers
STALLED_S = 60.0  # in which a client must read some 64 kB of its answer
MOST_CONNECTIONS = 1000  # each is an open file, of which a process often has 1,024


class PatientHTTP(H11Protocol):
    """HTTP/1.1 whose headers must end in time, and whose answers must be read."""

    _waiting: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_idle():
            self._stop_waiting()
        elif self._waiting is None:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_stalled()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_stalled()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stalled()
        super().resume_writing()

    def _stop_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_headers(self) -> None:
        self._waiting = self.loop.call_later(HEADERS_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._is_idle() and not self.transport.is_closing():
            self.transport.close()


def options(settings: Settings) -> dict[str, Any]:
    """For `uvicorn.run(app, **options)` and `uvicorn.Config`."""
    return {
        "http": PatientHTTP,
        "h11_max_incomplete_event_size": MOST_HEADER_BYTES,
        "ws": "none",
        "server_header": False,
        "limit_concurrency": MOST_CONNECTIONS,
        # Believed from everybody on this machine by default, who could then write any address into the audit log.
        "proxy_headers": bool(settings.proxies),
        "forwarded_allow_ips": list(settings.proxies),
    }
