from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from bouba.errors import ServerError
from bouba.server.guard.keys import SCOPES, KeyFile

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")


def test_a_key_is_found_by_itself_alone(keys: KeyFile) -> None:
    made, secret = keys.new("laptop", "write", 600, 20, galleries=("art",))
    keys.new("other", "read", 600)
    found = keys.find(secret)
    assert found == made
    assert (found.name, found.scope, found.rate, found.burst, found.galleries) == ("laptop", "write", 600, 20, ("art",))
    wrong = ["", "bouba_", secret[:-1], secret + "x", secret.upper(), f"{secret}\n", f" {secret}", "bouba_" + "é" * 32]
    assert [keys.find(one) for one in wrong] == [None] * len(wrong)


def test_keys_are_random_and_hashed_at_rest(keys: KeyFile) -> None:
    made = [keys.new(f"k{n}", "read", 60) for n in range(20)]
    secrets = [secret for _, secret in made]
    assert len({key.id for key, _ in made}) == len(set(secrets)) == 20
    assert all(len(secret) == 38 and secret.startswith("bouba_") for secret in secrets)
    text = keys.path.read_text()
    assert not any(secret[6:20] in text for secret in secrets)


@posix
def test_only_the_owner_may_read_the_file(keys: KeyFile) -> None:
    before = os.umask(0)
    try:
        keys.new("laptop", "read", 60)
    finally:
        os.umask(before)
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.path.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in keys.path.parent.iterdir()) == [".keys.json.lock", "keys.json"]


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_change_is_refused(keys: KeyFile, mode: int) -> None:
    keys.new("laptop", "read", 60)
    keys.path.chmod(mode)
    with pytest.raises(ServerError, match="chmod 600"):
        KeyFile(keys.path).all()


def test_what_another_process_changes_counts_at_once(keys: KeyFile) -> None:
    _, first = keys.new("laptop", "read", 60)
    server = KeyFile(keys.path)
    assert server.find(first)
    made, second = keys.new("phone", "admin", 60)
    assert server.find(second) == made
    assert keys.revoke("laptop").name == "laptop"
    assert server.find(first) is None
    assert server.by_id(made.id) == made
    keys.revoke(made.id)
    assert server.by_id(made.id) is None


def test_an_expired_key_opens_nothing_and_is_still_listed(keys: KeyFile) -> None:
    made, secret = keys.new("guest", "read", 60, lasts=timedelta(days=90))
    assert made.expires is not None
    assert datetime.fromisoformat(made.expires) - datetime.now(UTC) > timedelta(days=89)
    assert keys.find(secret)
    content = json.loads(keys.path.read_text())
    content["keys"][0]["expires"] = "2020-01-01T00:00:00+00:00"
    keys.path.write_text(json.dumps(content))
    assert keys.find(secret) is None
    assert keys.by_id(made.id) is None
    assert [key.is_live() for key in keys.all()] == [False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "read", 60), "1 to 60 characters"),
        (("a\nb", "read", 60), "1 to 60 characters"),
        (("x" * 61, "read", 60), "1 to 60 characters"),
        (("ok", "root", 60), "read, write, admin"),
        (("ok", "read", 0), "1 or more"),
        (("ok", "read", 60, -1), "1 or more"),
    ],
)
def test_bad_keys_are_not_made(keys: KeyFile, arguments: tuple, message: str) -> None:
    with pytest.raises(ServerError, match=message):
        keys.new(*arguments)
    assert not keys.path.exists()


@pytest.mark.parametrize("galleries", [(), ("../x",), ("A",), ("ok", "")])
def test_bad_gallery_names(keys: KeyFile, galleries: tuple[str, ...]) -> None:
    with pytest.raises(ServerError, match="gallery's name"):
        keys.new("ok", "read", 60, galleries=galleries)


def test_names_are_taken_once_and_unknown_ones_named(keys: KeyFile) -> None:
    keys.new("laptop", "read", 60)
    with pytest.raises(ServerError, match="revoke"):
        keys.new("laptop", "admin", 60)
    with pytest.raises(ServerError, match="no key 'phone'"):
        keys.revoke("phone")
    assert len(keys.all()) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b'{"format": 2, "keys": []}',
        b'{"format": 1, "keys": [{}]}', b'{"format": 1, "keys": ["x"]}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_file_lets_nobody_in(keys: KeyFile, content: bytes) -> None:
    _, secret = keys.new("laptop", "read", 60)
    keys.path.write_bytes(content)
    with pytest.raises(ServerError, match=r"keys\.json"):
        keys.find(secret)
    with pytest.raises(ServerError):
        keys.new("second", "read", 60)
    assert keys.path.read_bytes() == content


@pytest.mark.parametrize("change", [{"sha256": "00"}, {"scope": "root"}, {"rate": "many"}, {"expires": "soon"},
                                    {"expires": "2099-01-01"}, {"galleries": []}, {"id": ""}, {"more": 1}])  # fmt: skip
def test_a_key_that_was_tampered_with(keys: KeyFile, change: dict) -> None:
    _, secret = keys.new("laptop", "read", 60)
    content = json.loads(keys.path.read_text())
    content["keys"][0].update(change)
    keys.path.write_text(json.dumps(content))
    with pytest.raises(ServerError):
        keys.find(secret)


def test_a_missing_file_lets_nobody_in(keys: KeyFile) -> None:
    _, secret = keys.new("laptop", "read", 60)
    keys.path.unlink()
    with pytest.raises(ServerError, match="bouba keys new"):
        keys.find(secret)


def test_processes_that_write_at_once_all_succeed(keys: KeyFile) -> None:
    code = "import sys; from bouba.server.guard.keys import KeyFile; KeyFile(sys.argv[1]).new(sys.argv[2], 'read', 60)"
    commands = [[sys.executable, "-c", code, str(keys.path), f"k{n}"] for n in range(4)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert {key.name for key in keys.all()} == {f"k{n}" for n in range(4)}


def test_scopes_are_in_order() -> None:
    assert SCOPES == ("read", "write", "admin")
