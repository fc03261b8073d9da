"""An http(s) URL -> bytes, from public addresses only (server-side request forgery: OWASP, CWE-918)."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeVar
from urllib.parse import urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse
from urllib3.util import Url, parse_url

from bouba.errors import FetchRefused

Address = IPv4Address | IPv6Address
_T = TypeVar("_T")

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset([301, 302, 303, 307, 308])
_CHUNK_BYTES = 2**16
_HEADERS = {"Accept": "image/*, audio/*, video/*, */*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "bouba"}

_OBJECT = re.compile(r"^HTTPS?Connection\(.*?\): ")  # urllib3 puts the connection before what happened

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_NEVER_PUBLIC = (
    IPv6Network("::/96"),  # IPv4-compatible, deprecated
    IPv6Network("64:ff9b:1::/48"),  # RFC 8215: NAT64 for local use
)


def is_public(address: Address) -> bool:
    """Whether an address is reachable from anywhere, and so is the IPv4 address that it may carry inside."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    if any(address in network for network in _NEVER_PUBLIC):
        return False
    inside = _embedded(address)
    return all(map(is_public, inside)) if inside else address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address.sixtofour:
        return (address.sixtofour,)
    if address.teredo:
        return address.teredo
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return ()


def fetch_bytes(
    url: str, *, max_bytes: int, timeout_s: float = 15.0, allow: Callable[[Address], bool] = is_public
) -> bytes:
    """The body behind an http(s) URL, after at most 5 redirects.

    Every address that a host name stands for must pass `allow`, at every redirect, and the connection goes to
    the very address that was checked, so that a second DNS answer cannot lead elsewhere. `timeout_s` covers
    everything from the first look-up to the last byte. Proxy settings of the environment are not used.
    Raises FetchRefused."""
    return _follow(url, _HEADERS, timeout_s, allow, lambda got, target, end: _read_body(got, target, end, max_bytes))


@dataclass(frozen=True, slots=True)
class Range:
    """Some bytes of what lies behind a URL."""

    data: bytes
    total: int  # bytes of the whole
    version: str  # ETag, or the time of the last change; empty where the server says neither


def fetch_range(
    url: str, start: int, size: int, *, timeout_s: float = 60.0, allow: Callable[[Address], bool] = is_public
) -> Range:
    """`size` bytes from `start`, or what there is of them, under the rules of `fetch_bytes`.

    Raises FetchRefused, also where the server only gives the whole (RFC 9110, 14.2: it may)."""
    headers = {**_HEADERS, "Range": f"bytes={start}-{start + size - 1}"}
    return _follow(url, headers, timeout_s, allow, lambda got, target, end: _read_range(got, target, end, start, size))


def _follow(
    url: str,
    headers: Mapping[str, str],
    timeout_s: float,
    allow: Callable[[Address], bool],
    read: Callable[[HTTPResponse, Url, float], _T],
) -> _T:
    deadline = time.monotonic() + timeout_s
    for _ in range(_MAX_REDIRECTS + 1):
        target = _parse(url)
        with _translated(target, deadline, timeout_s), _get(target, headers, deadline, allow) as response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                return read(response, target, deadline)
            url = urljoin(url, location)
    raise FetchRefused(f"{_shown(target)}: more than {_MAX_REDIRECTS} redirects.")


def _read_range(response: HTTPResponse, target: Url, deadline: float, start: int, size: int) -> Range:
    spans = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", response.headers.get("Content-Range", ""))
    if response.status == 200 or (response.status == 206 and (not spans or int(spans[1]) != start)):
        raise FetchRefused(f"{_shown(target)}: the server gives no parts of files. Save the file first.")
    body = _read_body(response, target, deadline, size, status=206)
    assert spans  # any other status is refused
    version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
    return Range(body, int(spans[2]), version)


def _parse(url: str) -> Url:
    try:
        target = parse_url(url)
    except (HTTPError, ValueError) as error:
        raise FetchRefused("this is not an address that can be fetched. Write https://host/path.") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise FetchRefused(f"{_shown(target)}: only http:// and https:// addresses are read.")
    if target.auth is not None:
        raise FetchRefused(f"{_shown(target)}: addresses with a user name or password are not fetched.")
    return target


def _shown(target: Url) -> str:
    """Without user, password and query, which may be secret."""
    return Url(target.scheme, None, target.host, target.port, (target.path or "")[:200]).url


