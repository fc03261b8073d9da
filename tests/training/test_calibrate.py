from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import COLOURS, write_tiny_model

import bouba
from bouba.encoders import load_model
from bouba.training.calibrate import calibrate
from bouba.training.config import Run, read_run
from bouba.training.pairs import Pairs, read_pairs
from bouba.training.run import train

Writer = Callable[[int], Path]


@pytest.fixture
def pairs(tmp_path: Path) -> Writer:
    """So many pictures of six colours, each with two captions; every other one is val."""

    def write(count: int) -> Path:
        draw = np.random.default_rng(0)
        lines = []
        for number in range(count):
            colour = list(COLOURS)[number % len(COLOURS)]
            noise = draw.integers(-90, 90, (32, 32, 3))
            Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)).save(
                tmp_path / f"{number}.png"
            )
            split = "val" if number // len(COLOURS) % 2 else "train"
            lines.append(json.dumps({"image": f"{number}.png", "captions": [colour, f"a {colour}"], "split": split}))
        (tmp_path / "pairs.jsonl").write_text("\n".join(lines))
        return tmp_path / "pairs.jsonl"

    return write


def run(pairs: Path, base: Path) -> Run:
    path = pairs.parent / "run.toml"
    path.write_text(
        f'name = "made"\nout = "made"\nthreads = 1\n[model]\nbase = "{base}"\nhead = "linear"\n'
        f'[[data]]\npath = "{pairs.name}"\nsplit = "train"\nper_step = 8\ntexts = ["captions"]\n'
        "[optimiser]\nsteps = 4\nlearning_rate = 0.001\n[validation]\nevery = 4\n"
        f'sets = [{{ name = "own", path = "{pairs.name}", split = "val", text_column = "captions" }}]\n'
    )
    return read_run(path)


def read(pairs: Path, base: Path) -> Pairs:
    return read_pairs(run(pairs, base), lambda text: None)


def test_a_calibrated_folder_gives_probabilities(pairs: Writer, tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "model")
    before = load_model(folder).fingerprint
    (one,) = calibrate(folder, read(pairs(120), folder))
    assert one.figures()["text_to_image.hit_rate@1"] > 0
    model = load_model(folder)
    assert model.fingerprint == before
    assert model.bank is not None
    assert model.background is not None
    assert model.bank.shape == (12, model.dim)  # six colours, with and without an article
    assert len(model.background) == 60
    with bouba.open("memory://", folder) as gallery:
        gallery.add(tmp_path.glob("*.png"))
        result = gallery.search("green")
        assert result.confidence is not None
        assert all(hit.probability is not None for hit in result)
        assert "fitted_on" in (model.calibration or {})


def test_with_too_few_pairs_it_says_so_and_writes_nothing(pairs: Writer, tmp_path: Path) -> None:
    folder, notes = write_tiny_model(tmp_path / "model"), list[str]()
    calibrate(folder, read(pairs(24), folder), notes.append)
    assert any("Not calibrated: 24 texts and 12 pictures" in note for note in notes)
    assert load_model(folder).calibration is None
    assert not (folder / "bank.npy").exists()


def test_queries_known_before_stay_in_the_bank(pairs: Writer, tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "model")
    known = load_model(folder).encode_text(["white black", "black"] * 20)
    calibrate(folder, read(pairs(120), folder), known=known)
    bank = load_model(folder).bank
    assert bank is not None
    assert len(bank) == 12 + 40
    np.testing.assert_allclose(bank[12], known[0], atol=1e-3)


def test_a_run_calibrates_its_model_and_takes_its_bases_bank_along(pairs: Writer, tmp_path: Path) -> None:
    base = write_tiny_model(tmp_path / "model")
    asked = pairs(120)
    calibrate(base, read(asked, base))
    made = load_model(train(run(asked, base)).folder)
    assert made.bank is not None
    assert len(made.bank) == 12 + 12
    np.testing.assert_allclose(made.bank[:12], made.encode_text(_texts(asked)), atol=2e-3)
    assert made.calibration is not None


def _texts(pairs: Path) -> list[str]:
    """As the bank has them: in the order of the file, each once."""
    rows = [json.loads(line) for line in pairs.read_text().splitlines()]
    return list(dict.fromkeys(text for row in rows if row["split"] == "train" for text in row["captions"]))


def test_what_was_written_halfway_is_not_part_of_the_model(
    pairs: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tiny_model(tmp_path / "model")
    monkeypatch.setattr("bouba.training.calibrate.os.replace", _full_disk)
    with pytest.raises(bouba.errors.TrainingError, match="The model is as it was"):
        calibrate(folder, read(pairs(120), folder))
    assert load_model(folder).calibration is None


def _full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")
