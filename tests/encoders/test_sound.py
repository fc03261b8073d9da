"""Windows of a recording, and the sound tower of a model folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sound_files import tone
from tiny_sound import HOP, PITCHES, WINDOW, write_hearing_model

from bouba.encoders import load_model
from bouba.encoders.sound import SoundClass, cut, pooled
from bouba.errors import ModelBroken, ModelMissing


@pytest.mark.parametrize(
    ("samples", "windows"),
    [(1, 1), (WINDOW, 1), (WINDOW + HOP // 2 - 1, 1), (WINDOW + HOP // 2 + 1, 2), (WINDOW + HOP, 2), (80_000, 9)],
)
def test_cut(samples: int, windows: int) -> None:
    wave = np.arange(1, samples + 1, dtype=np.float32)
    found = cut(wave, WINDOW, HOP)
    assert found.shape == (windows, WINDOW)
    for row, window in enumerate(found):
        part = wave[row * HOP : row * HOP + WINDOW]
        np.testing.assert_array_equal(window[: len(part)], part)
        assert not window[len(part) :].any()


def test_a_window_counts_by_its_length() -> None:
    embeddings = np.array([[3, 0], [0, 1]], np.float32)
    scores = np.array([[0.8, 0.0], [0.0, 0.4]], np.float32)
    heard = pooled(embeddings, scores, [SoundClass("Bark", False), SoundClass("Speech", True)], 0.5)
    np.testing.assert_allclose(heard.vector, np.array([3, 1]) / np.sqrt(10), rtol=1e-6)
    np.testing.assert_allclose(heard.windows, np.eye(2), rtol=1e-6)
    assert heard.starts == (0.0, 0.5)
    assert [name for name, _ in heard.tags] == ["Bark", "Speech"]
    assert heard.tags[0][1] == pytest.approx(0.6, rel=1e-5)
    assert heard.speech == pytest.approx(0.2)


def test_where_nothing_is_heard() -> None:
    heard = pooled(np.zeros((2, 3), np.float32), np.zeros((2, 1), np.float32), [SoundClass("Bark", False)], 0.5)
    assert np.isfinite(heard.vector).all()
    assert heard.tags == ()


def test_twenty_times_the_same(tmp_path: Path) -> None:
    model = load_model(write_hearing_model(tmp_path / "hearing"))
    samples = tone(PITCHES["red"], 20.0, 16_000)
    first = model.encode_sound(samples)
    assert len(first.windows) == 40
    for _ in range(20):
        again = model.encode_sound(samples)
        assert np.array_equal(first.vector, again.vector)
        assert np.array_equal(first.windows, again.windows)


def test_a_sound_tower_leaves_galleries_alone(tmp_path: Path) -> None:
    folder = write_hearing_model(tmp_path / "hearing")
    hearing = load_model(folder)
    manifest = json.loads((folder / "model.json").read_text())
    del manifest["sound"]
    (folder / "model.json").write_text(json.dumps(manifest))
    deaf = load_model(folder)
    assert (hearing.hears, deaf.hears) == (True, False)
    assert hearing.fingerprint == deaf.fingerprint
    with pytest.raises(ModelMissing, match="no sound tower"):
        deaf.encode_sound(np.zeros(WINDOW, np.float32))


@pytest.mark.parametrize("data", [b"[]x", b'{"a": 1}', b'[{"name": "Tone"}]'])
def test_broken_classes(tmp_path: Path, data: bytes) -> None:
    import hashlib

    folder = write_hearing_model(tmp_path / "hearing")
    (folder / "classes.json").write_bytes(data)
    manifest = json.loads((folder / "model.json").read_text())
    manifest["sha256"]["classes.json"] = hashlib.sha256(data).hexdigest()
    (folder / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelBroken, match="sound classes"):
        load_model(folder).encode_sound(np.ones(WINDOW, np.float32))


def test_a_hash_that_is_missing(tmp_path: Path) -> None:
    folder = write_hearing_model(tmp_path / "hearing")
    manifest = json.loads((folder / "model.json").read_text())
    del manifest["sha256"]["sound.onnx"]
    (folder / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelBroken, match=r"sound\.onnx"):
        load_model(folder)
