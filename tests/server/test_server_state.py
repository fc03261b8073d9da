"""What the server tells of itself: galleries, health, metrics, versions, logs, ids."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import bouba
from bouba.errors import GalleryBroken, ServerError, StoreUnavailable
from bouba.server import Settings, create_app
from bouba.server.logs import JsonLines, PlainLines
from bouba.server.names import name_of

Serve = Callable[..., TestClient]


def test_galleries(client: TestClient, pictures: bouba.Gallery) -> None:
    assert client.get("/galleries").json() == {
        "galleries": [
            {
                "name": "pictures",
                "items": 12,
                "hears": False,
                "explains": False,
                "model": "tiny",
                "writable": True,
                "attributes": {"shop": "text"},
                "apps": [],
            }
        ],
        "key_needed": False,
        "fetch": False,
    }


def test_version_and_health(client: TestClient) -> None:
    assert client.get("/version").json() == {"name": "bouba", "version": bouba.__version__}
    assert client.get("/healthz").json() == {"status": "alive"}


def _ready(client: TestClient, status: int = 200) -> dict[str, Any]:
    for _ in range(1000):
        response = client.get("/readyz")
        if response.status_code == status:
            return dict(response.json())
        time.sleep(0.01)
    raise AssertionError(response.text)


def test_ready_after_the_first_answer(client: TestClient) -> None:
    assert _ready(client) == {"status": "ready"}


def test_not_ready_while_a_gallery_does_not_answer(
    pictures: bouba.Gallery, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **more: Any) -> Any:
        raise StoreUnavailable("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "search", broken)
        patch.setattr("bouba.server.warming.AGAIN_S", 0.01)
        client = serve(pictures)
        problem = _ready(client, 503)
        assert problem["code"] == "NotReady"
        assert "pictures" in problem["detail"]
        patch.undo()
        assert _ready(client) == {"status": "ready"}
        patch.setattr(pictures, "count", broken)
        assert client.get("/readyz").status_code == 503


def test_metrics_count_what_happens(client: TestClient) -> None:
    _ready(client)
    for _ in range(3):
        client.post("/search", json={"query": {"text": "red"}})
    client.get("/items/" + "0" * 32)
    client.get("/no/such/route")
    text = client.get("/metrics").text
    assert 'bouba_requests_total{method="POST",route="/search",status="200"} 3.0' in text
    assert 'bouba_requests_total{method="GET",route="/items/{id}",status="404"} 1.0' in text
    assert 'route="none",status="404"} 1.0' in text
    assert "/no/such/route" not in text
    assert 'bouba_request_seconds_count{route="/search"} 3.0' in text
    assert 'bouba_search_seconds_count{gallery="pictures"} 3.0' in text
    assert 'bouba_items{gallery="pictures"} 12.0' in text
    assert 'bouba_running{lane="search"} 0.0' in text
    assert 'bouba_running{lane="files"} 1.0' in text  # this one
    assert 'bouba_waiting{lane="write-pictures"} 0.0' in text
    assert re.search(r'bouba_batch_size_count\{tower="text"\} ([4-9]|\d\d)', text)
    assert "bouba_requests_in_flight 1.0" in text


def test_apps_count_apart(client: TestClient, pictures: bouba.Gallery, serve: Serve) -> None:
    other = serve(pictures)
    client.get("/healthz")
    assert 'route="/healthz"' not in other.get("/metrics").text


def test_request_ids(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "mine.1_2-3"}).headers["x-request-id"] == "mine.1_2-3"
    for bad in ("a b", "x" * 65, "<script>", ""):
        given = client.get("/healthz", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{16}", given)
    problem = client.get("/nothing", headers={"X-Request-Id": "mine"})
    assert problem.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
        "code": "NotFound",
        "request_id": "mine",
    }


def test_log_tells_no_question(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bouba.server.requests"):
        client.post("/search?gallery=pictures", json={"query": {"text": "verysecret"}}, headers={"X-Request-Id": "it"})
        client.get("/items/" + "0" * 32)
    (search, item) = [r for r in caplog.records if r.name == "bouba.server.requests"]
    facts = json.loads(search.getMessage())
    assert {name: facts[name] for name in ("method", "route", "status", "request_id", "key")} == {
        "method": "POST",
        "route": "/search",
        "status": 200,
        "request_id": "it",
        "key": None,
    }
    assert facts["ms"] > 0
    assert "verysecret" not in caplog.text
    assert "0000" not in item.getMessage()
    line = json.loads(JsonLines().format(search))
    assert (line["level"], line["route"]) == ("info", "/search")
    assert re.fullmatch(r"\d\d:\d\d:\d\d POST /search 200 [\d.]+ ms it", PlainLines().format(search))


def test_logs_of_other_things() -> None:
    record = logging.LogRecord("bouba.server", logging.ERROR, "", 0, "%s is gone", ("disk",), None)
    assert json.loads(JsonLines().format(record))["message"] == "disk is gone"
    assert PlainLines().format(record).endswith(" disk is gone")


def test_bug_ends_in_a_500_that_tells_nothing(
    client: TestClient, pictures: bouba.Gallery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for error in (RuntimeError("at /secret/place"), GalleryBroken("at /secret/place")):

        def broken(*args: Any, error: Exception = error, **more: Any) -> Any:
            raise error

        monkeypatch.setattr(pictures, "get", broken)
        response = client.get("/items/" + "0" * 32, headers={"X-Request-Id": "bug"})
        assert (response.status_code, response.json()["code"]) == (500, "InternalError")
        assert "secret" not in response.text
        assert response.headers["x-request-id"] == "bug"
        assert "content-security-policy" in response.headers
    assert "/secret/place" in caplog.text


def test_store_that_is_away(client: TestClient, pictures: bouba.Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **more: Any) -> Any:
        raise StoreUnavailable("db:19530 does not answer")

    monkeypatch.setattr(pictures, "search", broken)
    response = client.post("/search", json={"query": {"text": "red"}})
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert "19530" in response.json()["detail"]


def test_wrong_method_and_wrong_parameter(client: TestClient) -> None:
    response = client.put("/search")
    assert (response.status_code, response.json()["code"]) == (405, "MethodNotAllowed")
    response = client.get("/items?limit=many")
    assert (response.json()["code"], response.json()["errors"][0]["at"]) == ("ValidationError", "query.limit")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/home/me/.bouba", "bouba"),
        ("./holiday.bouba", "holiday"),
        ("~/Pictures/Holiday 2024.bouba/", "holiday-2024"),
        ("milvus://db:19530/shop?tenant=a", "shop"),
        ("memory://", "memory"),
        ("/", "gallery"),
        ("C:\\Bilder\\Urlaub.bouba", "urlaub"),
        ("x" * 100, "x" * 64),
    ],
)
def test_names_of_places(place: str, name: str) -> None:
    assert name_of(place) == name


def test_apps_that_cannot_be(pictures: bouba.Gallery) -> None:
    with pytest.raises(ServerError, match="'Two Words'"):
        create_app({"Two Words": pictures})
    with pytest.raises(ServerError, match="no gallery"):
        create_app({})
    with pytest.raises(ServerError, match="keys"):
        create_app(pictures, Settings(host="0.0.0.0"))
    with pytest.raises(ServerError, match="workers is 0"):
        Settings(workers=0)
    with pytest.raises(ServerError, match="timeout_s is nan"):
        Settings(timeout_s=float("nan"))


def test_missing_package_names_the_extra(pictures: bouba.Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("bouba.server.")]:
        if name != "bouba.server.settings":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(ServerError, match=r"fastapi is not installed: pip install 'bouba\[server\]'"):
        create_app(pictures)


def test_mounted_in_another_app(pictures: bouba.Gallery) -> None:
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/pictures", create_app(pictures))
    client = TestClient(outer, base_url="http://localhost")
    hit = client.post("/pictures/search", json={"query": {"text": "red"}}).json()["hits"][0]
    assert client.get(f"/pictures/{hit['image']}").content == Path(hit["path"]).read_bytes()
    assert _ready_at(client, "/pictures/readyz") == 200


def _ready_at(client: TestClient, path: str) -> int:
    """An app that is mounted is told no beginning; asking whether it is ready begins."""
    for _ in range(1000):
        if (status := client.get(path).status_code) == 200:
            break
        time.sleep(0.01)
    return status
