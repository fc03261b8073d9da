"""What the client does with answers of any kind, and without one."""

from __future__ import annotations

import json
import socket
import warnings
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

import bouba
from bouba.client import Client
from bouba.client.wire import TRIES
from bouba.errors import (
    AccessDenied,
    BoubaError,
    FetchRefused,
    GalleryMissing,
    MediaTooLarge,
    MediaUnsupported,
    QueryError,
    ServerBusy,
    ServerError,
    ServerUnavailable,
    StoreUnavailable,
    WhereError,
)

EMPTY = {"found": False, "matches": 0, "hits": [], "cutoff": 0.0, "threshold": 0.0}


def nothing(scripted) -> object:
    return scripted.answer(body=json.dumps(EMPTY).encode())


def test_a_busy_server_is_asked_again_when_it_says(scripted, naps) -> None:
    scripted.says(scripted.problem(429, Retry_After="2"), nothing(scripted))
    assert len(Client(scripted.url).search("red")) == 0
    assert len(scripted.seen) == 2
    assert 2 <= naps[0] <= 2.5


def test_a_busy_server_says_when_by_a_date(scripted, naps) -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=5), usegmt=True)
    scripted.says(scripted.problem(429, Retry_After=then), nothing(scripted))
    Client(scripted.url).search("red")
    assert 3 <= naps[0] <= 6.25


def test_waits_grow_and_end(scripted, naps) -> None:
    scripted.says(scripted.problem(429, detail="64 searches wait already.", Retry_After="soon"))
    with pytest.raises(ServerBusy, match="64 searches wait already"):
        Client(scripted.url).search("red")
    assert len(scripted.seen) == TRIES
    assert len(naps) == TRIES - 1
    assert all(long >= 1.5 * short for short, long in pairwise(naps))


@pytest.mark.parametrize("after", ["3600", "31"])
def test_nobody_waits_longer_than_the_time_out(scripted, naps, after: str) -> None:
    scripted.says(scripted.problem(429, Retry_After=after))
    with pytest.raises(ServerBusy):
        Client(scripted.url).search("red")
    assert naps == []
    scripted.says(scripted.problem(429, Retry_After="4"))
    with pytest.raises(ServerBusy):
        Client(scripted.url, timeout_s=10).search("red")
    assert sum(naps) <= 10


def test_a_dropped_connection_is_tried_once_more(scripted) -> None:
    drop = scripted.answer(drop=True)
    scripted.says(drop, nothing(scripted))
    assert len(Client(scripted.url).search("red")) == 0
    scripted.says(drop)
    scripted.seen.clear()
    with pytest.raises(ServerUnavailable, match=scripted.url):
        Client(scripted.url).search("red")
    assert len(scripted.seen) == 2


def test_what_changes_something_twice_is_sent_once(scripted) -> None:
    scripted.says(scripted.answer(drop=True))
    with pytest.raises(ServerUnavailable):
        Client(scripted.url).feedback("red", liked=["0" * 32])
    assert len(scripted.seen) == 1


def test_nobody_there() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(ServerUnavailable, match=rf"{url} cannot be reached \(.*refused") as told:
            Client(url).search("red")
    assert "object at 0x" not in str(told.value)
    assert not Client(url).ready()


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ServerUnavailable, match=r"http://nowhere.invalid cannot be reached \(.*not known"):
        Client("http://nowhere.invalid").search("red")


def test_a_server_that_says_nothing(scripted) -> None:
    scripted.says(scripted.answer(stall_s=1))
    with pytest.raises(ServerUnavailable, match=r"within 0\.2 s"):
        Client(scripted.url, timeout_s=0.2).search("red")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (422, "WhereError", WhereError),
        (422, "QueryError", QueryError),
        (415, "MediaUnsupported", MediaUnsupported),
        (413, "MediaTooLarge", MediaTooLarge),
        (422, "FetchRefused", FetchRefused),
        (409, "GalleryMissing", GalleryMissing),
        (503, "StoreUnavailable", StoreUnavailable),
        (401, "Unauthorized", AccessDenied),
        (403, "ReadOnly", AccessDenied),
        (422, "annotations", QueryError),  # a name in the module that is no error
        (422, None, QueryError),
        (413, None, MediaTooLarge),
        (502, None, ServerUnavailable),
        (504, "Timeout", ServerUnavailable),
        (500, None, ServerError),
        (418, "Teapot", ServerError),
    ],
)
def test_problems_are_the_errors_of_a_gallery(scripted, status: int, code: str | None, error: type[BoubaError]) -> None:
    scripted.says(scripted.problem(status, code, "What the server says."))
    with pytest.raises(BoubaError, match=r"^What the server says\.$") as told:
        Client(scripted.url).search("red")
    assert type(told.value) is error


def test_an_answer_of_something_in_between(scripted) -> None:
    answer = scripted.answer
    scripted.says(answer(502, b"<html><body><h1>Bad gateway</h1></body></html>", {"X-Request-Id": "a-7"}))
    with pytest.raises(ServerUnavailable, match=r"status 502 \(Bad gateway\).*request a-7"):
        Client(scripted.url).search("red")
    scripted.says(answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}))
    with pytest.raises(ServerError, match="text/html"):
        Client(scripted.url).search("red")
    scripted.says(answer(200, b'{"hits": [{"rank": 1}]}'))
    with pytest.raises(ServerError, match="version"):
        Client(scripted.url).search("red")


def test_the_key_goes_nowhere_else(scripted) -> None:
    answer = scripted.answer
    scripted.says(answer(307, headers={"Location": "http://elsewhere.invalid/search"}))
    client = Client(scripted.url, "bouba_secret")
    with pytest.raises(ServerError, match="307"):
        client.search("red")
    assert [seen.headers["Authorization"] for seen in scripted.seen] == ["Bearer bouba_secret"]
    assert "secret" not in repr(client)


def test_gallery_and_prefix_are_in_every_address(scripted) -> None:
    with Client(f"{scripted.url}/pictures/", gallery="shop", timeout_s=5) as client:
        client.ready()
        client.facets("price < 5 & 'é'")
        client.thumbnail("a/../b?c")
    assert [seen.path for seen in scripted.seen] == [
        "/pictures/readyz?gallery=shop",
        "/pictures/facets?where=price+%3C+5+%26+%27%C3%A9%27&gallery=shop",
        "/pictures/items/a%2F..%2Fb%3Fc/thumbnail?gallery=shop",
    ]


@pytest.mark.parametrize(
    "url", ["", "pictures", "ftp://host", "http://", "localhost:8642", "http://ann:pass@host", "http://host/?key=1"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ServerError) as told:
        Client(url)
    assert "pass" not in str(told.value).replace("password", "")


@pytest.mark.parametrize("key", ["", "two words", "line\nX-Evil: 1", "schlüssel"])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(ServerError, match="characters that no key has"):
        Client("http://localhost", key)


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan")])
def test_what_is_no_time_out(timeout_s: float) -> None:
    with pytest.raises(ServerError, match="timeout_s"):
        Client("http://localhost", timeout_s=timeout_s)


def test_connections_are_kept_and_closed(scripted) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with Client(scripted.url) as client:
            for _ in range(5):
                client.ready()
    assert {seen.headers["User-Agent"] for seen in scripted.seen} == {f"bouba/{bouba.__version__}"}
