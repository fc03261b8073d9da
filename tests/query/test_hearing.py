"""Speech, a sound or both, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sound_files import to_int16, tone, write_wav
from tiny_sound import PITCHES, SOUND, SPOKEN, UNSURE, TinyRecogniser, write_hearing_model, write_recording

import bouba
from bouba.encoders import Model, load_model
from bouba.encoders.speech import Hypothesis, Transcript
from bouba.errors import MediaEmpty, MediaMissing, ModelMissing, QueryError
from bouba.media import load_audio
from bouba.query import Listener
from bouba.types import Query


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_hearing_model(tmp_path_factory.mktemp("model") / "hearing"))


@pytest.fixture
def recogniser() -> TinyRecogniser:
    return TinyRecogniser()


@pytest.fixture
def listener(recogniser: TinyRecogniser) -> Listener:
    return Listener(lambda: recogniser)


def _audio(tmp_path: Path, voice: float, colour: str = "green", seconds: float = 1.0):
    return load_audio(write_recording(tmp_path / "a.wav", colour, voice, seconds))


@pytest.mark.parametrize(("voice", "kind"), [(SOUND, "sound"), (UNSURE, "both"), (SPOKEN, "speech")])
def test_what_is_heard_decides(
    voice: float, kind: str, tmp_path: Path, model: Model, listener: Listener, recogniser: TinyRecogniser
) -> None:
    listened = listener.listen(_audio(tmp_path, voice), model)
    assert listened.hearing.kind == kind
    assert listened.hearing.speech == pytest.approx(voice, abs=0.05)
    assert (recogniser.asked, listened.hearing.transcript) == ((0, "") if kind == "sound" else (1, "green"))
    assert float(listened.vector @ model.encode_text(["green"])[0]) > 0.9
    assert (listened.moments is None) == (kind == "speech")


@pytest.mark.parametrize(("as_", "kind"), [("sound", "sound"), ("speech", "speech")])
def test_as_overrules(as_, kind: str, tmp_path: Path, model: Model, listener: Listener) -> None:
    assert listener.listen(_audio(tmp_path, UNSURE), model, as_).hearing.kind == kind


def test_a_transcript_is_believed(tmp_path: Path, model: Model, listener: Listener, recogniser: TinyRecogniser) -> None:
    listened = listener.listen(_audio(tmp_path, SPOKEN), model, transcript="red")
    assert (listened.hearing.kind, listened.hearing.transcript, recogniser.asked) == ("speech", "red", 0)
    np.testing.assert_allclose(listened.vector, model.encode_text(["red"])[0], atol=1e-6)


def test_all_readings_count(tmp_path: Path, model: Model, listener: Listener, recogniser: TinyRecogniser) -> None:
    readings = (Hypothesis("red", 0.75), Hypothesis("blue", 0.25))
    recogniser.transcribe = lambda samples: Transcript("red", readings, "en", 0.9)  # type: ignore[method-assign]
    listened = listener.listen(_audio(tmp_path, SPOKEN), model)
    red, blue = model.encode_text(["red", "blue"])
    wanted = 0.75 * red + 0.25 * blue
    np.testing.assert_allclose(listened.vector, wanted / np.linalg.norm(wanted), atol=1e-6)
    assert listened.hearing.readings == (("red", 0.75), ("blue", 0.25))


@pytest.mark.parametrize("confidence", [0.0, 0.2])
def test_words_that_are_not_believed_are_a_sound(
    confidence: float, tmp_path: Path, model: Model, listener: Listener, recogniser: TinyRecogniser
) -> None:
    said = Transcript("thank you", (Hypothesis("thank you", 1.0),), "en", confidence)
    recogniser.transcribe = lambda samples: said  # type: ignore[method-assign]
    assert listener.listen(_audio(tmp_path, SPOKEN), model).hearing.kind == "sound"


def _missing() -> TinyRecogniser:
    raise ModelMissing("pip install 'bouba[speech]'")


def test_without_a_recogniser(tmp_path: Path, model: Model) -> None:
    listener = Listener(_missing)
    assert listener.listen(_audio(tmp_path, SOUND), model).hearing.notes == ()
    unsure = listener.listen(_audio(tmp_path, UNSURE), model).hearing
    assert unsure.kind == "sound"
    assert "bouba[speech]" in unsure.notes[-1]
    with pytest.raises(ModelMissing, match=r"bouba\[speech\].*--as sound"):
        listener.listen(_audio(tmp_path, SPOKEN), model)


def test_nothing_said(tmp_path: Path, model: Model, listener: Listener, recogniser: TinyRecogniser) -> None:
    recogniser.write = lambda colour: ""
    with pytest.raises(MediaEmpty, match="--as sound"):
        listener.listen(_audio(tmp_path, SPOKEN), model, "speech")


def test_a_model_that_cannot_hear(tmp_path: Path, tiny_model: Model, listener: Listener) -> None:
    with pytest.raises(ModelMissing, match="no sound tower"):
        listener.listen(_audio(tmp_path, SOUND), tiny_model)
    assert listener.listen(_audio(tmp_path, SPOKEN), tiny_model, "speech").hearing.transcript == "green"


def test_notes_of_the_recording_are_kept(tmp_path: Path, model: Model, listener: Listener) -> None:
    audio = replace(_audio(tmp_path, SOUND), notes=("clipped",))
    assert listener.listen(audio, model).hearing.notes == ("clipped",)


@pytest.fixture
def filled(photos: Path, model: Model):
    with bouba.open("memory://", model) as gallery:
        gallery.add(photos)
        yield gallery


@pytest.mark.parametrize("colour", PITCHES)
def test_a_sound_finds_pictures(filled: bouba.Gallery, colour: str, tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a.wav", colour)
    result = filled.search(audio=recording)
    assert Path(result[0].path).stem == colour
    assert result.heard is not None
    assert result.heard.kind == "sound"
    assert result.to_dict()["heard"]["tags"][0]["name"] == "Tone"
    with recording.open("rb") as stream:
        assert filled.search(audio=stream)[0].score == result[0].score
    assert filled.search(audio=recording.read_bytes())[0].score == result[0].score


def test_sound_with_text_and_picture(filled: bouba.Gallery, photos: Path, tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a.wav", "blue")

    def best(**weights: float) -> str:
        return Path(filled.search(Query("red", photos / "green.png", recording, **weights))[0].path).stem

    assert best(audio_weight=5) == "blue"
    assert best(text_weight=5) == "red"
    assert best(image_weight=5) == "green"


def test_each_hit_has_its_second(filled: bouba.Gallery) -> None:
    parts = [tone(PITCHES[colour], 2.0, 16_000, level=0.2) for colour in ("red", "blue")]
    result = filled.search(audio=write_wav(to_int16(np.concatenate(parts))))
    seconds = {Path(hit.path).stem: hit.second for hit in result}
    assert seconds["red"] < 1.5
    assert seconds["blue"] >= 2.0
    short = filled.search(audio=write_wav(to_int16(tone(PITCHES["red"], 0.5, 16_000, level=0.2))))
    assert short[0].second is None  # one window: it is the whole


def test_the_same_recording_gives_the_same_answer(filled: bouba.Gallery, tmp_path: Path) -> None:
    query = Query(audio=write_recording(tmp_path / "a.wav", "green", UNSURE, 3.0), audio_as="sound")
    first = filled.encode(query)
    assert all(np.array_equal(first, filled.encode(query)) for _ in range(20))


def test_bad_questions(filled: bouba.Gallery, tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "a.wav", "green")
    with pytest.raises(MediaMissing):
        filled.search(audio=tmp_path / "no.wav")
    with pytest.raises(QueryError, match="weights"):
        filled.search(Query(audio=recording, audio_weight=0))
