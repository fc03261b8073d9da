from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bouba.cli import commands
from bouba.server.guard.keys import KeyFile


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(commands, ["keys", *arguments, "--file", str(tmp_path / "keys.json")])

    return run


def test_new_list_revoke(run: Any, tmp_path: Path) -> None:
    made = run("new", "laptop", "--scope", "write", "--rate", "600", "--gallery", "art", "--expires", "90d")
    assert made.exit_code == 0
    secret = made.stdout.strip()
    found = KeyFile(tmp_path / "keys.json").find(secret)
    assert found is not None
    assert (found.name, found.scope, found.rate, found.burst, found.galleries) == (
        "laptop", "write", 600, 600, ("art",)
    )  # fmt: skip
    listed = run("list").stdout
    assert "laptop" in listed
    assert found.id in listed
    assert secret not in listed
    assert run("revoke", "laptop").stdout == f"Revoked laptop ({found.id}).\n"
    assert KeyFile(tmp_path / "keys.json").find(secret) is None
    assert "None" in run("list").stdout


def test_json(run: Any) -> None:
    made = json.loads(run("new", "kiosk", "--burst", "5", "--json").stdout)
    assert made["key"].startswith("bouba_")
    listed = json.loads(run("list", "--json").stdout)["keys"]
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    assert set(listed[0]) == {"id", "name", "scope", "rate", "burst", "created", "expires", "galleries", "live"}
    assert json.loads(run("revoke", made["id"], "--json").stdout) == {"revoked": listed[0]}


@pytest.mark.parametrize("time", ["90", "0d", "d", "-1d", "1y", "99999w", "1.5d"])
def test_bad_times(run: Any, time: str) -> None:
    result = run("new", "laptop", "--expires", time)
    assert result.exit_code == 2
    assert "12h, 90d" in result.output


def test_a_missing_file_is_said(run: Any) -> None:
    assert "bouba keys new" in str(run("list").exception)
