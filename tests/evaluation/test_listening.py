"""What is heard is heard once, and what cannot be heard is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from directions import found, hit_rate, names
from tiny_sound import (
    SOUND,
    SPOKEN,
    UNSURE,
    TinyRecogniser,
    write_recording,
)

from bouba.encoders import Model
from bouba.errors import ManifestError, ModelMissing
from bouba.evaluation import listening
from bouba.evaluation.data import EvaluationSet, read_set
from bouba.evaluation.embeddings import Embeddings
from bouba.evaluation.retrieval import evaluate
from bouba.media import load_audio

Writer = Callable[..., EvaluationSet]

pytestmark = pytest.mark.usefixtures("recogniser")


def test_each_way_of_listening_is_a_direction(
    write_set: Writer, embeddings: Embeddings, recogniser: TinyRecogniser
) -> None:
    evaluation = evaluate(write_set(SPOKEN), embeddings, slices=False, heard_as=("sound", "speech", "auto"))
    assert names(evaluation)[2:] == ["sound_to_image", "speech_to_image", "audio_to_image"]
    assert [d.heard.speech for d in evaluation.directions if d.heard] == [0, 3, 3]
    assert recogniser.asked == 3  # a transcript is remembered from one way to the next


def test_no_words_find_nothing(write_set: Writer, embeddings: Embeddings, recogniser: TinyRecogniser) -> None:
    recogniser.write = lambda colour: ""
    evaluation = evaluate(write_set(SPOKEN), embeddings, slices=False, heard_as=("speech",))
    direction = found(evaluation, "speech_to_image")
    assert direction.metrics["median_rank"].value == 3
    assert direction.heard is not None
    assert (direction.heard.nothing, direction.heard.word_error_rate) == (3, 1.0)
    assert direction.hubs == ()
    assert "no words were recognised" in direction.worst[0].query


def test_a_second_evaluation_listens_to_nothing(
    write_set: Writer, hearing_model: Model, tmp_path: Path, recogniser: TinyRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_set(UNSURE)
    first = evaluate(data, Embeddings(hearing_model, tmp_path / "cache")).to_dict()
    monkeypatch.setattr(Model, "encode_sound", lambda *a: pytest.fail("heard a sound"))
    monkeypatch.setattr(listening, "decode_audio", lambda *a: pytest.fail("decoded a recording"))
    asked = recogniser.asked
    second = evaluate(data, Embeddings(hearing_model, tmp_path / "cache")).to_dict()
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert recogniser.asked == asked


def test_another_recogniser_is_asked_anew(
    write_set: Writer, hearing_model: Model, tmp_path: Path, recogniser: TinyRecogniser
) -> None:
    data = write_set(SPOKEN)
    evaluate(data, Embeddings(hearing_model, tmp_path / "cache"), slices=False)
    recogniser.write = lambda colour: "white"
    evaluation = evaluate(data, Embeddings(hearing_model, tmp_path / "cache"), slices=False)
    assert hit_rate(found(evaluation, "audio_to_image")) == 1.0
    recogniser.name = "small"
    evaluation = evaluate(data, Embeddings(hearing_model, tmp_path / "cache"), slices=False)
    assert hit_rate(found(evaluation, "audio_to_image")) < 1.0


@pytest.mark.usefixtures("no_recogniser")
def test_without_a_recogniser(write_set: Writer, embeddings: Embeddings) -> None:
    with pytest.raises(ModelMissing, match=r"Somebody speaks here\. Speech needs another package"):
        evaluate(write_set(SPOKEN), embeddings)
    unsure = evaluate(write_set(UNSURE), embeddings, slices=False)
    assert unsure.notes[0].startswith("3 of 3 recordings: Somebody may be speaking")
    assert evaluate(write_set(SOUND), embeddings, slices=False).notes == ()


def test_what_was_left_out_is_not_remembered(
    write_set: Writer, hearing_model: Model, tmp_path: Path, recogniser: TinyRecogniser
) -> None:
    data = write_set(UNSURE)

    def unreachable(colour: str) -> str:
        raise ModelMissing("The hub cannot be reached.")

    recogniser.write = unreachable
    assert evaluate(data, Embeddings(hearing_model, tmp_path / "cache"), slices=False).notes
    assert recogniser.asked == 1  # not for every recording: a hub takes its time to be unreachable
    recogniser.write = str
    again = evaluate(data, Embeddings(hearing_model, tmp_path / "cache"), slices=False)
    assert found(again, "audio_to_image").heard.both == 3  # type: ignore[union-attr]


def test_broken_recordings(write_set: Writer, embeddings: Embeddings, photos: Path) -> None:
    data = write_set(SOUND)
    (photos / "clips/green.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(ManifestError, match=r"1 of its 3 recordings cannot be used: green\.wav: .+ Under 1 %"):
        evaluate(data, embeddings)


def test_a_few_broken_recordings_are_left_out(photos: Path, embeddings: Embeddings) -> None:
    source = write_recording(photos / "red.wav", "red", seconds=0.2)
    clips = [str(shutil.copy(source, photos / f"{n}.wav")) for n in range(101)]
    Path(clips[7]).write_bytes(b"no sound at all")
    rows = [{"image": "red.png", "audio": clip} for clip in clips]
    (photos / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    evaluation = evaluate(read_set(photos / "clips.jsonl"), embeddings, slices=False)
    assert found(evaluation, "audio_to_image").queries == 100
    assert evaluation.notes[0].startswith("1 of 101 recordings cannot be used and were left out: 7.wav: ")


def test_vectors_are_those_of_a_search(
    write_set: Writer, embeddings: Embeddings, hearing_model: Model, photos: Path
) -> None:
    write_set(SOUND)
    (recorded,) = embeddings.recordings([photos / "clips/red.wav"])
    assert isinstance(recorded, listening.Recorded)
    assert np.array_equal(
        recorded.vector, hearing_model.encode_sound(load_audio(photos / "clips/red.wav").samples).vector
    )
    assert recorded.tags[0][0] == "Tone"
    (again,) = embeddings.recordings([photos / "clips/red.wav"])
    assert isinstance(again, listening.Recorded)
    assert again.tags == recorded.tags
