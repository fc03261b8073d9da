from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from bouba.errors import FetchRefused
from bouba.media import fetch
from bouba.media.fetch import Address, fetch_bytes, is_public

BODY = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    hosts: list[str]

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


def _serve(context: ssl.SSLContext | None = None) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = []  # type: ignore[attr-defined]
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    yield from _serve()


def loopback(address: Address) -> bool:
    return address.is_loopback


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
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: Any, *args: Any, **options: Any) -> Any:
        if host == "pictures.example":
            looked_up.append(host)
            host = "127.0.0.1" if len(looked_up) == 1 else "203.0.113.1"
        return real(host, port, *args, **options)

    monkeypatch.setattr(fetch.socket, "getaddrinfo", look_up)
    url = f"http://pictures.example:{server.server_port}/picture"
    assert fetch_bytes(url, max_bytes=10**6, allow=loopback) == BODY
    assert looked_up == ["pictures.example"]
    assert server.seen == [f"pictures.example:{server.server_port}"]  # type: ignore[attr-defined]


def test_one_private_answer_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(2, 1, 6, "", (host, 0)) for host in ("8.8.8.8", "192.168.0.1")]
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(FetchRefused, match=r"192\.168\.0\.1"):
        fetch_bytes("http://pictures.example/a.jpg", max_bytes=10)


def test_second_address_is_tried_where_the_first_does_not_answer(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [(2, 1, 6, "", (host, 0)) for host in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr("urllib3.util.connection.socket.getaddrinfo", _plain_getaddrinfo)
    assert fetch_bytes(f"http://x.example:{server.server_port}/picture", max_bytes=10**6, allow=loopback) == BODY


def _plain_getaddrinfo(host: str, port: int, *_: Any) -> Any:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]


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
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda *_, **__: answer.wait(10) and [])
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

    monkeypatch.setattr(fetch.socket, "getaddrinfo", fail)
    with pytest.raises(FetchRefused, match="no such host"):
        fetch_bytes("http://nowhere.invalid/", max_bytes=10)


@pytest.mark.parametrize(
    "url", ["", "http://", "http:///a.jpg", "https://[::1", "http://a b/", "http://x:99999/", "a.jpg", "http://" + "a" * 70]
)
def test_malformed_addresses(url: str) -> None:
    with pytest.raises(FetchRefused):
        fetch_bytes(url, max_bytes=10, timeout_s=2)


def test_secrets_stay_out_of_messages() -> None:
    for url in ("http://user:hunter2@127.0.0.1/a.jpg", "http://127.0.0.1/a.jpg?token=hunter2"):
        with pytest.raises(FetchRefused) as caught:
            fetch_bytes(url, max_bytes=10)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2002:a00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b:1::808:808", False),
        ("2001:0:7f00:1::", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for pictures.example, with its key in the same file."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pictures.example"
    names = ["-addext", "subjectAltName=DNS:pictures.example"]
    subprocess.run(
        [*command.split(), *names, "-keyout", str(key), "-out", str(path)], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


@pytest.mark.parametrize(("host", "trusted", "works"), [
    ("pictures.example", True, True),
    ("pictures.example", False, False),
    ("other.example", True, False),
    ("127.0.0.1", True, False),
])
def test_certificate_is_checked_against_the_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, trusted: bool, works: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    serving = _serve(context)
    url = f"https://{host}:{next(serving).server_port}/picture"
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(fetch, "_look_up", lambda _: answers, raising=False)
    real = socket.getaddrinfo
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda h, *a, **o: real("127.0.0.1", *a, **o))
    try:
        if works:
            assert fetch_bytes(url, max_bytes=10**6, allow=loopback) == BODY
        else:
            with pytest.raises(FetchRefused, match="certificate|CERTIFICATE"):
                fetch_bytes(url, max_bytes=10**6, allow=loopback)
    finally:
        serving.close()
