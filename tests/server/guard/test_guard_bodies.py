from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bouba.server.guard import bodies
from bouba.server.guard.bodies import MOST_HEADER_BYTES, MOST_JSON_BYTES, MOST_URL_BYTES, BodyLimits
from bouba.server.settings import Settings

MOST = 1000
FORM = [(b"content-type", b"multipart/form-data; boundary=x")]
CHUNKED = [(b"transfer-encoding", b"chunked")]


class Client:
    """One request to an app, as a server would pass it on; a `None` among the chunks: nothing comes any more."""

    def __init__(self, chunks: Iterable[bytes | None], headers: list[tuple[bytes, bytes]], **scope: Any) -> None:
        self.scope: Scope = {
            "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "headers": headers,
            "state": {"request_id": "r1"}, **scope,
        }  # fmt: skip
        self._chunks = list(chunks)
        self.read = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self._chunks:
            return {"type": "http.disconnect"}
        chunk = self._chunks.pop(0)
        if chunk is None:
            await asyncio.Event().wait()
        self.read += 1
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def ask(self, app: ASGIApp, most: int = MOST) -> int:
        limited = BodyLimits(app, Settings(most_body_bytes=most))
        asyncio.run(asyncio.wait_for(limited(self.scope, self.receive, self.send), 30))
        assert [message["type"] for message in self.sent[:1]] == ["http.response.start"]
        assert self.sent[-1].get("more_body", False) is False
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def problem(self) -> dict[str, Any]:
        return json.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))


async def reads(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how much came."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


async def reads_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("no", 401)(scope, receive, send)


async def hides_errors(scope: Scope, receive: Receive, send: Send) -> None:
    """As FastAPI does: whatever happens to the body is a 400."""
    try:
        await Request(scope, receive).body()
    except Exception:
        await PlainTextResponse("bad body", 400)(scope, receive, send)


def test_a_body_within_the_limit_passes_whole() -> None:
    client = Client([b"x" * 400, b"y" * 600], CHUNKED)
    assert client.ask(reads) == 200
    assert client.sent[1]["body"] == b"1000"
    assert b"connection" not in client.headers


@pytest.mark.parametrize("length", [b"1001", b"9" * 30, b"99999999999"])
def test_a_body_that_says_it_is_too_large_is_not_read(length: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LINGER_S", 0.05)
    client = Client([b"x", None], [*FORM, (b"content-length", length)])
    seen: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(True)

    assert client.ask(app) == 413
    assert not seen
    assert client.problem["code"] == "MediaTooLarge"
    assert client.problem["request_id"] == "r1"
    assert client.headers[b"connection"] == b"close"


@pytest.mark.parametrize("app", [reads, hides_errors])
def test_a_body_that_becomes_too_large_is_refused_while_it_comes(app: Callable[..., Awaitable[None]]) -> None:
    client = Client([b"x" * 600] * 3, CHUNKED)
    assert client.ask(app) == 413
    assert client.problem["status"] == 413


def test_a_json_body_has_a_lower_limit() -> None:
    head = [(b"content-type", b"application/json; charset=utf-8")]
    assert Client([b""], [*head, (b"content-length", b"%d" % (MOST_JSON_BYTES + 1))]).ask(reads, 2**30) == 413
    assert Client([b"--x--"], [*FORM, (b"content-length", b"%d" % (MOST_JSON_BYTES + 1))]).ask(reads, 2**30) == 200


@pytest.mark.parametrize("length", [b"-1", b"+1", b"1e3", b"", b" ", b"0x10", "²".encode()])
def test_a_length_that_is_none(length: bytes) -> None:
    assert Client([b""], [(b"content-length", length)]).ask(reads) == 400


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"GZIP", b"identity, gzip", b"x"])
def test_packed_bodies_are_refused(encoding: bytes) -> None:
    client = Client([b"x"], [(b"content-encoding", encoding)])
    assert client.ask(reads) == 415
    assert client.headers[b"accept-encoding"] == b"identity"


def test_plain_encodings_pass() -> None:
    assert Client([b"x"], [(b"content-encoding", b"Identity"), (b"content-length", b"1")]).ask(reads) == 200


