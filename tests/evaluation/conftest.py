"""What hears: a small model, a recogniser, and sets with recordings for both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_sound import PITCHES, TinyRecogniser, write_hearing_model, write_recording

from bouba.encoders import Model, load_model
from bouba.errors import ModelMissing
from bouba.evaluation import listening
from bouba.evaluation.data import EvaluationSet, read_set
from bouba.evaluation.embeddings import Embeddings

Writer = Callable[..., EvaluationSet]


@pytest.fixture(scope="session")
def hearing_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_hearing_model(tmp_path_factory.mktemp("model") / "hearing"))


@pytest.fixture
def embeddings(hearing_model: Model, tmp_path: Path) -> Embeddings:
    return Embeddings(hearing_model, tmp_path / "cache")


@pytest.fixture
def recogniser(monkeypatch: pytest.MonkeyPatch) -> TinyRecogniser:
    one = TinyRecogniser()
    monkeypatch.setattr(listening, "open_recogniser", lambda: one)
    return one


@pytest.fixture
def no_recogniser(recogniser: TinyRecogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModelMissing("Speech needs another package.")

    monkeypatch.setattr(listening, "open_recogniser", missing)


@pytest.fixture
def write_set(photos: Path) -> Writer:
    """write_set(SOUND): a set of a recording for each of three pictures; more keys by `row(colour)`."""

    def write_set(
        voice: float, row: Callable[[str], dict[str, Any]] = lambda colour: {"text": colour}
    ) -> EvaluationSet:
        rows = []
        for colour in PITCHES:
            write_recording(photos / "clips" / f"{colour}.wav", colour, voice)
            rows.append({"image": f"{colour}.png", "audio": f"clips/{colour}.wav", **row(colour)})
        (photos / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return read_set(photos / "clips.jsonl")

    return write_set
