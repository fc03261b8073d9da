from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bouba.errors import TrainingError
from bouba.training.towers import torchvision_ops

CALL = "from bouba.training.towers.torchvision_ops import import_torchvision; import_torchvision();"


def run(code: str, *path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, path), *sys.path]), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def torchvision(folder: Path, code: str) -> None:
    (folder / "torchvision").mkdir(parents=True)
    (folder / "torchvision" / "__init__.py").write_text(code)


def test_the_installed_one_can_be_imported_by_timm():
    pytest.importorskip("timm", exc_type=Exception)
    result = run(f"{CALL} import timm.data.transforms, torchvision.transforms; print('ok')")
    assert result.stdout == "ok\n", result.stderr


def test_one_that_works_is_left_alone_and_one_that_does_not_is_helped_once(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    describe = "import torch\n@torch.library.register_fake('torchvision::{}')\ndef fake(a, b, c): ...\n"
    torchvision(good, "marks = []")
    torchvision(bad, describe.format("nms") + describe.format("qnms"))
    result = run(
        "import sys, torch, torchvision; torchvision.marks.append(1);"
        f"{CALL} import torchvision as again; print(again.marks, hasattr(torch.ops.torchvision, 'nms'));"
        f"del sys.modules['torchvision']; sys.path.insert(0, {str(bad)!r});"
        f"{CALL} {CALL} import torchvision; print(torchvision.fake.__name__)",
        good,
    )
    assert result.stdout == "[1] False\nfake\n", result.stderr


def refusing(error: Exception):
    def import_module(name: str) -> None:
        raise error

    return import_module


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("operator torchvision::new_one does not exist"), "does not fit the installed torch .*new_one"),
        (RuntimeError("compiled with different CUDA major versions"), "does not fit the installed torch .*CUDA"),
        (ImportError("gone"), r"torchvision is not installed: pip install 'bouba\[train\]'"),
    ],
)
def test_what_cannot_be_helped_is_said(monkeypatch, error, said):
    monkeypatch.setattr(torchvision_ops.importlib, "import_module", refusing(error))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    with pytest.raises(TrainingError, match=said):
        torchvision_ops.import_torchvision()
