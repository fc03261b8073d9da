"""The built-in model's ear on real recordings. The full figures: `python -m benchmarks.sounds`."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from sound_files import write_sound

import bouba
from bouba.encoders import Model
from bouba.media import load_audio

LABELS = {"dog bark": "a dog barking", "sea waves": "waves at the sea", "rooster": "a rooster crowing",
          "baby cry": "a crying baby", "helicopter": "a helicopter"}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Model:
    return bouba.load_model()


@pytest.fixture(scope="module")
def clips(shared: Path) -> dict[str, list[Path]]:
    """Two clips of fold 5, which taught nothing, for each of five labels."""
    found: dict[str, list[Path]] = {label: [] for label in LABELS}
    for row in map(json.loads, (shared / "sounds/clips.jsonl").open(encoding="utf-8")):
        if row["fold"] == 5 and len(found.get(row["label"], [1, 2])) < 2:
            found[row["label"]].append(shared / "sounds" / row["audio"])
    return found


def test_sounds_are_near_their_words(model: Model, clips: dict[str, list[Path]]) -> None:
    words = model.encode_text(list(LABELS.values()))
    right = [
        list(LABELS)[int(np.argmax(words @ model.encode_sound(load_audio(path).samples).vector))] == label
        for label, paths in clips.items()
        for path in paths
    ]
    assert sum(right) >= 8


def test_twenty_times_the_same(model: Model, clips: dict[str, list[Path]]) -> None:
    path = clips["dog bark"][0]
    vectors = [model.encode_sound(load_audio(path).samples).vector for _ in range(20)]
    assert all(np.array_equal(vectors[0], vector) for vector in vectors)


def test_no_window_depends_on_the_number_of_windows(model: Model, clips: dict[str, list[Path]]) -> None:
    samples = load_audio(clips["sea waves"][0]).samples
    whole = model.encode_sound(np.tile(samples[: 7_800 * 9], 4)).windows
    for windows in (1, 3, 8):
        part = model.encode_sound(samples[: 15_600 + (windows - 1) * 7_800]).windows
        assert np.array_equal(part, whole[:windows])


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp3", "libmp3lame", 44_100), ("webm", "libopus", 48_000), ("ogg", "libopus", 48_000)],
)
def test_codecs_hardly_matter(
    model: Model, clips: dict[str, list[Path]], container: str, codec: str, rate: int
) -> None:
    for paths in clips.values():
        wave = _decoded(paths[0], rate)
        original = model.encode_sound(load_audio(write_sound(wave, "wav", "pcm_s16le", rate)).samples).vector
        coded = model.encode_sound(load_audio(write_sound(wave, container, codec, rate)).samples).vector
        assert float(original @ coded) >= 0.97


def test_a_bark_finds_dogs(shared: Path, clips: dict[str, list[Path]], tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (shared / "flickr8k/pairs.jsonl").open(encoding="utf-8")]
    val = [row for row in rows if row["split"] == "val"][:150]
    with bouba.open(tmp_path / "gallery") as gallery:
        gallery.add([shared / "flickr8k" / row["image"] for row in val])
        result = gallery.search(audio=clips["dog bark"][0], k=5)
    captions = {str(shared / "flickr8k" / row["image"]): " ".join(row["captions"]).lower() for row in val}
    assert result.heard is not None
    assert result.heard.kind == "sound"
    assert sum("dog" in captions[hit.path] for hit in result) >= 4


def _decoded(path: Path, rate: int) -> np.ndarray:
    with av.open(str(path)) as file:
        resampler = av.AudioResampler("flt", "mono", rate)
        parts = [part.to_ndarray()[0] for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(parts)
