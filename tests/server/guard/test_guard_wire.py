"""The real server on a real socket."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from bouba.server.guard import bodies, wire
from bouba.server.guard.bodies import BodyLimits
from bouba.server.settings import Settings

LARGE = 50_000_000  # more than the buffers on the way hold


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    body = await request.body() if scope["path"] == "/read" else b""
    if scope["path"] == "/large":
        return await PlainTextResponse("x" * LARGE)(scope, receive, send)
    address = request.client.host if request.client else ""
    await PlainTextResponse(f"{len(body)} {address}")(scope, receive, send)


@contextlib.contextmanager
def _running(settings: Settings) -> Iterator[int]:
    config = uvicorn.Config(
        BodyLimits(_app, settings), port=0, lifespan="off", log_level="critical", **wire.options(settings)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def port() -> Iterator[int]:
    with _running(Settings(most_body_bytes=100_000)) as port:
        yield port


def _talk(port: int, *parts: bytes) -> bytes:
    """Everything that is answered until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        for part in parts:
            with contextlib.suppress(OSError):  # it may have been answered and closed by now
                connection.sendall(part)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


HEAD = b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data\r\n"
CLOSE = b"Connection: close\r\n"


def test_an_ordinary_request(port: int) -> None:
    answer = _talk(port, HEAD + CLOSE + b"Content-Length: 5\r\n\r\nhello")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n5 127.0.0.1")
    assert b"\r\nserver:" not in answer.lower()


def test_two_requests_on_one_connection(port: int) -> None:
    answer = _talk(port, HEAD + b"Content-Length: 1\r\n\r\nx", HEAD + CLOSE + b"Content-Length: 2\r\n\r\nxy")
    assert answer.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize("size", [40_000, 400_000, 4_000_000])
def test_headers_are_limited(port: int, size: int) -> None:
    answer = _talk(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * size + b"\r\n" + CLOSE + b"\r\n")
    assert answer.split(b" ")[1] in (b"400", b"431")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\n", HEAD])
def test_headers_that_never_end(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEADERS_S", 0.2)
    with _running(Settings()) as port:
        assert _talk(port, begun) == b""


def test_headers_that_drip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEADERS_S", 0.3)
    with _running(Settings()) as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        sent = 0
        with contextlib.suppress(OSError):  # a reset, or a broken pipe
            while sent < 500:
                connection.sendall(b"X")
                sent += 1
                time.sleep(0.02)
        assert sent < 500


def test_a_second_request_whose_headers_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEADERS_S", 0.2)
    with _running(Settings()) as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"127.0.0.1"):  # it may come in pieces
            answer += connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET / HT")
        assert connection.recv(1000) == b""


def test_a_body_may_take_longer_than_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEADERS_S", 0.1)
    with _running(Settings()) as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(HEAD + CLOSE + b"Content-Length: 4\r\n\r\n")
        for _ in range(4):
            time.sleep(0.1)
            connection.sendall(b"x")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_slow_body_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.2)
    with _running(Settings()) as port:
        answer = _talk(port, HEAD + b"Content-Length: 1000\r\n\r\nx")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


def test_the_answer_reaches_who_sends_far_too_much(port: int) -> None:
    body = b"x" * 5_000_000
    answer = _talk(port, HEAD + CLOSE + b"Content-Length: 5000000\r\n\r\n", body)
    assert answer.startswith(b"HTTP/1.1 413 ")
    chunks = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    answer = _talk(port, HEAD + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n", chunks * 40 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "chunks", [b"zz\r\nx\r\n", b"-1\r\nx\r\n", b"5;" + b"e" * 100_000, b"fffffffffffffffffffffff\r\n"]
)
def test_bad_chunks(port: int, chunks: bytes) -> None:
    answer = _talk(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunks)
    assert answer.split(b" ")[1] in (b"400", b"413")


def test_what_a_proxy_says_is_believed_from_named_ones_alone(port: int) -> None:
    forged = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 6.6.6.6\r\n" + CLOSE + b"\r\n"
    assert _talk(port, forged).endswith(b"0 127.0.0.1")
    with _running(Settings(proxies=("127.0.0.1",))) as believing:
        assert _talk(believing, forged).endswith(b"0 6.6.6.6")


def test_no_websockets(port: int) -> None:
    upgrade = b"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\nConnection: upgrade\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + upgrade)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")  # taken for an ordinary request


def test_an_answer_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "STALLED_S", 0.2)
    with _running(Settings()) as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1)
        read = 0
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(2**20):
                read += len(chunk)
        assert read < LARGE


def test_an_answer_that_is_read(port: int) -> None:
    answer = _talk(port, b"GET /large HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n")
    assert len(answer.partition(b"\r\n\r\n")[2]) == LARGE
