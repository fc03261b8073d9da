"""The real app: what each of its routes asks for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hostile_requests import PIXELS

import bouba
from bouba.encoders import Model
from bouba.server import create_app
from bouba.server.guard.keys import KeyFile
from bouba.server.settings import Settings

OPEN = {
    ("GET", "/"), ("GET", "/favicon.ico"), ("GET", "/page/{path}"), ("GET", "/healthz"), ("GET", "/readyz"),
    ("GET", "/version"), ("POST", "/session"), ("DELETE", "/session"),
}  # fmt: skip
WRITE = {
    ("POST", "/items"), ("DELETE", "/items"), ("DELETE", "/items/{id}"), ("DELETE", "/concepts/{name}"),
    ("GET", "/shop/rules"), ("GET", "/shop/rules/log"), ("POST", "/shop/rules"), ("DELETE", "/shop/rules/{id}"),
    ("POST", "/medical/import"), ("POST", "/moderate"), ("POST", "/moderation/policies"), ("POST", "/moderation/scan"),
    ("POST", "/moderation/review"), ("POST", "/moderation/label"), ("POST", "/moderation/calibrate"),
    ("GET", "/moderation/audit"),
}  # fmt: skip
ADMIN = {("GET", "/metrics")}
NO_ID = "0" * 32


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFile:
    return KeyFile(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture(scope="module")
def secrets(keys: KeyFile) -> dict[str, str]:
    made = {scope: keys.new(scope, scope, 100_000)[1] for scope in ("read", "write", "admin")}
    return {**made, "kiosk": keys.new("kiosk", "write", 100_000, galleries=("open",))[1]}


@pytest.fixture(scope="module")
def client(
    keys: KeyFile, secrets: dict[str, str], tiny_model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("galleries")
    with bouba.open(folder / "a", tiny_model) as closed, bouba.open(folder / "b", tiny_model) as open:
        app = create_app({"closed": closed, "open": open}, Settings(keys_file=keys.path))
        with TestClient(app, base_url="http://localhost") as client:
            yield client


def _routes(client: TestClient) -> set[tuple[str, str]]:
    """As the OpenAPI file tells them."""
    paths = client.get("/openapi.json").json()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


def _statuses(client: TestClient, secret: str = "") -> dict[tuple[str, str], int]:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    filled = {
        "{id}": NO_ID,
        "{item_id}": NO_ID,
        "{name}": "none",
        "{study}": "S-0",
        "{path}": "none",
        "{path:path}": "none",
    }
    statuses = {}
    for method, path in _routes(client):
        url = path
        for name, value in filled.items():
            url = url.replace(name, value)
        assert "{" not in url, path
        statuses[method, path] = client.request(method, url, headers=headers).status_code
    return statuses


def test_every_route_is_known_here(client: TestClient) -> None:
    there = {(method, path.replace("{item_id}", "{id}")) for method, path in _routes(client)}
    assert there >= WRITE | ADMIN
    assert len(there) > 12


def test_without_a_key_only_what_is_open_answers(client: TestClient) -> None:
    statuses = _statuses(client)
    answered = {route for route, status in statuses.items() if status != 401}
    assert answered <= OPEN | {("POST", "/session")}
    assert {statuses[route] for route in statuses.keys() - OPEN} == {401}


@pytest.mark.parametrize(("scope", "refused"), [("read", WRITE | ADMIN), ("write", ADMIN), ("admin", set())])
def test_each_scope_is_refused_what_it_lacks(
    client: TestClient, secrets: dict[str, str], scope: str, refused: set[tuple[str, str]]
) -> None:
    statuses = _statuses(client, secrets[scope])
    assert 401 not in {statuses[route] for route in statuses.keys() - OPEN}
    assert {(m, path.replace("{item_id}", "{id}")) for (m, path), code in statuses.items() if code == 403} == refused


def test_saving_what_was_taught_needs_write(client: TestClient, secrets: dict[str, str]) -> None:
    body = {"query": {"text": "red"}, "liked": [], "disliked": [], "save_as": "mine"}
    answers = {
        scope: client.post("/feedback", json=body, headers={"Authorization": f"Bearer {secrets[scope]}"}).status_code
        for scope in ("read", "write")
    }
    assert answers["read"] == 403
    assert answers["write"] != 403


def test_a_key_reaches_its_galleries_alone(client: TestClient, secrets: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {secrets['kiosk']}"}
    listed = client.get("/galleries", headers=headers).json()["galleries"]
    assert [one["name"] for one in listed] == ["open"]
    for path in ("/items", "/facets", "/concepts", f"/items/{NO_ID}"):
        hidden, unknown = (client.get(f"{path}?gallery={name}", headers=headers) for name in ("closed", "nothing"))
        assert (hidden.status_code, unknown.status_code) == (404, 404)
        assert hidden.json()["detail"].replace("closed", "nothing") == unknown.json()["detail"]
    assert client.get("/items", headers=headers).status_code == 200
    refused = client.post("/items?gallery=closed", headers=headers, files={"files": ("a.png", PIXELS)})
    assert refused.status_code == 404


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_nothing_changes_that_cannot_be_written_down(tmp_path: Path, tiny_model: Model, paint: Any) -> None:
    with bouba.open(tmp_path / "gallery", tiny_model) as gallery:
        gallery.add(paint("red"))
        gallery.concepts.save("warm", "red")
        (item,) = gallery.items()
        app = create_app(gallery, Settings(audit_file=Path("/dev/full")))
        with TestClient(app, base_url="http://localhost") as client:
            answers = [
                client.post("/items", files={"files": ("a.png", paint("blue").read_bytes())}),
                client.delete(f"/items/{item.id}"),
                client.request("DELETE", "/items", json={"ids": [item.id]}),
                client.delete("/concepts/warm"),
                client.post("/feedback", json={"query": {"text": "red"}, "liked": [item.id], "save_as": "new"}),
            ]
            assert [answer.status_code for answer in answers] == [503] * 5
            assert all("retry-after" in answer.headers for answer in answers)
            assert client.post("/search", json={"query": {"text": "red"}}).status_code == 200
        assert [one.id for one in gallery.items()] == [item.id]
        assert gallery.concepts.names() == ["warm"]
    assert not (tmp_path / "gallery" / "uploads").exists()


def test_changes_are_written_down_and_questions_are_not(tmp_path: Path, tiny_model: Model, paint: Any) -> None:
    with bouba.open(tmp_path / "gallery", tiny_model) as gallery:
        app = create_app(gallery, Settings(audit_file=tmp_path / "audit.jsonl"))
        with TestClient(app, base_url="http://localhost", headers={"X-Request-Id": "r1"}) as client:
            files = {"files": ("private name.png", paint("blue").read_bytes())}
            (item_id,) = client.post("/items", files=files).json()["ids"]
            client.post("/search", json={"query": {"text": "green"}})
            asked = {"query": {"text": "green"}, "liked": [item_id]}
            assert client.post("/feedback", json=asked).status_code == 200
            assert client.post("/feedback", json={**asked, "save_as": "mine"}).status_code == 200
            assert client.delete("/concepts/mine").status_code == 200
            assert client.delete(f"/items/{item_id}").status_code == 200
    text = (tmp_path / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["action"] for line in lines] == ["add", "added", "feedback.save", "concept.delete", "delete"]
    assert {(line["request_id"], line["gallery"], line["key"]) for line in lines} == {("r1", "gallery", None)}
    assert item_id in json.dumps(lines[1])
    assert item_id in json.dumps(lines[4])
    assert not any(word in text for word in ("green", "private name", "Query"))
