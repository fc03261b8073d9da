from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bouba.errors import FetchRefused
from bouba.media.fetch import Address, fetch_bytes

BODY = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append(self.headers["Host"])  # type: ignore[attr-defined]
        path, _, rest = self.path.strip("/").partition("/")
        answer: Callable[[str], None] = getattr(self, f"answer_{path}", self.answer_missing)
        answer(rest)

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_missing(self, _: str) -> None:
        self.reply(404)

    def answer_picture(self, _: str) -> None:
        self.reply(200, BODY)

    def answer_hop(self, left: str) -> None:
        self.reply(302, Location=f"/hop/{int(left) - 1}" if int(left) > 1 else "/picture")

    def answer_to(self, target: str) -> None:
        self.reply(302, Location=target)

    def answer_gzip(self, _: str) -> None:
        self.reply(200, gzip.compress(bytes(10**6)), Content_Encoding="gzip")

    def answer_short(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half")

    def answer_garbage(self, _: str) -> None:
        self.wfile.write(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        self.close_connection = True

    def answer_many_headers(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n")
        self.close_connection = True

    def answer_long_header(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 10**6 + b"\r\n\r\n")
        self.close_connection = True

    def answer_hang_up(self, _: str) -> None:
        self.close_connection = True

    def answer_endless(self, _: str) -> None:
        self.send_response(200)
        self.end_headers()
        self._write_until_cut(bytes(2**16), 0)

    def answer_drip(self, _: str) -> None:
        self.send_response(200)
        self.end_headers()
        self._write_until_cut(b"x", 0.05)

    def answer_drip_header(self, _: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._write_until_cut(b"x", 0.05)

    def _write_until_cut(self, chunk: bytes, pause_s: float) -> None:
        try:
            for _ in range(400):
                self.wfile.write(chunk)
                self.wfile.flush()
                time.sleep(pause_s)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


Serve = Callable[[ssl.SSLContext | None], ThreadingHTTPServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(context: ssl.SSLContext | None) -> ThreadingHTTPServer:
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            server.daemon_threads = True
            server.seen = []  # type: ignore[attr-defined]
            if context:
                server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.fixture
def server(serve: Serve) -> ThreadingHTTPServer:
    return serve(None)


def loopback(address: Address) -> bool:
    return address.is_loopback


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let host names stand for these addresses, the last answer for good; returns the names looked up."""
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: Any, *_: Any, **__: Any) -> Any:
        numeric = host.replace(".", "").isdigit()
        hosts = [host] if numeric else answers[min(len(looked_up), len(answers) - 1)]
        looked_up.extend([] if numeric else [host])
        return [entry for host in hosts for entry in real(host, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return looked_up


def get(server: ThreadingHTTPServer, path: str, **options: Any) -> bytes:
    options = {"max_bytes": 10**6, "allow": loopback, **options}
    return fetch_bytes(f"http://127.0.0.1:{server.server_port}/{path}", **options)


def test_body(server: ThreadingHTTPServer) -> None:
    assert get(server, "picture") == BODY
    assert get(server, "picture", max_bytes=len(BODY)) == BODY


def test_loopback_is_refused_by_default(server: ThreadingHTTPServer) -> None:
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"):
        with pytest.raises(FetchRefused, match="not a public address"):
            fetch_bytes(f"http://{host}:{server.server_port}/picture", max_bytes=10**6)
    assert server.seen == []  # type: ignore[attr-defined]


def test_redirects_are_followed_five_times(server: ThreadingHTTPServer) -> None:
    assert get(server, "hop/5") == BODY
    with pytest.raises(FetchRefused, match="more than 5 redirects"):
        get(server, "hop/6")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data", r"169\.254\.169\.254 is not a public address"),
        ("http://10.0.0.1/", "not a public address"),
        ("file:///etc/hosts", "only http"),
        ("gopher://127.0.0.1/", "only http"),
        ("http://user:pass@127.0.0.1/", "user name"),
    ],
)
def test_redirect_is_checked_like_the_first_address(server: ThreadingHTTPServer, target: str, reason: str) -> None:
    with pytest.raises(FetchRefused, match=reason):
        get(server, f"to/{target}")


def test_connection_goes_to_the_checked_address_with_the_name_as_host(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = resolve_to(monkeypatch, ["127.0.0.1"], ["203.0.113.1"])
    url = f"http://pictures.example:{server.server_port}/picture"
    assert fetch_bytes(url, max_bytes=10**6, allow=loopback) == BODY
    assert looked_up == ["pictures.example"]
    assert server.seen == [f"pictures.example:{server.server_port}"]  # type: ignore[attr-defined]


def test_one_private_answer_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["8.8.8.8", "192.168.0.1"])
    with pytest.raises(FetchRefused, match=r"192\.168\.0\.1"):
        fetch_bytes("http://pictures.example/a.jpg", max_bytes=10)


def test_second_address_is_tried_where_the_first_does_not_answer(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    assert fetch_bytes(f"http://x.example:{server.server_port}/picture", max_bytes=10**6, allow=loopback) == BODY


def test_environment_proxies_are_not_used(server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert get(server, "picture") == BODY


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nothing", "404"),
        ("gzip", "'gzip' encoding"),
        ("short", "IncompleteRead|incomplete|broken"),
        ("endless", "more than 1,000,000 bytes"),
        ("garbage", "cannot be fetched"),
        ("many_headers", "more than 100 headers"),
        ("long_header", "header line"),
        ("hang_up", "closed connection"),
        ("to/http://[::1/", "not an address"),
    ],
)
def test_refused_answers(server: ThreadingHTTPServer, path: str, reason: str) -> None:
    with pytest.raises(FetchRefused, match=reason):
        get(server, path)


@pytest.mark.parametrize("path", ["drip", "drip_header"])
def test_deadline_covers_a_server_that_drips(server: ThreadingHTTPServer, path: str) -> None:
    with pytest.raises(FetchRefused, match=r"took longer than 0\.3 s"):
        get(server, path, timeout_s=0.3)


def test_deadline_covers_a_silent_name_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(10) and [])
    with pytest.raises(FetchRefused, match=r"took longer than 0\.1 s"):
        fetch_bytes("http://slow.example/a.jpg", max_bytes=10, timeout_s=0.1)
    answer.set()


def test_closed_port_and_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(FetchRefused, match="127\\.0\\.0\\.1"):
            fetch_bytes(f"http://127.0.0.1:{unused.getsockname()[1]}/", max_bytes=10, allow=loopback)

    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(FetchRefused, match="no such host"):
        fetch_bytes("http://nowhere.invalid/", max_bytes=10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for pictures.example, with its key in the same file."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pictures.example"
    )
    names = ["-addext", "subjectAltName=DNS:pictures.example"]
    subprocess.run([*command.split(), *names, "-keyout", str(key), "-out", str(path)], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


@pytest.mark.parametrize(
    ("host", "trusted", "works"),
    [
        ("pictures.example", True, True),
        ("pictures.example", False, False),
        ("other.example", True, False),
        ("127.0.0.1", True, False),
    ],
)
def test_certificate_is_checked_against_the_name(
    certificate: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, works: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = f"https://{host}:{serve(context).server_port}/picture"
    resolve_to(monkeypatch, ["127.0.0.1"])
    if works:
        assert fetch_bytes(url, max_bytes=10**6, allow=loopback) == BODY
    else:
        with pytest.raises(FetchRefused, match=r"certificate|CERTIFICATE|doesn't match"):
            fetch_bytes(url, max_bytes=10**6, allow=loopback)
