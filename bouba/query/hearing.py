"""Speech, a sound, or both? A recording as one vector, and what was made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bouba.encoders.speech import Recogniser, Transcript, open_recogniser
from bouba.errors import MediaEmpty, ModelMissing
from bouba.media import load_text
from bouba.ranking.compose import weighted_mean
from bouba.types import HeardAs, Hearing

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.encoders.sound import Heard
    from bouba.media import Audio
    from bouba.types import Vectors

# Of the tagger's own speech score: below the first nobody speaks, above the second nothing else matters.
NOBODY, SOMEBODY = 0.2, 0.6
BELIEVED = 0.3  # a transcript's confidence, below which it is what a recogniser makes of noise


@dataclass(frozen=True, slots=True)
class Moments:
    """The windows of a recording."""

    vectors: Vectors  # [windows, dim]
    starts: tuple[float, ...]  # seconds

    def best(self, vector: Vectors) -> float:
        """When the window begins that is nearest to `vector` [dim], in seconds."""
        return self.starts[int(np.argmax(self.vectors @ vector))]


@dataclass(frozen=True, slots=True)
class Listened:
    """What became of a recording."""

    vector: Vectors  # [dim]
    hearing: Hearing
    moments: Moments | None  # none for speech alone


class Listener:
    """Decides by what is heard. The recogniser is loaded when somebody first speaks."""

    def __init__(self, recogniser: Callable[[], Recogniser] = open_recogniser) -> None:
        self._open = recogniser
        self._recogniser: Recogniser | None = None

    def listen(self, audio: Audio, model: Model, as_: HeardAs = "auto", transcript: str | None = None) -> Listened:
        """A recording's vector, and what was heard.

        `transcript` is what is said, where that is known; the recogniser is not asked then. Raises ModelMissing where
        the sound tower or the recogniser is needed and not there, MediaEmpty where speech has no words."""
        if transcript is not None:
            said = Transcript.known(load_text(transcript))
            return _speech(audio, model, said, None)
        if as_ == "speech":
            return _speech(audio, model, self._transcribe(audio), None)
        sound = model.encode_sound(audio.samples)
        if as_ == "sound" or sound.speech < NOBODY:
            return _sound(audio, sound)
        return self._by_what_is_heard(audio, model, sound)

    def _by_what_is_heard(self, audio: Audio, model: Model, sound: Heard) -> Listened:
        try:
            said = self._transcribe(audio)
        except ModelMissing as error:
            if sound.speech >= SOMEBODY:
                raise ModelMissing(f"Somebody speaks here. {error} To look for how it sounds: --as sound.") from error
            return _sound(audio, sound, f"Somebody may be speaking, which was left out. {error}")
        if not said.text or said.confidence < BELIEVED:
            return _sound(audio, sound)
        if sound.speech >= SOMEBODY:
            return _speech(audio, model, said, sound)
        return _both(audio, model, said, sound)

    def _transcribe(self, audio: Audio) -> Transcript:
        if self._recogniser is None:
            self._recogniser = self._open()
        return self._recogniser.transcribe(audio.samples)


def _speech(audio: Audio, model: Model, said: Transcript, sound: Heard | None) -> Listened:
    if not said.text:
        raise MediaEmpty("No words were recognised in the recording. Speak closer, or look for the sound: --as sound.")
    return Listened(_words(model, said), _hearing("speech", audio, said, sound), None)


def _sound(audio: Audio, sound: Heard, *notes: str) -> Listened:
    hearing = _hearing("sound", audio, None, sound, *notes)
    return Listened(sound.vector, hearing, Moments(sound.windows, sound.starts))


def _both(audio: Audio, model: Model, said: Transcript, sound: Heard) -> Listened:
    """Words and sound, each by how likely it is what is meant."""
    words = (sound.speech - NOBODY) / (SOMEBODY - NOBODY)
    vector = weighted_mean(np.stack([_words(model, said), sound.vector]), [words, 1 - words])
    return Listened(vector, _hearing("both", audio, said, sound), Moments(sound.windows, sound.starts))


def _words(model: Model, said: Transcript) -> Vectors:
    """All readings, by how likely they are: where the recogniser is unsure, no single one is trusted."""
    vectors = model.encode_text([load_text(one.text) for one in said.hypotheses])
    return weighted_mean(vectors, [one.weight for one in said.hypotheses])


def _hearing(
    kind: Literal["speech", "sound", "both"], audio: Audio, said: Transcript | None, sound: Heard | None, *notes: str
) -> Hearing:
    return Hearing(
        kind=kind,
        seconds=audio.seconds,
        speech=sound.speech if sound else 1.0,
        transcript=said.text if said else "",
        readings=tuple((one.text, one.weight) for one in said.hypotheses) if said else (),
        tags=sound.tags if sound else (),
        notes=(*audio.notes, *notes),
    )
