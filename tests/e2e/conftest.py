from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bouba.cli import main


@pytest.fixture
def many_photos(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder of as many small pictures as the module's PHOTOS says."""
    folder = tmp_path / "many"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(request.module.PHOTOS):
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(folder / f"{n:04}.png")
    return folder


@pytest.fixture
def evaluates(photos: Path, tmp_path: Path) -> Callable[..., Callable[..., subprocess.CompletedProcess[str]]]:
    """evaluates("pairs.jsonl", MODEL): `bouba evaluate` of that file among the photos, by that model or another one."""
    environment = {**os.environ, "BOUBA_CACHE": str(tmp_path / "cache")}

    def evaluates(file: str, usual: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
        def run(*arguments: object, model: Path = usual, code: int = 0) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "bouba", "evaluate", file, "-m", str(model), *map(str, arguments)]
            done = subprocess.run(command, cwd=photos, env=environment, capture_output=True, text=True, timeout=120)
            assert done.returncode == code, done.stderr
            assert "Traceback" not in done.stderr
            return done

        return run

    return evaluates


@pytest.fixture
def command(
    tmp_path: Path,
    photos: Path,
    tiny_model_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """command("search", "red"): what it prints; with `code` 1 the message. In this process, to be quick."""

    def command(*arguments: object, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["bouba", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        assert (ended.value.code or 0) == code, printed
        return printed.err if code else printed.out

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOUBA_GALLERY", str(tmp_path / "gallery"))
    command("add", photos, "--model", tiny_model_folder)
    return command
