from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from bouba.server.guard.headers import CONTENT_SECURITY_POLICY, HEADERS

Guarded = Callable[..., TestClient]


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/healthz", 200), ("POST", "/search", 200), ("GET", "/nothing", 404), ("PUT", "/search", 405),
    ("POST", "/session", 422),
])  # fmt: skip
def test_every_answer_has_them(guarded: Guarded, method: str, path: str, status: int) -> None:
    answer = guarded().request(method, path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == "no-store"


def test_refusals_have_them_too(guarded: Guarded) -> None:
    for headers in ({"Host": "evil.example"}, {"Content-Encoding": "gzip"}, {"Origin": "null"}):
        answer = guarded().post("/search", headers=headers, content=b"x")
        assert answer.status_code in (403, 415, 421)
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    directives = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert directives["default-src"] == "'self'"
    assert "script-src" not in directives
    assert not any(word in CONTENT_SECURITY_POLICY for word in ("unsafe", "http", "*", "script"))
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert directives[name] == "'none'"


def test_the_microphone_is_the_pages_alone() -> None:
    assert "microphone=(self)" in HEADERS["Permissions-Policy"]
    assert "camera=()" in HEADERS["Permissions-Policy"]
