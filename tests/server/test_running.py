"""The port that `bouba serve` listens at."""

from __future__ import annotations

import socket

import pytest

from bouba.errors import ServerError
from bouba.server.running import address_of, listening
from bouba.server.settings import Settings


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with listening(Settings(port=0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_told() -> None:
    with listening(Settings(port=0)) as listener:
        port = listener.getsockname()[1]
        assert address_of(listener) == f"http://127.0.0.1:{port}/"
        with pytest.raises(ServerError, match=f"port {port}.*--port"), listening(Settings(port=port)):
            pass
