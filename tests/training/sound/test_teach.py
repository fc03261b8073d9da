"""A sound tower for a model folder, taught by words alone and by recordings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sound_files import to_int16, tone, write_wav
from tiny_model import write_tiny_model

pytest.importorskip("ai_edge_litert")

from bouba.encoders import load_model
from bouba.errors import TrainingError
from bouba.training.config import read_run
from bouba.training.export import HeadFacts, with_heads
from bouba.training.run import train
from bouba.training.sound.classes import read_classes
from bouba.training.sound.teach import looks

PITCHES = {"red": 300, "green": 1200, "blue": 3000}


@pytest.fixture
def yamnet(shared: Path) -> Path:
    return shared.parent / "models" / "yamnet" / "yamnet.tflite"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "base")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    rows = []
    for colour, pitch in PITCHES.items():
        for number in range(4):
            name = f"{colour}{number}.wav"
            (tmp_path / name).write_bytes(write_wav(to_int16(tone(pitch * (1 + number / 50), 1.5, 16_000))))
            rows.append({"audio": name, "label": colour, "fold": number})
    path = tmp_path / "clips.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _run(tmp_path: Path, yamnet: Path, rest: str = "", out: str = "out"):
    path = tmp_path / f"{out}.toml"
    base = tmp_path / "base"
    head = f'name = "mine"\nversion = "1.1.0"\nout = "{out}"\n[model]\nbase = "{base}"\nsound = "{yamnet}"\n'
    path.write_text(head + rest)
    return read_run(path)


DATA = """
[[data]]
path = "clips.jsonl"
split_column = "fold"
split = ["0", "1", "2"]
texts = ["label"]
views = 2
per_step = 9
[optimiser]
steps = 60
learning_rate = 3e-3
[export]
precision = "int8-weights"
[validation]
sets = [{ path = "clips.jsonl", split_column = "fold", split = "3", text_column = "label" }]
"""


def test_recordings_teach(tmp_path: Path, base: Path, clips: Path, yamnet: Path) -> None:
    outcome = train(_run(tmp_path, yamnet, DATA))
    metric = "sound_to_text.hit_rate@1"
    (after,), (before,) = outcome.figures.values(), outcome.before.values()
    assert after[metric] == 1.0 > before[metric]
    model, old = load_model(outcome.folder), load_model(base)
    assert model.hears
    assert model.fingerprint == old.fingerprint  # its galleries go on
    np.testing.assert_array_equal(model.encode_text(["red"]), old.encode_text(["red"]))
    for colour, pitch in PITCHES.items():
        heard = model.encode_sound(tone(pitch, 1.5, 16_000))
        texts = model.encode_text(list(PITCHES))
        assert list(PITCHES)[int(np.argmax(texts @ heard.vector))] == colour
    assert model.manifest.trained_on[-1]["rows"] == 9
    assert json.loads((outcome.folder / "metrics.json").read_text())["sound"]["validation"]


def test_words_alone_teach(tmp_path: Path, base: Path, yamnet: Path) -> None:
    outcome = train(_run(tmp_path, yamnet))
    assert outcome.step == 0
    model = load_model(outcome.folder)
    noise = np.random.default_rng(0).standard_normal(32_000).astype(np.float32) * 0.1
    heard = model.encode_sound(noise)
    assert np.linalg.norm(heard.vector) == pytest.approx(1, abs=1e-5)
    assert heard.speech < 0.5
    assert (model.folder / "README.md").read_text().count("## Sounds") == 1


def test_the_same_run_gives_the_same_tower(tmp_path: Path, base: Path, clips: Path, yamnet: Path) -> None:
    towers = [train(_run(tmp_path, yamnet, DATA, out)).folder / "sound.onnx" for out in ("one", "two")]
    assert towers[0].read_bytes() == towers[1].read_bytes()


def test_classes_look_like_their_words(base: Path) -> None:
    model, classes = load_model(base), read_classes()
    found = looks(model, classes)
    np.testing.assert_allclose(found.norm(dim=1).numpy(), [one.weight for one in classes], atol=1e-5)


def test_heads_take_sounds_along(tmp_path: Path, base: Path, yamnet: Path) -> None:
    import torch
    from torch import nn

    hearing = train(_run(tmp_path, yamnet)).folder
    dim = load_model(hearing).dim
    torch.manual_seed(0)
    turn = nn.Linear(dim, dim, bias=False)
    nn.init.orthogonal_(turn.weight)
    folder = with_heads(hearing, turn, turn, tmp_path / "turned", facts=HeadFacts("turned", "1"))
    old, new = load_model(hearing), load_model(folder)
    samples = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 0.1
    wanted = old.encode_sound(samples).vector @ turn.weight.detach().numpy().T
    assert float(wanted @ new.encode_sound(samples).vector) > 0.999
    tags = [dict(model.encode_sound(samples).tags) for model in (old, new)]
    assert tags[0] == pytest.approx(tags[1], abs=1e-5)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("[labels]\ndim = 8\n", "without \\[labels\\]"),
        (DATA.replace('split = "3"', 'split = "9"'), "no split '9'"),
        ('[[data]]\npath = "pictures.jsonl"\n', "has a recording"),
    ],
)
def test_runs_that_cannot_be(tmp_path: Path, base: Path, clips: Path, yamnet: Path, rest: str, message: str) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "pictures.jsonl").write_text('{"image": "a.png", "text": "red"}\n')
    with pytest.raises(Exception, match=message):
        train(_run(tmp_path, yamnet, rest))


def test_a_recording_that_cannot_be_read(tmp_path: Path, base: Path, clips: Path, yamnet: Path) -> None:
    (tmp_path / "red0.wav").write_bytes(b"no sound")
    with pytest.raises(TrainingError, match=r"red0\.wav.*take its row out"):
        train(_run(tmp_path, yamnet, DATA))
