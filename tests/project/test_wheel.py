"""The wheel builds, is small enough, holds the model, and works in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from bouba.encoders.manifest import read_manifest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source") / "bouba"
    # Built from a copy, so that no build folder stays in the checkout or comes from it.
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           cwd=ROOT, check=True, capture_output=True, text=True).stdout  # fmt: skip
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(source)], check=True)
    return next(out.glob("*.whl"))


def test_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        model = [i for i in archive.infolist() if i.filename.startswith("bouba/encoders/builtin/")]
    for needed in (*read_manifest(ROOT / "bouba/encoders/builtin").files, "model.json", "metrics.json", "README.md"):
        assert f"bouba/encoders/builtin/{needed}" in names
    assert sum(i.file_size for i in model) < 40e6
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "examples/"))]
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_installs_and_works_in_a_clean_environment(wheel: Path, tmp_path: Path, photos: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = next(p for p in (tmp_path / "env/bin/python", tmp_path / "env/Scripts/python.exe") if p.exists())
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    run = [python.parent / "bouba"]
    subprocess.run([*run, "add", str(photos)], cwd=tmp_path, check=True)
    search = [*run, "search", "--raw", "red"]
    found = subprocess.run(search, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert len(found.splitlines()) == 12
    torch = subprocess.run([python, "-c", "import torch"], capture_output=True)
    assert torch.returncode != 0, "the default install must do without torch"
