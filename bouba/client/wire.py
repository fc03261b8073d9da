"""Requests to one bouba server over a pool of connections, with patience where it is busy."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import sleep
from typing import Any
from urllib.parse import urlencode

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError
from urllib3.filepost import encode_multipart_formdata
from urllib3.util import Url, parse_url

import bouba
from bouba.client.problems import problem
from bouba.errors import QueryError, ServerError, ServerUnavailable

POOL = 8  # connections that stay open; more threads open more
TRIES = 5  # while the server says that it is busy
FIRST_WAIT_S = 0.25  # doubled with every try
_CONNECTION = re.compile(r"^(HTTPS?Connection(Pool)?\(.*?\)|<.*?>): ")
JITTER = 0.25  # of a wait: clients that were refused together do not come back together


@dataclass(frozen=True, slots=True)
class File:
    """A file field of a form."""

    field: str
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request, which can be sent again."""

    method: str
    path: str  # below the server's address: "items/3f9a"
    fields: Mapping[str, Any] = field(default_factory=dict)  # of the address; those that are None are left out
    body: bytes | None = None
    content_type: str = "application/json"
    repeatable: bool = True  # whether it may be sent again when the connection broke under it


def with_json(method: str, path: str, value: Mapping[str, Any], *, repeatable: bool = True) -> Request:
    """Raises QueryError for a value that JSON does not have."""
    return Request(method, path, body=_dumped(value).encode(), repeatable=repeatable)


def with_form(
    path: str, plain: Mapping[str, Mapping[str, Any]], files: Sequence[File], *, repeatable: bool = True
) -> Request:
    """A form of JSON fields and files, as POST. Raises QueryError for a value that JSON does not have."""
    parts: list[tuple[str, Any]] = [(name, _dumped(value)) for name, value in plain.items()]
    parts += [(file.field, (file.name, file.data, "application/octet-stream")) for file in files]
    body, content_type = encode_multipart_formdata(parts)
    return Request("POST", path, body=body, content_type=content_type, repeatable=repeatable)


def _dumped(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise QueryError(f"The question cannot be sent to a server: {error}.") from error


class Wire:
    """A server's address, its key and its connections. Safe to use from several threads."""

    def __init__(self, url: str, key: str | None, gallery: str | None, timeout_s: float) -> None:
        if not 0 < timeout_s < float("inf"):
            raise ServerError(f"timeout_s is {timeout_s}; give a number of seconds above 0.")
        self.url = _address(url)
        self._timeout_s = timeout_s
        self._gallery = gallery
        headers = {"User-Agent": f"bouba/{bouba.__version__}", "Accept": "*/*"}
        if key is not None:
            headers["Authorization"] = f"Bearer {_checked_key(key)}"
        self._pool = PoolManager(maxsize=POOL, headers=headers, timeout=Timeout(timeout_s), retries=False)

    def json(self, request: Request) -> dict[str, Any]:
        """The object that it answers with. Raises as `send` does, ServerError for anything but an object."""
        answer = self.send(request)
        try:
            value = json.loads(answer.data)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            kind = answer.headers.get("Content-Type", "nothing that is named")
            raise ServerError(f"{self.url} answered with {kind}, as no bouba server does. Is the address right?")
        return value

    def send(self, request: Request) -> BaseHTTPResponse:
        """The answer. While the server is busy (429), it is asked again as it says (Retry-After), for at most the
        time-out altogether; a request that may be repeated is, once, when the connection broke.

        Raises ServerUnavailable where there is no answer, and what `problem` makes of one that is none of 2xx."""
        patience = _Patience(self._timeout_s)
        while True:
            answer = self._answered(request)
            if answer.status != 429 or not patience.wait(answer.headers.get("Retry-After")):
                break
        if 200 <= answer.status < 300:
            return answer
        raise problem(answer.status, answer.data, self.url, answer.headers.get("X-Request-Id"))

    def close(self) -> None:
        self._pool.clear()

    def _answered(self, request: Request) -> BaseHTTPResponse:
        try:
            try:
                return self._once(request)
            except ProtocolError:
                if not request.repeatable:
                    raise
                return self._once(request)
        except ReadTimeoutError as error:
            raise ServerUnavailable(
                f"{self.url} did not answer within {self._timeout_s:g} s. Give it longer (timeout_s) or ask for less."
            ) from error
        except HTTPError as error:
            raise ServerUnavailable(
                f"{self.url} cannot be reached ({_reason(error)}). Is the server running, and the address right?"
            ) from error

    def _once(self, request: Request) -> BaseHTTPResponse:
        fields = {name: value for name, value in request.fields.items() if value is not None}
        if self._gallery is not None:
            fields["gallery"] = self._gallery
        target = f"{self.url}/{request.path}" + (f"?{urlencode(fields)}" if fields else "")
        headers = dict(self._pool.headers)
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        return self._pool.urlopen(
            request.method, target, body=request.body, headers=headers, redirect=False, retries=False
        )


class _Patience:
    """How often and how long a busy server is waited for."""

    def __init__(self, left_s: float) -> None:
        self._left_s = left_s
        self._tries = 1

    def wait(self, retry_after: str | None) -> bool:
        """Whether it is to be asked again; if so, after the wait."""
        wait_s = max(_seconds(retry_after), FIRST_WAIT_S * 2 ** (self._tries - 1)) * (1 + JITTER * random.random())
        if self._tries == TRIES or wait_s > self._left_s:
            return False
        self._tries += 1
        self._left_s -= wait_s
        sleep(wait_s)
        return True


def _seconds(retry_after: str | None) -> float:
    """Of a Retry-After header, which is a number of seconds or a date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _address(url: str) -> str:
    try:
        parsed: Url | None = parse_url(url)
    except HTTPError:
        parsed = None
    if parsed is None or parsed.scheme not in ("http", "https") or not parsed.host:
        raise ServerError(f"{url!r:.200} is no server's address: give it as http://HOST:PORT or https://HOST.")
    if parsed.auth or parsed.query or parsed.fragment:
        raise ServerError(
            "A server's address has no user, password, ? or #: give the key apart (key=, or $BOUBA_KEY for a command)."
        )
    return parsed.url.rstrip("/")


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or not key or " " in key:
        raise ServerError("The key has characters that no key has: give it as `bouba keys new` printed it.")
    return key


def _reason(error: HTTPError) -> str:
    """What happened, without the connection that urllib3 puts before it."""
    words = str(error.args[-1] if error.args else error)
    return _CONNECTION.sub("", words) or type(error).__name__
