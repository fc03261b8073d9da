from __future__ import annotations

from pathlib import Path

import pytest

from bouba.errors import TrainingError
from bouba.training.config import read_run, to_dict

LEAST = 'name = "mine"\nout = "model"\n[[data]]\npath = "shop/pairs.jsonl"\n'


def _written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_least_run_adapts_the_builtin_model(tmp_path: Path) -> None:
    run = read_run(_written(tmp_path, LEAST))
    assert run.model.base == "builtin"
    assert run.out == tmp_path / "model"
    assert run.data[0].path == tmp_path / "shop/pairs.jsonl"
    assert run.data[0].label == "shop"
    assert to_dict(run)["out"] == str(tmp_path / "model")


def test_towers_replace_the_base(tmp_path: Path) -> None:
    run = read_run(_written(tmp_path, LEAST + '[model]\nimage = "timm:resnet18"\ntext = "hf:some/bert"\n'))
    assert run.model.base is None
    assert run.model.image == "timm:resnet18"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("[[data]]\npath = 'x'\nfoo = 1\n", "foo"),
        ("[optimiser]\nsteps = 0\n", "steps"),
        ("[optimiser]\nsteps = 'many'\n", "steps"),
        ("[model]\nimage = 'timm:resnet18'\n", "image and text"),
        ("[model]\nbase = 'builtin'\ndual = 'openclip:RN50'\n", "either base"),
        ("[model]\nbase = 'builtin'\nhead = 'none'\n", "dual encoder"),
        ("[model]\nbase = 'builtin'\n[labels]\n", "[labels] needs"),
        ("[[data]]\npath = 'shop/other.jsonl'\n", "same name"),
        ("[model]\nimage = 'a'\ntext = 'b'\ndim = 128\nmatryoshka = [256]\n", "prefixes shorter"),
        ("[model]\nimage = 'a'\ntext = 'b'\ndim = 128\n[labels]\ndim = 128\n", "leaves nothing"),
        ("[loss]\nkind = 'sigmoid'\nhardness = 0.5\n", "hardness"),
        ("[validation]\nsets = [{ path = 'a/x.csv' }]\ngeneral = [{ path = 'a/y.csv' }]\n", "same name"),
        ("[noise]\nmethod = 'magic'\n", "magic"),
        ("[validation]\nseed = 1\n", "seed"),
        ("nonsense", "run.toml"),
    ],
)
def test_a_wrong_run_is_refused_by_name(tmp_path: Path, change: str, said: str) -> None:
    path = _written(tmp_path, LEAST + change)
    with pytest.raises(TrainingError) as error:
        read_run(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_run_needs_data(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="data"):
        read_run(_written(tmp_path, 'name = "x"\nout = "m"\n'))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="No such file"):
        read_run(tmp_path / "none.toml")
