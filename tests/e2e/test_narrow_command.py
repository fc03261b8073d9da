"""`bouba add --dims`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

DIMS = 40


def test_the_command_takes_the_number(
    command: Callable[..., str], photos: Path, tiny_model_folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "small"
    command("add", photos, "-g", place, "-m", tiny_model_folder, "--dims", DIMS)
    assert json.loads(command("info", "-g", place, "--json"))["model"]["dim"] == DIMS
    found = json.loads(command("search", "red", "-g", place, "--json"))
    assert Path(found["hits"][0]["path"]).stem == "red"
    assert "keeps 40 dimensions" in command("add", photos, "-g", place, "--dims", 32, code=1)
