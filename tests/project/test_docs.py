"""What the docs say is so: every public name, command, option and JSON key stands there, and the examples run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from sound_files import chirps, write_sound

import bouba
from bouba.cli import commands
from bouba.copying import CopyReport
from bouba.ingest import Report
from bouba.migrate import MigrationReport
from bouba.training import config
from bouba.training.noise.audit import Audit
from bouba.training.noise.mixture import Share
from bouba.types import Hit, Item, Part

ROOT = Path(__file__).parents[2]
COMMAND, PYTHON, README, ARCHITECTURE, TRAINING = (
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("docs/command.md", "docs/python.md", "README.md", "docs/architecture.md", "docs/training.md")
)


def test_public_names_are_pinned() -> None:
    assert bouba.__all__ == [
        "BoubaError", "Client", "Gallery", "Hit", "Item", "Model", "Query", "Report", "Result",
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
    hit = Hit(1, 0.5, item, 0.5, 0.5, (Part("a dog", 0.5),), (item,))
    keys = ", ".join(f'"{key}"' for key in hit.to_dict())
    assert keys in COMMAND


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("audit", Audit("d", "m", 0, (), Share(0.0, 0.0, 0.0)).to_dict(1)),
        ("migrate", MigrationReport("m").to_dict()),
        ("copy", CopyReport("", "").to_dict()),
        ("add", {**Report().to_dict(), "items": 0}),
    ],
)
def test_json_keys_of_an_answer_are_documented(command: str, made: dict[str, object]) -> None:
    row = next(line for line in COMMAND.splitlines() if line.startswith(f"| `{command} --json`"))
    assert set(made) <= set(re.findall(r'"(\w+)"', row))


def test_every_key_of_a_run_is_documented_once() -> None:
    table, documented = "", []
    for line in TRAINING[TRAINING.index("## Every key") :].splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and "`" in cells[2]:
            table = cells[1].strip("`[]") or table
            documented += [(table, key) for key in re.findall(r"`(\w+)`", cells[2])]
    tables = {
        "model": config.Model, "labels": config.Labels, "data": config.Data, "validation": config.Validation,
        "loss": config.Loss, "noise": config.Noise, "optimiser": config.Optimiser, "export": config.Export,
    }  # fmt: skip
    keys = [("", key) for key in config.Run.__struct_fields__ if key not in tables]
    keys += [(name, key) for name, kind in tables.items() for key in kind.__struct_fields__]
    assert sorted(documented) == sorted(keys)
    sets = next(line for line in TRAINING.splitlines() if line.startswith("| `[validation]`"))
    assert set(config.Check.__struct_fields__) <= set(re.findall(r"`(\w+)`", sets))


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
    (tmp_path / "bark.ogg").write_bytes(write_sound(chirps(), "ogg", "libopus"))
    (tmp_path / "Pictures").mkdir()
    (photos / "green.png").rename(tmp_path / "Pictures/green.png")
    subprocess.run([sys.executable, "-m", "bouba", "add", "sofa.jpg"], cwd=tmp_path, check=True)
    lines = re.findall(r"^\$ bouba (.*)$", README.split("## From Python")[0], re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        line = line.split("#")[0].replace("~", ".").replace("--open", "--sheet out.png")
        subprocess.run(f"{sys.executable} -m bouba {line}", shell=True, cwd=tmp_path, check=True, capture_output=True)


def test_commands_in_the_docs_exist() -> None:
    """With every option that is named."""
    told = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    lines = re.findall(r"^\$ bouba (.*)$", told, re.MULTILINE)
    assert len(lines) > 15
    for line in lines:
        name, *rest = line.split("#")[0].split()
        command = commands.commands[name]
        if isinstance(command, click.Group) and rest and rest[0] in command.commands:
            command = command.commands[rest[0]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= options, line


def test_no_link_leads_nowhere() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
