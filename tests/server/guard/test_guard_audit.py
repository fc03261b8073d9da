from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request

from bouba.errors import StoreUnavailable
from bouba.server.guard.access import Caller
from bouba.server.guard.audit import MOST_IDS, AuditLog
from bouba.server.guard.keys import KeyFile

Guarded = Callable[..., TestClient]

needs_full_disk = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


def _request(**state: object) -> Request:
    scope = {"type": "http", "method": "POST", "path": "/items", "headers": [], "query_string": b"q=secret"}
    return Request({**scope, "client": ("10.0.0.7", 1), "state": dict(state)})


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_who_when_and_what(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    caller = Caller("10.0.0.7", "1a2b3c4d", "laptop", "write")
    log.write(_request(caller=caller, request_id="r1"), "delete", gallery="art", ids=["a", "b"])
    log.write(_request(), "refused", why="wrong key")
    first, second = _lines(tmp_path / "audit.jsonl")
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "request_id": "r1", "key": "1a2b3c4d", "address": "10.0.0.7", "action": "delete", "gallery": "art",
        "ids": ["a", "b"],
    }  # fmt: skip
    assert (second["key"], second["address"]) == (None, "10.0.0.7")
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


def test_nothing_breaks_a_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(_request(), "add", names=['a\n{"action": "forged"}\r\x00\u2028\ud800'])
    assert len((tmp_path / "audit.jsonl").read_bytes().splitlines()) == 1
    assert [line["action"] for line in _lines(tmp_path / "audit.jsonl")] == ["add"]


def test_lists_are_cut_and_counted(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.write(_request(), "delete", ids=[str(n) for n in range(MOST_IDS + 5)])
    (line,) = _lines(tmp_path / "audit.jsonl")
    assert (len(line["ids"]), line["ids_in_all"]) == (MOST_IDS, MOST_IDS + 5)


def test_it_can_be_rotated_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    log.write(_request(), "add")
    path.rename(tmp_path / "audit.jsonl.1")
    log.write(_request(), "delete")
    assert [line["action"] for line in _lines(tmp_path / "audit.jsonl.1")] == ["add"]
    assert [line["action"] for line in _lines(path)] == ["delete"]


def test_threads_and_instances_share_a_file(tmp_path: Path) -> None:
    logs = [AuditLog(tmp_path / "audit.jsonl") for _ in range(4)]

    def work(log: AuditLog) -> None:
        for _ in range(50):
            log.write(_request(), "add", ids=["x" * 500])

    threads = [threading.Thread(target=work, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_lines(tmp_path / "audit.jsonl")) == 200


def test_without_a_path_nothing_is_written() -> None:
    AuditLog(None).write(_request(), "add")


@needs_full_disk
def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(StoreUnavailable, match="No space left"):
        AuditLog("/dev/full").write(_request(), "add")


def test_no_such_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="audit log"):
        AuditLog(tmp_path / "none" / "audit.jsonl").write(_request(), "add")


def test_after_half_a_line_the_next_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    whole = os.write
    monkeypatch.setattr(os, "write", lambda file, data: whole(file, data[:20]))
    with pytest.raises(StoreUnavailable):
        log.write(_request(), "add")
    monkeypatch.undo()
    log.write(_request(), "delete")
    half, last = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert len(half) == 20
    assert json.loads(last)["action"] == "delete"


@needs_full_disk
def test_refusals_and_reads_go_on_where_the_disk_is_full(guarded: Guarded, keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    client = guarded(in_force=True, audit_file=Path("/dev/full"))
    assert client.get("/search", headers={"Authorization": "Bearer bouba_" + "x" * 32}).status_code == 401
    assert client.get("/search", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert client.post("/items", headers={"Authorization": f"Bearer {secret}"}).status_code == 403
