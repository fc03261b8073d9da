"""The audit log: whatever is changed in it shows, and whoever writes beside does not break it."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bouba.apps.moderation.audit import AuditLog, Head
from bouba.errors import StoreUnavailable


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    made = AuditLog(tmp_path / "audit.jsonl")
    made.append([{"action": "decision", "picture": "a"}, {"action": "decision", "picture": "b"}])
    made.append([{"action": "scan"}])
    return made


def test_a_whole_log(log: AuditLog) -> None:
    found = log.verify()
    assert (found.fault, found.head.lines) == ("", 3)
    assert log.verify(found.head).fault == ""
    assert [event["n"] for event in log.tail(2)] == [3, 2]
    first = json.loads(log.path.read_text().splitlines()[0])
    assert list(first) == ["n", "at", "action", "picture", "previous"]
    empty = AuditLog(log.path.with_name("none"))
    assert (empty.verify().head, empty.tail(3)) == (Head(), [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: [lines[0].replace('"a"', '"c"'), *lines[1:]], "line 2: does not follow"),
        (lambda lines: lines[1:], "line 1: does not follow"),
        (lambda lines: [lines[0], lines[2]], "line 2: does not follow"),
        (lambda lines: [*lines[:2], "nonsense\n"], "line 3: no JSON"),
        (lambda lines: [*lines[:2], lines[2].rstrip("\n")], "line 3: half a line"),
        (lambda lines: [*lines, lines[2]], "line 4: does not follow"),
        (lambda lines: lines[:2], "the last 1 lines that were written are gone"),
        (lambda lines: [], "the last 3 lines that were written are gone"),
    ],
)
def test_what_was_done_to_it(log: AuditLog, change: Callable[[list[str]], list[str]], says: str) -> None:
    head = log.verify().head
    lines = log.path.read_text().splitlines(keepends=True)
    log.path.write_text("".join(change(lines)))
    assert says in log.verify(head).fault


def test_a_log_that_was_written_anew(log: AuditLog) -> None:
    head = log.verify().head
    log.path.unlink()
    log.append([{"action": "decision", "picture": str(n)} for n in range(5)])
    assert log.verify().fault == ""
    assert "not the one that was written here" in log.verify(head).fault


def test_half_a_line_of_a_killed_writer_is_dropped(log: AuditLog) -> None:
    with log.path.open("ab") as file:
        file.write(b'{"n": 4, "at"')
    assert log.append([{"action": "label"}]).lines == 4
    assert log.verify().fault == ""


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        AuditLog(tmp_path / "file" / "audit.jsonl").append([{"action": "scan"}])


def _write(path: Path) -> None:
    for _ in range(20):
        AuditLog(path).append([{"action": "decision"}] * 3)


def test_many_writers(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    others = [multiprocessing.get_context("spawn").Process(target=_write, args=(path,)) for _ in range(2)]
    threads = [threading.Thread(target=_write, args=(path,)) for _ in range(2)]
    for one in (*others, *threads):
        one.start()
    for one in (*others, *threads):
        one.join()
    assert AuditLog(path).verify().to_dict() == {
        "whole": True, "lines": 240, "head": AuditLog(path).verify().head.digest, "fault": "",
    }  # fmt: skip
