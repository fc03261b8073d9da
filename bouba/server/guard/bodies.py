"""How much a request may bring, and how slowly: the first to see it after it has an id.

A client that is answered before it has sent everything would lose the answer if the connection were closed on it (the
operating system resets it), so the rest is read and dropped for some seconds first (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bouba.server.guard.refusal import Refused, too_often

if TYPE_CHECKING:
    from bouba.server.settings import Settings

MIB = 2**20
MOST_URL_BYTES = 8 * 2**10
MOST_HEADER_BYTES = 32 * 2**10
MOST_JSON_BYTES = 16 * MIB  # of brackets alone it takes 60 times as much memory once it is parsed
MOST_HELD_BYTES = 2048 * MIB  # of all bodies that are being read or worked on
GRACE_S = 10.0  # a body may take this long anyway,
LEAST_BYTES_PER_S = 8 * 2**10  # and beyond it must keep this pace,
MOST_S = 900.0  # up to here
PROMPT_S = 0.05  # a body that is there by then leaves the connection open after an answer that came before it
LINGER_S = 3.0  # what still comes after the answer is dropped for as long, then the connection ends

BUSY_S = 5.0  # after which another try may find room
TAIL_BYTES = 1024  # in which a form's last boundary stands; it has at most 70 characters

# Of one multipart request, for `request.form(**FORM_LIMITS)`. Each part of a kind is an open file or a string.
FORM_LIMITS: Mapping[str, int] = {"max_files": 500, "max_fields": 200, "max_part_size": MIB}


class BodyLimits:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._most_form_bytes = settings.most_body_bytes
        self._held = _Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        exchange = _Exchange(scope, headers, receive, send, self._most(headers), self._held)
        try:
            check_head(scope, headers)
            check_length(headers, exchange.most)
            await self.app(scope, exchange.receive, exchange.send)
        except Refused as refused:
            exchange.refused = refused
        except Exception:
            if exchange.refused is None:
                raise
        finally:
            exchange.release()
        if exchange.refused is not None:
            await exchange.refuse(exchange.refused)

    def _most(self, headers: Headers) -> int:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        return self._most_form_bytes if kind == "multipart/form-data" else min(MOST_JSON_BYTES, self._most_form_bytes)


def check_head(scope: Scope, headers: Headers) -> None:
    """Raises Refused for what needs no look at the body."""
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > MOST_URL_BYTES:
        raise Refused(414, f"The address is longer than {MOST_URL_BYTES:,} bytes. Use POST.", "BadRequest")
    if sum(len(name) + len(value) + 4 for name, value in headers.raw) > MOST_HEADER_BYTES:
        raise Refused(431, f"The headers are longer than {MOST_HEADER_BYTES:,} bytes.", "BadRequest")
    if "transfer-encoding" in headers and "content-length" in headers:  # request smuggling: RFC 9112, 6.3
        raise Refused(400, "A body has a Content-Length or a Transfer-Encoding, not both.", "BadRequest")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):  # a few bytes could unpack to gigabytes
        raise Refused(
            415, f"Bodies are taken as they are, not as {encoding!r}.", "BadRequest", {"Accept-Encoding": "identity"}
        )


def check_length(headers: Headers, most: int) -> None:
    """Raises Refused for a body that says it is too large, before any of it is read."""
    stated = headers.get("content-length")
    if stated is None:
        return
    if not (stated.isascii() and stated.isdigit()):
        raise Refused(400, "The Content-Length is not a number.", "BadRequest")
    if len(stated) > 18 or int(stated) > most:
        raise _too_large(f"{stated[:20]} bytes", most)


class _Held:
    """Counted over all requests: a thousand bodies within their limits would still fill the memory."""

    bytes = 0


class _Exchange:
    """A request whose body is counted and timed, and its answer."""

    def __init__(self, scope: Scope, headers: Headers, receive: Receive, send: Send, most: int, held: _Held) -> None:
        self.most, self._held = most, held
        self.refused: Refused | None = None
        self._scope, self._receive, self._send = scope, receive, send
        self._has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._may_linger = "expect" not in headers  # such a client sends nothing after a final answer
        self._answered = False
        self._ends = False  # the connection, with this answer
        self._read_bytes = 0
        self._form_end, self._tail = _form_end(headers), b""
        self._waited_s = 0.0  # for the client alone: to wait for a free worker is not its fault

    async def receive(self) -> Message:
        """What comes next; a body that is refused looks to the app like a client that has gone."""
        if self.refused is not None:
            return {"type": "http.disconnect"}
        if not self._has_body:
            return await self._receive()
        try:
            return await self._next()
        except Refused as refused:
            self.refused = refused
            return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Passes the answer on, unless the body was refused: then it is about a body that never came."""
        if self.refused is not None and not self._answered:
            return
        if message["type"] == "http.response.start":
            self._answered = True
            await self._drop(PROMPT_S)
            if self._has_body or self._ends:
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        elif message["type"] == "http.response.body" and self._has_body and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drop(LINGER_S)
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        """The answer to a request that was refused; nothing if another has begun."""
        if not self._answered:
            self.refused, self._ends = None, True  # what else comes on it may be half of this body
            self._may_linger = self._may_linger and refused.status_code != 408
            await refused.response(self._scope)(self._scope, self._receive, self.send)

    async def _next(self) -> Message:
        allowed_s = min(GRACE_S + self._read_bytes / LEAST_BYTES_PER_S, MOST_S)
        started = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, allowed_s - self._waited_s)):
                message = await self._receive()
        except TimeoutError:
            raise Refused(
                408, f"The body comes too slowly: {self._read_bytes:,} bytes in {allowed_s:.0f} s.", "BadRequest"
            ) from None
        self._waited_s += time.monotonic() - started
        self._count(len(message.get("body", b"")))
        self._has_body = message["type"] == "http.request" and message.get("more_body", False)
        self._check_end(message)
        return message

    def _count(self, size: int) -> None:
        self._read_bytes += size
        self._held.bytes += size
        if self._read_bytes > self.most:
            raise _too_large(f"more than {self.most:,} bytes", self.most)
        if self._held.bytes > MOST_HELD_BYTES:
            raise too_often(BUSY_S, f"Too much is sent at once: {self._held.bytes:,} bytes.")

    def release(self) -> None:
        """The request has ended."""
        self._held.bytes -= self._read_bytes
        self._read_bytes = 0

    def _check_end(self, message: Message) -> None:
        """The parser would drop what is missing of a form, and an answer to half a question be given."""
        if not self._form_end or message["type"] != "http.request":
            return
        self._tail = (self._tail + message.get("body", b""))[-TAIL_BYTES:]
        if not self._has_body and self._form_end not in self._tail:
            raise Refused(400, "The form was cut off: its last boundary is missing.", "BadRequest")

    async def _drop(self, seconds: float) -> None:
        """What still comes of the body, until the client has sent everything or gone, for so long at most."""
        if not (self._has_body and self._may_linger):
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._has_body:
                    message = await self._receive()
                    self._has_body = message["type"] == "http.request" and message.get("more_body", False)


def _form_end(headers: Headers) -> bytes:
    """What a multipart body must end in (RFC 2046, 5.1.1); empty for any other body."""
    kind, parameters = parse_options_header(headers.get("content-type"))
    boundary = parameters.get(b"boundary", b"")
    return b"--" + boundary + b"--" if kind == b"multipart/form-data" and boundary else b""


def _too_large(size: str, most: int) -> Refused:
    return Refused(
        413, f"The body has {size}, the limit is {most:,}. Send less at once; large files go as multipart.",
        "MediaTooLarge",
    )  # fmt: skip
