"""The files in deploy/ are what they say, as far as this can be told without the tools that run them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from bouba.cli import commands, keys, serve  # noqa: F401  they register their commands
from bouba.server.settings import DEFAULT_PORT

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def check_command(words: list[str]) -> None:
    """`bouba` takes each option that is named, and each is given a value if it wants one."""
    command: click.Command = commands
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    with command.make_context("bouba", words, resilient_parsing=False) as context:
        assert context.params


def instructions() -> list[tuple[str, str]]:
    """Of the Containerfile, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def told(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def test_container() -> None:
    assert {name for name, _ in instructions()} <= {
        "FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
        "ENTRYPOINT", "CMD",
    }  # fmt: skip
    bases = {re.split(r" AS ", base)[0] for base in told("FROM")}
    assert all(re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    assert len(bases) == 1
    assert told("USER") == ["10001:10001"]
    assert told("VOLUME") == ["/data"]
    assert told("EXPOSE") == [str(DEFAULT_PORT)]
    assert f":{DEFAULT_PORT}/readyz" in told("HEALTHCHECK")[0]
    check = json.loads(told("HEALTHCHECK")[0].partition("CMD ")[2])
    compile(check[2], "healthcheck", "exec")
    assert json.loads(told("ENTRYPOINT")[0]) == ["bouba"]
    check_command(json.loads(told("CMD")[0]))
    for copied in told("COPY"):
        *sources, _ = [word for word in copied.split() if not word.startswith("--")]
        assert all((ROOT / source).exists() for source in sources if not source.startswith("/"))
    assert told("ARG") == ["EXTRAS=server"]
    assert "server" in EXTRAS


def test_comments_of_the_container_are_commands() -> None:
    for line in re.findall(r"bouba bouba (.+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE):
        check_command(shlex.split(line))


@pytest.fixture
def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def test_compose_has_what_it_names(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"bouba", "milvus", "etcd", "minio"}
    for name, service in services.items():
        assert re.search(r":v?[\w.-]*\d", service["image"]), name
        assert not service["image"].endswith(":latest")
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped"
        assert {volume.split(":")[0] for volume in service["volumes"]} <= set(compose["volumes"])
        assert set(service["networks"]) <= set(compose["networks"])
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[other]


def test_compose_opens_nothing_but_bouba_on_this_machine(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["bouba"]
    assert services["bouba"]["ports"] == [f"127.0.0.1:{DEFAULT_PORT}:{DEFAULT_PORT}"]
    assert [name for name, service in services.items() if "front" in service["networks"]] == ["bouba"]
    assert compose["networks"]["store"] == {"internal": True}
    secrets = re.findall(r"(?:PASSWORD|SECRET_ACCESS_KEY): (.*)$", (DEPLOY / "compose.yaml").read_text(), re.MULTILINE)
    assert len(secrets) == 2
    assert all(secret.startswith("${MINIO_PASSWORD:?") for secret in secrets)


def test_compose_runs_bouba_as_it_can_be_run(compose: dict[str, Any]) -> None:
    bouba = compose["services"]["bouba"]
    check_command([re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in bouba["command"]])
    assert set(bouba["build"]["args"]["EXTRAS"].split(",")) <= set(EXTRAS)
    assert (DEPLOY / bouba["build"]["context"] / bouba["build"]["dockerfile"]).samefile(DEPLOY / "Containerfile")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert bouba["image"].endswith(f":{version}")


def service_lines(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", (DEPLOY / "bouba.service").read_text(), re.MULTILINE)


def test_service_runs_bouba_as_it_can_be_run() -> None:
    (start,) = service_lines("ExecStart")
    program, *words = shlex.split(start.replace("%S", "/var/lib").replace("%L", "/var/log"))
    assert program == "/opt/bouba/bin/bouba"
    check_command(words)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The service, with a program that is there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    program = tmp_path / "bouba"
    program.write_text(f"#!{sys.executable}\n")
    program.chmod(0o755)
    unit = tmp_path / "bouba.service"
    unit.write_text((DEPLOY / "bouba.service").read_text().replace("/opt/bouba/bin/bouba", str(program)))
    return unit


def test_service_is_one_for_systemd(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = [line for line in done.stderr.splitlines() if "bouba" in line]
    assert (done.returncode, told) == (0, [])


def test_service_is_hardened(unit: Path) -> None:
    """systemd's own measure: 10 is a service without any protection, below 2 it calls OK."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        env={**os.environ, "SYSTEMD_COLORS": "0"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r"exposure level for bouba\.service: ([\d.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd cannot say: {done.stderr}")
    assert float(found[1]) < 1.5
