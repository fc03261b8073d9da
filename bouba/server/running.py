"""From a port to the last answer: what `bouba serve` does around an app."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bouba.errors import ServerError
from bouba.server import missing_extra
from bouba.server.guard import check_binding

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

    from bouba.server.settings import Settings

BACKLOG = 1024
FINISH_S = 5  # beyond a request's own time, to finish what runs


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Bound before anything is loaded, so that a port that is taken is told at once. Raises ServerError."""
    check_binding(settings)
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise ServerError(
            f"{settings.host} port {settings.port} cannot be listened at: {error.strerror or error}. "
            "Another program may have it: choose another with --port, or 0 for any free one."
        ) from error
    # Connections inherit it. asyncio sets it by itself, but not on those of a socket made without a protocol's number;
    # without it the end of an answer waits for the client's delayed acknowledgement, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with listener:
        yield listener


def address_of(listener: socket.socket) -> str:
    """Of the page."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def run_until_stopped(app: FastAPI, settings: Settings, listener: socket.socket) -> None:
    """Answers until SIGINT or SIGTERM, then finishes what runs. Raises ServerError where uvicorn is not installed."""
    try:
        import uvicorn

        from bouba.server.guard.wire import options
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=int(settings.timeout_s) + FINISH_S,
        **options(settings),
    )
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when all is done
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the command as its work does, with everything closed; it is what systemd and containers send."""

    def stop(signum: int, frame: FrameType | None) -> None:
        sys.exit(0)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
