from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from bouba.server.guard import access
from bouba.server.guard.access import Door, client_address, is_open
from bouba.server.guard.keys import KeyFile
from bouba.server.settings import Settings

Guarded = Callable[..., TestClient]


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_without_keys_this_machine_may_do_everything(guarded: Guarded) -> None:
    client = guarded()
    told = client.get("/search").json()
    assert (told["key"], told["scope"], told["sees"]) == (None, "admin", ["art", "zoo"])
    assert client.post("/items", content=b"xy").json() == {"added": 2}
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.nip.io:8642"])
def test_without_keys_a_rebound_name_is_refused(guarded: Guarded, host: str) -> None:
    answer = guarded().get("/search", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "detail", "code", "request_id"}


def test_names_that_were_allowed(guarded: Guarded, keys: KeyFile) -> None:
    assert guarded(hosts=("photos.lan",)).get("/search", headers={"Host": "photos.lan"}).status_code == 200
    _, secret = keys.new("laptop", "read", 60)
    named = guarded(in_force=True, hosts=("photos.lan",))
    assert named.get("/search", headers={"Host": "photos.lan", **_bearer(secret)}).status_code == 200
    assert named.get("/search", headers={"Host": "evil.example", **_bearer(secret)}).status_code == 421
    assert guarded(in_force=True).get("/search", headers={"Host": "any", **_bearer(secret)}).status_code == 200


def test_another_sites_page_may_not_ask(guarded: Guarded) -> None:
    client = guarded()
    evil = {"Origin": "https://evil.example"}
    answers = [client.post("/search", headers=evil), client.post("/items", headers=evil), client.options("/search")]
    assert [answer.status_code for answer in answers] == [403, 403, 405]
    assert not any(name.startswith("access-control") for answer in answers for name in answer.headers)
    assert client.post("/search", headers={"Origin": "http://localhost"}).status_code == 200


