"""What means harm already in how it is sent: `bouba serve` in a process of its own, and bytes on a socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bouba
from bouba.encoders import Model

# The same server, only less patient, so that the tests are.
START = (
    "from bouba.server.guard import bodies, wire; bodies.GRACE_S = wire.HEADERS_S = 1.0; bodies.LINGER_S = 0.5; "
    "from bouba.cli import main; main()"
)
HOST = b"Host: localhost\r\n"
JSON = b"POST /search HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
FORM = b"POST /search HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=x\r\n"
CLOSED = b""


class Server:
    def __init__(self, folder: Path, model: Model) -> None:
        self.place = folder / "gallery"
        with bouba.open(self.place, model) as gallery:
            gallery.add(folder / "photos")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [sys.executable, "-c", START, "serve", str(self.place), "--port", str(self.port)]
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def wait(self) -> None:
        for _ in range(600):
            assert self.process.poll() is None, Path(self.log.name).read_text()
            with contextlib.suppress(OSError):
                if self.get("/readyz")[0] == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError(Path(self.log.name).read_text())

    def get(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("localhost", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def talk(self, *parts: bytes) -> bytes:
        """All that is answered until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            with contextlib.suppress(OSError):  # it may have been answered and ended by now
                for part in parts:
                    connection.sendall(part)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while chunk := connection.recv(2**16):
                    answer += chunk
            return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_model: Model) -> Iterator[Server]:
    from bad_inputs import encode, picture

    folder = tmp_path_factory.mktemp("wire")
    (folder / "photos").mkdir()
    for n in range(3):
        (folder / "photos" / f"{n}.png").write_bytes(encode(picture().rotate(90 * n, expand=True), "PNG"))
    server = Server(folder, tiny_model)
    try:
        server.wait()
        yield server
    finally:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) in (0, -signal.SIGTERM)
        server.log.close()


def _chunked(*chunks: bytes) -> tuple[bytes, ...]:
    return (JSON + b"Transfer-Encoding: chunked\r\n\r\n", *chunks)


REQUESTS: dict[str, tuple[tuple[bytes, ...], set[bytes]]] = {
    "headers-of-a-megabyte": ((b"GET /items HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 2**20 + b"\r\n\r\n",), {b"400"}),
    "a-hundred-thousand-headers": ((b"GET /items HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 100_000 + b"\r\n",), {b"400"}),
    "an-address-of-a-megabyte": ((b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\n" + HOST + b"\r\n",), {b"400"}),
    "headers-that-never-end": ((b"GET /items HTTP/1.1\r\n" + HOST,), {CLOSED}),
    "nothing-at-all": ((), {CLOSED}),
    "a-method-without-end": ((b"G" * 100_000,), {b"400"}),
    "a-body-that-stops": ((JSON + b"Content-Length: 100\r\n\r\n{",), {b"408"}),
    "a-form-that-stops": ((FORM + b"Content-Length: 1000\r\n\r\n--x\r\nContent-Disposition: form-data; na",), {b"408"}),
    "chunks-that-stop": (_chunked(b"5\r\nhe"), {b"408"}),
    "chunks-without-a-size": (_chunked(b"zz\r\nhello\r\n"), {b"400"}),
    "chunks-of-a-negative-size": (_chunked(b"-5\r\nhello\r\n"), {b"400"}),
    "chunks-of-2^70-bytes": (_chunked(b"400000000000000000\r\nhello\r\n"), {b"400", b"408", b"413"}),
    "chunks-with-long-notes": (_chunked(b"5;" + b"n" * 100_000 + b"\r\nhello\r\n"), {b"400", b"408"}),
    "chunks-beyond-the-limit": (_chunked(*[b"100000\r\n" + b"a" * 2**20 + b"\r\n"] * 20), {b"413"}),
    "a-length-beyond-the-limit": ((JSON + b"Content-Length: 99999999999\r\n\r\n{",), {b"413"}),
    "a-length-beyond-all-limits": ((JSON + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{",), {b"400", b"413"}),
    "a-negative-length": ((JSON + b"Content-Length: -1\r\n\r\n",), {b"400"}),
    "two-lengths": ((JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",), {b"400"}),
    "length-and-chunks": ((JSON + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",), {b"400"}),
    "an-unknown-transfer": ((JSON + b"Transfer-Encoding: gzip\r\n\r\n",), {b"400", b"501"}),
    "no-host": ((b"GET /items HTTP/1.1\r\n\r\n",), {b"400"}),
    "no-host-in-1.0": ((b"GET /items HTTP/1.0\r\n\r\n",), {b"400"}),
    "two-hosts": ((b"GET /items HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n",), {b"400"}),
    "a-rebound-host": ((b"GET /items HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",), {b"421"}),
    "a-header-without-a-name": ((b"GET /items HTTP/1.1\r\n" + HOST + b": x\r\n\r\n",), {b"400"}),
    "a-space-before-the-colon": ((b"GET /items HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n",), {b"400"}),
    "a-nul-in-a-header": ((b"GET /items HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n",), {b"400"}),
    "a-bare-return-in-a-header": ((b"GET /items HTTP/1.1\r\n" + HOST + b"X-Request-Id: a\rSet-Cookie: b=c\r\n\r\n",),
                                  {b"400"}),
    "an-address-with-a-return": ((b"GET /items\r/x HTTP/1.1\r\n" + HOST + b"\r\n",), {b"400"}),
    "an-address-of-bytes": ((b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",), {b"400"}),
    "another-servers-address": ((b"GET http://evil.example/x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",),
                                {b"404"}),
    "http-0.9": ((b"GET /items\r\n\r\n",), {b"400"}),
    "http-2": ((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), {b"400"}),
    "tls": ((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),), {b"400", CLOSED}),
    "garbage": ((bytes(range(256)) * 100,), {b"400"}),
    "a-websocket": ((b"GET /items HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: upgrade, close\r\n"
                     b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",), {b"200"}),
    "packed-twice": ((JSON + b"Content-Encoding: gzip, gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",),
                     {b"415"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_refused(server: Server, name: str) -> None:
    parts, expected = REQUESTS[name]
    answer = server.talk(*parts)
    status = answer.split(b" ")[1] if answer.startswith(b"HTTP/1.") else answer[:1]
    assert status in expected, answer[:300]
    assert b"set-cookie" not in answer.lower()
    assert b"Traceback" not in answer
    assert server.get("/items?limit=1")[1]["total"] == 3


def test_a_form_cut_off_by_its_sender(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(FORM + b"Content-Length: 1000\r\n\r\n--x\r\n")
    assert server.get("/healthz")[0] == 200


def test_two_hundred_clients_that_never_ask(server: Server) -> None:
    with contextlib.ExitStack() as open:
        for _ in range(200):
            open.enter_context(socket.create_connection(("127.0.0.1", server.port), 30)).sendall(b"POST /se")
        assert server.get("/items?limit=1")[1]["total"] == 3


def test_a_hundred_requests_at_once_on_one_connection(server: Server) -> None:
    one = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = server.talk(one * 99 + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 100


def test_what_is_smuggled_behind_a_body_is_not_answered(server: Server) -> None:
    hidden = b"DELETE /items/x HTTP/1.1\r\n" + HOST + b"\r\n"
    head = JSON + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert server.talk(head + b"0\r\n\r\n" + hidden).count(b"HTTP/1.1 ") == 1


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_nothing_stays_open(server: Server) -> None:
    """After all of that."""
    time.sleep(1.5)
    sockets = [fd for fd in Path(f"/proc/{server.process.pid}/fd").iterdir() if "socket" in os.readlink(fd)]
    assert len(sockets) < 20