def test_heads_that_are_too_long() -> None:
    assert Client([b""], [(b"x", b"y" * MOST_HEADER_BYTES)]).ask(reads) == 431
    assert Client([b""], [(b"x", b"")] * (MOST_HEADER_BYTES // 5 + 1)).ask(reads) == 431
    assert Client([b""], [], raw_path=b"/" + b"x" * MOST_URL_BYTES).ask(reads) == 414
    assert Client([b""], [], query_string=b"x" * MOST_URL_BYTES).ask(reads) == 414


def test_two_lengths_at_once_are_refused() -> None:
    assert Client([b"x"], [*CHUNKED, (b"content-length", b"1")]).ask(reads) == 400


@pytest.mark.parametrize("app", [reads, hides_errors])
def test_a_body_that_stops_coming(app: Callable[..., Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.05)
    client = Client([b"x" * 10, None], CHUNKED)
    assert client.ask(app) == 408
    assert client.headers[b"connection"] == b"close"


def test_a_body_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes soon after the last, and all of them too late."""
    monkeypatch.setattr(bodies, "GRACE_S", 0.2)
    client = Client([b"x"] * 100_000, CHUNKED)
    quick = client.receive

    async def slow() -> Message:
        await asyncio.sleep(0.02)
        return await quick()

    monkeypatch.setattr(client, "receive", slow)
    assert client.ask(reads) == 408
    assert client.read < 100


def test_the_time_of_the_app_is_not_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.2)

    async def waits_for_a_worker(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(0.3)
        await receive()
        await PlainTextResponse("done")(scope, receive, send)

    assert Client([b"x", b"y"], CHUNKED).ask(waits_for_a_worker) == 200


def test_after_the_body_there_is_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_S", 0.01)

    async def streams(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with pytest.raises(TimeoutError):  # what waits for the client to go is not timed
            await asyncio.wait_for(receive(), 0.1)
        await PlainTextResponse("done")(scope, receive, send)

    client = Client([b"x"], CHUNKED)
    whole = client.receive

    async def then_silent() -> Message:
        return await whole() if not client.read else await asyncio.Event().wait()  # type: ignore[return-value]

    client.receive = then_silent  # type: ignore[method-assign]
    assert client.ask(streams) == 200


def test_what_was_not_read_is_dropped_before_the_connection_ends() -> None:
    client = Client([b"x" * 100] * 5, CHUNKED)
    assert client.ask(reads_nothing) == 401
    assert client.read == 5
    assert b"connection" not in client.headers  # all of it was there


def test_what_comes_after_the_answer_is_dropped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PROMPT_S", 0.0)
    client = Client([b"x" * 100] * 5, CHUNKED)
    whole = client.receive

    async def later() -> Message:
        await asyncio.sleep(0.001)
        return await whole()

    client.receive = later  # type: ignore[method-assign]
    assert client.ask(reads_nothing) == 401
    assert client.read == 5
    assert client.headers[b"connection"] == b"close"
    assert [message.get("more_body") for message in client.sent[1:]] == [True, None]


def test_nobody_lingers_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LINGER_S", 0.05)
    client = Client([b"x", None], CHUNKED)
    assert client.ask(reads_nothing) == 401
    assert client.headers[b"connection"] == b"close"


def test_a_client_that_waits_for_leave_is_not_asked_to_send() -> None:
    client = Client([None], [*CHUNKED, (b"expect", b"100-continue")])
    assert client.ask(reads_nothing) == 401
    assert client.read == 0


def test_a_request_without_a_body_keeps_its_connection() -> None:
    client = Client([b""], [], method="GET")
    assert client.ask(reads_nothing) == 401
    assert b"connection" not in client.headers


def test_an_error_of_the_app_stays_its_own() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Client([b""], []).ask(broken)


def test_an_answer_that_began_before_the_body_was_too_large_goes_on() -> None:
    async def streams(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b"end"})

    assert Client([b"x" * 600] * 3, CHUNKED).ask(streams) == 200


def test_lifespan_passes() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(BodyLimits(app, Settings())({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


PARTS = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nred\r\n'


@pytest.mark.parametrize(
    "chunks", [[PARTS + b"--x--\r\n"], [PARTS, b"--x", b"--"], [PARTS + b"--x--", b"\r\nepilogue"]]
)
def test_a_whole_form_passes(chunks: list[bytes]) -> None:
    assert Client(chunks, [*FORM, *CHUNKED]).ask(reads) == 200


@pytest.mark.parametrize("chunks", [[PARTS], [b""], [PARTS, b"--x\r\nContent-Dis"], [PARTS + b"--y--"]])
def test_a_form_that_was_cut_off_is_refused(chunks: list[bytes]) -> None:
    client = Client(chunks, [*FORM, *CHUNKED])
    assert client.ask(hides_errors) == 400
    assert "cut off" in client.problem["detail"]


def test_all_bodies_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_HELD_BYTES", 1000)
    limited = BodyLimits(reads, Settings(most_body_bytes=MOST))
    clients = [Client([b"x" * 400, b"y"], CHUNKED) for _ in range(4)]

    async def together() -> None:
        await asyncio.gather(*(limited(one.scope, pausing(one), one.send) for one in clients))

    def pausing(client: Client) -> Callable[[], Awaitable[Message]]:
        async def receive() -> Message:
            await asyncio.sleep(0)  # others come in between
            return await client.receive()

        return receive

    asyncio.run(together())
    statuses = sorted(one.sent[0]["status"] for one in clients)
    assert statuses == [200, 200, 429, 429]
    refused = next(one for one in clients if one.sent[0]["status"] == 429)
    assert refused.headers[b"retry-after"] == b"5"
    later = Client([b"x" * 900], CHUNKED)  # what has ended is no longer counted
    asyncio.run(limited(later.scope, later.receive, later.send))
    assert later.sent[0]["status"] == 200
