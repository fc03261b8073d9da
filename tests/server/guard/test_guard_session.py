from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bouba.server.guard import session
from bouba.server.guard.keys import KeyFile
from bouba.server.guard.session import COOKIE, LIFETIME_S, MOST_OF_A_KEY, Sessions

Guarded = Callable[..., TestClient]


def test_a_key_becomes_a_cookie(guarded: Guarded, keys: KeyFile) -> None:
    made, secret = keys.new("laptop", "write", 60)
    client = guarded(in_force=True)
    assert client.get("/search").status_code == 401
    answer = client.post("/session", json={"key": secret})
    assert answer.status_code == 204
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"httponly", "samesite=strict", "path=/", f"max-age={LIFETIME_S}"}
    assert secret not in answer.headers["set-cookie"]
    told = client.get("/search").json()
    assert (told["key"], told["cookie"]) == (made.id, True)


def test_over_tls_the_cookie_stays_there(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    answer = guarded(in_force=True, base_url="https://localhost").post("/session", json={"key": secret})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_changes_need_the_pages_header(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "write", 60)
    client = guarded(in_force=True)
    client.post("/session", json={"key": secret})
    assert client.post("/items").status_code == 403
    assert client.post("/items", headers={"X-Bouba": "no"}).status_code == 403
    assert client.post("/items", headers={"X-Bouba": "page"}).status_code == 200
    assert client.post("/search").status_code == 200


def test_a_session_ends(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True)
    client.post("/session", json={"key": secret})
    stolen = client.cookies[COOKIE]
    assert client.delete("/session").status_code == 204
    assert COOKIE not in client.cookies
    assert client.get("/search", headers={"Cookie": f"{COOKIE}={stolen}"}).status_code == 401


def test_a_revoked_key_ends_its_sessions(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True)
    client.post("/session", json={"key": secret})
    keys.revoke("laptop")
    assert client.get("/search").status_code == 401


def test_nobody_chooses_a_session_for_another(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True)
    fixed = {"Cookie": f"{COOKIE}=chosen-by-somebody-else"}
    first = client.post("/session", json={"key": secret}, headers=fixed).cookies[COOKIE]
    client.cookies.clear()
    assert first != "chosen-by-somebody-else"
    assert client.get("/search", headers=fixed).status_code == 401
    second = client.post("/session", json={"key": secret}, headers={"Cookie": f"{COOKIE}={first}"}).cookies[COOKIE]
    client.cookies.clear()
    assert second != first
    assert client.get("/search", headers={"Cookie": f"{COOKIE}={first}"}).status_code == 401
    assert client.get("/search", headers={"Cookie": f"{COOKIE}={second}"}).status_code == 200


def test_wrong_keys_open_nothing(guarded: Guarded, keys: KeyFile, tmp_path: Path) -> None:
    made, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True, audit_file=tmp_path / "audit.jsonl")
    answers = [client.post("/session", json={"key": key}) for key in ("", "bouba_" + "x" * 32, "é")]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert client.post("/session", json={"key": "x" * 1000}).status_code == 422
    assert client.post("/session", json={"key": secret}).status_code == 204
    client.delete("/session")
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["action"] for line in lines] == ["refused"] * 3 + ["session.open", "session.close"]
    assert [line["key"] for line in lines[-2:]] == [made.id] * 2
    assert secret not in (tmp_path / "audit.jsonl").read_text()


def test_another_site_opens_no_session(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True)
    assert client.post("/session", json={"key": secret}, headers={"Origin": "http://evil.example"}).status_code == 403


def test_where_no_key_is_needed_there_is_no_session(guarded: Guarded) -> None:
    answer = guarded().post("/session", json={"key": "anything"})
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers


def test_sessions_are_bounded_and_end() -> None:
    now = 0.0
    sessions = Sessions(most=10, clock=lambda: now)
    opened = [sessions.open(str(n)) for n in range(25)]
    assert len(sessions) == 10
    assert len(set(opened)) == 25
    assert min(map(len, opened)) >= 43  # 256 bits
    assert [sessions.key_id(one) for one in (opened[0], opened[24], "")] == [None, "24", None]
    now = session.LIFETIME_S
    assert sessions.key_id(opened[24]) is None
    assert len(sessions) == 9


@pytest.mark.parametrize(
    "cookie", ["", ";;;", f"{COOKIE}", f"{COOKIE}=", f'{COOKIE}="\\\\', "a=b; " * 200, "\xff=\xfe"], ids=range(7)
)
def test_strange_cookies(guarded: Guarded, keys: KeyFile, cookie: str) -> None:
    keys.new("laptop", "read", 60)
    answer = guarded(in_force=True).get("/search", headers={"Cookie": cookie.encode("latin-1")})
    assert answer.status_code == 401


def test_no_key_ends_the_sessions_of_others() -> None:
    sessions = Sessions()
    mine = sessions.open("mine")
    greedy = [sessions.open("greedy") for _ in range(10 * MOST_OF_A_KEY)]
    assert len(sessions) == 1 + MOST_OF_A_KEY
    assert sessions.key_id(mine) == "mine"
    assert [one for one in greedy if sessions.key_id(one)] == greedy[-MOST_OF_A_KEY:]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_keeps_nobody_out(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True, audit_file=Path("/dev/full"))
    assert client.post("/session", json={"key": secret}).status_code == 204
    assert client.get("/search").status_code == 200
    assert client.delete("/session").status_code == 204