def test_preflights_are_answered_for_named_origins_alone(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("app", "read", 60)
    client = guarded(in_force=True, origins=("https://app.example",))
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    good = client.options("/search", headers={"Origin": "https://app.example", **asks})
    assert (good.status_code, good.headers["access-control-allow-origin"]) == (200, "https://app.example")
    assert "access-control-allow-credentials" not in good.headers
    bad = client.options("/search", headers={"Origin": "https://evil.example", **asks})
    assert "access-control-allow-origin" not in bad.headers
    answer = client.post("/search", headers={"Origin": "https://app.example", **_bearer(secret)})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")


def test_with_keys_nothing_is_answered_without_one(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True)
    for path in ("/search", "/items", "/metrics", "/nothing", "/page", "//page/x", "/healthz/", "/PAGE/x"):
        answer = client.get(path)
        assert (path, answer.status_code) == (path, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="bouba"'
    assert client.get("/healthz").status_code == 200
    assert client.post("/healthz").status_code == 401
    assert client.get("/search", headers=_bearer(secret)).json()["name"] == "laptop"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic bGFwdG9wOng=", "bouba_x", "Bearer bouba_" + "x" * 32, "Bearer é", "Bearer a\tb"],
)
def test_wrong_keys(guarded: Guarded, keys: KeyFile, header: str) -> None:
    keys.new("laptop", "read", 60)
    answer = guarded(in_force=True).get("/search", headers={"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert header.removeprefix("Bearer ") not in answer.text or len(header) < 8


def test_scopes(guarded: Guarded, keys: KeyFile, tmp_path: Path) -> None:
    client = guarded(in_force=True, audit_file=tmp_path / "audit.jsonl")
    statuses = {}
    for scope in ("read", "write", "admin"):
        _, secret = keys.new(scope, scope, 60)
        asked = [client.post("/search", headers=_bearer(secret)), client.post("/items", headers=_bearer(secret)),
                 client.get("/metrics", headers=_bearer(secret))]  # fmt: skip
        statuses[scope] = [answer.status_code for answer in asked]
    assert statuses == {"read": [200, 403, 403], "write": [200, 200, 403], "admin": [200, 200, 200]}
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line.get("why", line["action"]) for line in lines] == [
        "needs write", "needs admin", "add", "needs admin", "add"
    ]  # fmt: skip


def test_a_key_sees_its_galleries(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("kiosk", "read", 60, galleries=("zoo",))
    assert guarded(in_force=True).get("/search", headers=_bearer(secret)).json()["sees"] == ["zoo"]


def test_a_revoked_key_is_refused_by_a_running_server(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    keys.new("other", "read", 60)
    client = guarded(in_force=True)
    assert client.get("/search", headers=_bearer(secret)).status_code == 200
    keys.revoke("laptop")
    assert client.get("/search", headers=_bearer(secret)).status_code == 401


def test_each_key_has_its_rate(guarded: Guarded, keys: KeyFile) -> None:
    _, slow = keys.new("slow", "read", 1, 2)
    _, other = keys.new("other", "read", 1, 2)
    client = guarded(in_force=True)
    answers = [client.get("/search", headers=_bearer(slow)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].json()["code"] == "ServerBusy"
    assert client.get("/search", headers=_bearer(other)).status_code == 200


def test_wrong_keys_are_limited_and_a_right_one_still_passes(
    guarded: Guarded, keys: KeyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "FAILED_BURST", 3)
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True, audit_file=tmp_path / "audit.jsonl")
    answers = [client.get("/search", headers=_bearer(f"bouba_{n:032d}")) for n in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 3
    assert "retry-after" in answers[-1].headers
    assert client.get("/search", headers=_bearer(secret)).status_code == 200
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert len(lines) == 3
    assert not any("bouba_" in line for line in lines)


def test_addresses_of_one_ipv6_host_count_as_one() -> None:
    assert access._network("2001:db8::1") == access._network("2001:db8::ffff:1")
    assert access._network("2001:db8::1") != access._network("2001:db8:0:1::1")
    assert access._network("10.0.0.1") != access._network("10.0.0.2")
    assert access._network("testclient") == "testclient"


@pytest.mark.parametrize("damage", ["", "{"])
def test_keys_that_cannot_be_read_let_nobody_in(guarded: Guarded, keys: KeyFile, damage: str) -> None:
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True)
    if damage:
        keys.path.write_text(damage)
    else:
        keys.path.unlink()
    answer = client.get("/search", headers=_bearer(secret))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert str(keys.path) not in answer.text
    assert client.get("/healthz").status_code == 200


def test_no_websockets(guarded: Guarded) -> None:
    with pytest.raises(WebSocketDisconnect), guarded().websocket_connect("/search"):
        pass


@pytest.mark.parametrize(
    ("method", "path", "open"),
    [
        ("GET", "/", True), ("HEAD", "/page/app.js", True), ("GET", "/openapi.json", True), ("POST", "/session", True),
        ("GET", "/session", False), ("POST", "/page/app.js", False), ("GET", "/pagex", False), ("GET", "", False),
        ("GET", "/galleries", False), ("DELETE", "/", False), ("GET", "/page/../search", True),
    ],
)  # fmt: skip
def test_what_is_open(method: str, path: str, open: bool) -> None:
    # "/page/../search" is no other route's address: routers compare it as it is
    assert is_open(method, path) == open


def test_clients_without_an_address() -> None:
    assert client_address({"type": "http", "client": None}) == ""
    assert Door(Settings()).keys is None


def test_below_a_prefix(keys: KeyFile, guarded: Guarded) -> None:
    _, secret = keys.new("laptop", "read", 60)
    inner = guarded(in_force=True).app
    client = TestClient(inner, base_url="http://localhost", root_path="/photos")
    assert client.get("/photos/healthz").status_code == 200
    assert client.get("/photos/search").status_code == 401
    assert client.get("/photos/search", headers=_bearer(secret)).status_code == 200
