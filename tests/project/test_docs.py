"""What the docs say is so: every public name, command, option and JSON key stands there, and the examples run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import bouba
from bouba.cli import commands
from bouba.types import Hit, Item

ROOT = Path(__file__).parents[2]
COMMAND, PYTHON, README, ARCHITECTURE = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("docs/command.md", "docs/python.md", "README.md", "docs/architecture.md")
)


def test_public_names_are_pinned() -> None:
    assert bouba.__all__ == [
        "BoubaError", "Gallery", "Hit", "Item", "Model", "Query", "Report", "Result",
        "__version__", "load_model", "open",
    ]  # fmt: skip
    assert all(getattr(bouba, name) is not None for name in bouba.__all__)


def test_each_public_name_is_documented_once() -> None:
    rows = re.findall(r"^\| `bouba\.(\w+)", PYTHON, re.MULTILINE)
    assert sorted(rows) == sorted(set(bouba.__all__) - {"__version__"})


def test_gallery_members_are_documented() -> None:
    members = {name for name in vars(bouba.Gallery) if not name.startswith("_")}
    row = next(line for line in PYTHON.splitlines() if line.startswith("| `bouba.Gallery`"))
    assert members == set(re.findall(r"`(\w+)`", row)) - {"len"} - {"bouba"}


def test_each_command_is_documented_once() -> None:
    rows = re.findall(r"^\| `bouba (\w+)", COMMAND, re.MULTILINE)
    assert sorted(rows) == sorted(commands.commands)


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_option_has_help(name: str) -> None:
    for option in commands.commands[name].params:
        assert isinstance(option, click.Argument) or option.help, option.name


def test_json_keys_of_a_hit_are_documented() -> None:
    item = Item("0" * 32, "/a.jpg", 1, 1, 1, "image/jpeg")
    keys = ", ".join(f'"{key}"' for key in Hit(1, 0.5, item).to_dict())
    assert keys in COMMAND


def test_architecture_names_every_room() -> None:
    for path in (ROOT / "bouba").iterdir():
        if path.name not in {"__pycache__", "__main__.py", "py.typed"}:
            assert re.search(rf"^  {path.name}\b", ARCHITECTURE, re.MULTILINE), path.name


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", PYTHON, re.DOTALL))
def test_python_examples_run(code: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)


def test_readme_python_runs(photos: Path, tmp_path: Path) -> None:
    photos.rename(tmp_path / "holiday")
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    out = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert len(out.splitlines()) == 5


def test_readme_commands_run(photos: Path, tmp_path: Path) -> None:
    """Each `bouba` line of the first screen, on other pictures."""
    (photos / "list.jsonl").write_text('{"image": "red.png", "price": 3, "brand": "A"}\n')
    subprocess.run([sys.executable, "-m", "bouba", "add", photos / "list.jsonl"], cwd=tmp_path, check=True)
    (photos / "red.png").rename(tmp_path / "sofa.jpg")
    (tmp_path / "Pictures").mkdir()
    (photos / "green.png").rename(tmp_path / "Pictures/green.png")
    lines = re.findall(r"^\$ bouba (.*)$", README, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        line = line.split("#")[0].replace("~", ".").replace("--open", "--sheet out.png")
        subprocess.run(f"{sys.executable} -m bouba {line}", shell=True, cwd=tmp_path, check=True, capture_output=True)


def test_no_link_leads_nowhere() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