@contextmanager
def _translated(target: Url, deadline: float, timeout_s: float) -> Iterator[None]:
    try:
        yield
    except FetchRefused:
        raise
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        if time.monotonic() >= deadline:
            raise _too_slow(target, timeout_s) from error
        words = _OBJECT.sub("", " ".join(str(error).split()))[:200]
        raise FetchRefused(f"{_shown(target)}: cannot be fetched ({words}). Check the address.") from error


def _too_slow(target: Url, timeout_s: float) -> FetchRefused:
    return FetchRefused(f"{_shown(target)}: took longer than {timeout_s:g} s. Try again, or save it first.")


@contextmanager
def _get(
    target: Url, headers: Mapping[str, str], deadline: float, allow: Callable[[Address], bool]
) -> Iterator[HTTPResponse]:
    connection = _connect(target, _allowed_addresses(target, deadline, allow), deadline)
    # Socket timeouts start anew with every byte; this one does not, so that no server can drip for ever.
    watchdog = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, [connection.sock])
    watchdog.daemon = True
    watchdog.start()
    try:
        headers = {**headers, "Host": target.netloc or ""}
        connection.request("GET", target.request_uri, headers=headers, preload_content=False, decode_content=False)
        yield connection.getresponse()
    finally:
        watchdog.cancel()
        connection.close()


def _hang_up(connected: socket.socket) -> None:
    with suppress(OSError):  # already closed
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # not SSLSocket's, which is not for another thread


def _allowed_addresses(target: Url, deadline: float, allow: Callable[[Address], bool]) -> list[Address]:
    addresses = _resolve(target, deadline)
    refused = next((address for address in addresses if not allow(address)), None)
    if refused is not None:
        raise FetchRefused(
            f"{_shown(target)}: {refused} is not a public address, so it is not fetched. Save the file first."
        )
    return addresses


def _resolve(target: Url, deadline: float) -> list[Address]:
    """Addresses of the host, without repeats. The system's look-up has no timeout, so it gets its own thread."""
    answers: list[Address] = []
    failures: list[OSError | ValueError] = []

    def look_up() -> None:
        try:
            found = socket.getaddrinfo((target.host or "").strip("[]"), None, type=socket.SOCK_STREAM)
            answers.extend(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found))
        except (OSError, ValueError) as error:  # ValueError: a label that IDNA cannot have
            failures.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if failures:
        raise FetchRefused(f"{_shown(target)}: no such host. Check the address.") from failures[0]
    if not answers:
        raise TimeoutError("the name look-up did not answer")
    return answers


def _connect(target: Url, addresses: list[Address], deadline: float) -> HTTPConnection:
    """Connected to the first address that answers."""
    for last, address in enumerate(addresses, 1 - len(addresses)):
        connection = _connection(target, address, max(0.001, deadline - time.monotonic()))
        try:
            connection.connect()
            return connection
        except (HTTPError, OSError):
            connection.close()
            if last == 0 or time.monotonic() >= deadline:
                raise
    raise TimeoutError("no address left to try")


def _connection(target: Url, address: Address, timeout_s: float) -> HTTPConnection:
    if target.scheme == "http":
        return HTTPConnection(str(address), target.port or 80, timeout=timeout_s)
    host = (target.host or "").strip("[]")
    return HTTPSConnection(
        str(address),
        target.port or 443,
        timeout=timeout_s,
        cert_reqs="CERT_REQUIRED",
        server_hostname=host,
        assert_hostname=host,
    )


def _read_body(response: HTTPResponse, target: Url, deadline: float, max_bytes: int, status: int = 200) -> bytes:
    if response.status != status:
        raise FetchRefused(f"{_shown(target)}: the server answered {response.status} {response.reason or ''}".rstrip())
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise FetchRefused(f"{_shown(target)}: the server sent {encoding!r} encoding, which was not asked for.")
    chunks: list[bytes] = []
    total = 0
    for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
        chunks.append(chunk)
        total += len(chunk)
        if total > max_bytes:
            raise FetchRefused(f"{_shown(target)}: more than {max_bytes:,} bytes, which is the limit.")
        if time.monotonic() >= deadline:
            break
    if time.monotonic() >= deadline:
        raise TimeoutError("the body did not end in time")
    return b"".join(chunks)
