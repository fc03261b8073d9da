"""Recordings as vectors, and what was heard in them: listened to once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bouba.encoders import Model
from bouba.encoders.speech import Hypothesis, Recogniser, Transcript, open_recogniser
from bouba.errors import MediaEmpty, MediaError, ModelMissing
from bouba.evaluation.memory import Memory
from bouba.media import read_source
from bouba.media.audio import DEFAULT_AUDIO_LIMITS, Audio, decode_audio
from bouba.query import Listener

if TYPE_CHECKING:
    from bouba.types import HeardAs, Samples, Vectors

    SoundChange = Callable[[Samples, int], Samples]  # a recording and its number among the queries -> another recording


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording as a query."""

    vector: Vectors  # [dim]; zeros, which are near nothing, where only words count and there are none
    kind: str  # what it was taken for: "speech", "sound", "both", or "nothing" for no words
    transcript: str = ""
    tags: tuple[tuple[str, float], ...] = ()  # what it sounds like, the likeliest first
    note: str = ""  # what is missing here to listen as it should be


class Listening:
    """One model's ear, which remembers by content, by what it hears with, and by what recordings are taken for."""

    def __init__(self, model: Model, folder: Path) -> None:
        """`folder` has a file of vectors for each model, and one of transcripts, which all models share."""
        self._model = model
        self._memory = Memory(folder / f"{model.name}-{model.fingerprint}-recordings.sqlite", "recordings")
        self._transcripts = Memory(folder / "transcripts.sqlite", "transcripts")
        self._listener = Listener(self._recogniser)

    def listen(
        self, path: Path, heard_as: HeardAs, row: int = 0, change: tuple[str, SoundChange] | None = None
    ) -> Recorded:
        """One recording, as it is or after a change, whose name and row keep it apart.

        Raises MediaError for one that cannot be used, ModelMissing for what is needed to listen."""
        data = read_source(path, limits=DEFAULT_AUDIO_LIMITS)
        changed = f"{change[0]}/{row}" if change else ""
        key = _key(data, *self._heard_with(heard_as), heard_as, changed)
        if found := self._memory.get(key):
            return _unpacked(found)
        try:
            audio = decode_audio(data)
            if change:
                audio = replace(audio, samples=change[1](audio.samples, row))
            recorded = self._hear(audio, heard_as)
        except MediaError as error:
            raise type(error)(f"{path.name}: {error}") from error
        if not recorded.note:
            self._memory.put(key, _packed(recorded))
        return recorded

    def _heard_with(self, heard_as: HeardAs) -> list[str]:
        """All that decides what is heard, beside the model's other towers, which the file's name stands for."""
        tower, used = self._model.manifest.sound, [version("bouba")]
        if heard_as != "speech" and tower:
            used += [repr(tower), self._model.manifest.sha256[tower.file], self._model.manifest.sha256[tower.classes]]
        return used if heard_as == "sound" else [*used, self._recogniser_name]

    def _recogniser(self) -> Recogniser:
        return cast("Recogniser", _Remembering(open_recogniser(), self._transcripts))

    @cached_property
    def _recogniser_name(self) -> str:
        try:
            return open_recogniser().name
        except ModelMissing:
            return ""

    def _hear(self, audio: Audio, heard_as: HeardAs) -> Recorded:
        try:
            listened = self._listener.listen(audio, self._model, heard_as)
        except MediaEmpty:
            return Recorded(np.zeros(self._model.dim, np.float32), "nothing")
        hearing = listened.hearing
        note = " ".join(n for n in hearing.notes if n not in audio.notes)
        return Recorded(listened.vector, hearing.kind, hearing.transcript, hearing.tags, note)


class _Remembering:
    """Asks the real one for what it was never asked, and not again once it turned out not to be there."""

    def __init__(self, real: Recogniser, memory: Memory) -> None:
        self._real, self._memory = real, memory
        self._missing: ModelMissing | None = None

    def transcribe(self, samples: Samples) -> Transcript:
        key = _key(samples.tobytes(), version("bouba"), self._real.name)
        if found := self._memory.get(key):
            return _transcript(json.loads(found))
        if self._missing:
            raise self._missing
        try:
            said = self._real.transcribe(samples)
        except ModelMissing as error:
            self._missing = error
            raise
        self._memory.put(key, json.dumps(asdict(said)).encode())
        return said


def _transcript(raw: dict[str, Any]) -> Transcript:
    readings = tuple(Hypothesis(**one) for one in raw.pop("hypotheses"))
    return Transcript(hypotheses=readings, **raw)


def _packed(recorded: Recorded) -> bytes:
    head = {"kind": recorded.kind, "transcript": recorded.transcript, "tags": recorded.tags}
    return json.dumps(head).encode() + b"\n" + np.asarray(recorded.vector, np.float32).tobytes()


def _unpacked(value: bytes) -> Recorded:
    head, _, vector = value.partition(b"\n")
    raw = json.loads(head)
    tags = tuple((str(name), float(score)) for name, score in raw["tags"])
    return Recorded(np.frombuffer(vector, np.float32), raw["kind"], raw["transcript"], tags)


def _key(data: bytes, *parts: str) -> bytes:
    digest = hashlib.sha256(data).digest()
    return hashlib.sha256(b"\0".join([digest, *(part.encode() for part in parts)])).digest()[:16]
