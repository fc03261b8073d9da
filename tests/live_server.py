"""A bouba server on a free port of this machine, for as long as a test needs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

import bouba
from bouba.server import create_app
from bouba.server.settings import Settings


@contextmanager
def live_server(gallery: bouba.Gallery | Mapping[str, bouba.Gallery], **settings: Any) -> Iterator[str]:
    """Its address."""
    app = create_app(gallery, Settings(**settings))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended before it began"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
