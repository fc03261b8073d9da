"""`model.json`: what a model folder says of itself, typed and checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from bouba.errors import ModelBroken, ModelMissing

FORMAT = 1
CELLS, GRID = "cells", "grid"  # an input and an output that the graph of an image tower may have
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ImageTower:
    """An ONNX graph `pixels` uint8 [n, size, size, 3] RGB -> `embedding` float32 [n, dim].

    `mean` and `std` (of values 0 to 255) are folded into the graph and stand here to be read. A graph with a grid has
    the output `grid` float32 [n, rows, columns, dim] as well, what each part of the picture would embed to by itself,
    and computes it where its input `cells`, a bool that is false if not given, is true."""

    file: str
    size: int  # pixels, both sides
    mean: list[float]
    std: list[float]
    resize: Literal["squash", "crop"] = "squash"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    # Rows and columns. Not in the repr, which fingerprints are made from: it decides no item's vector.
    grid: list[int] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TextTower:
    """An ONNX graph `input_ids`, `attention_mask` int64 [n, t] -> `embedding` float32 [n, dim]."""

    file: str
    tokenizer: str  # a `tokenizers` JSON file
    max_tokens: int  # special tokens included


@dataclass(frozen=True, slots=True)
class SoundTower:
    """An ONNX graph `waveform` float32 [n, window] -> `embedding` float32 [n, dim], whose length says how much a window
    counts beside the others, and `scores` float32 [n, classes], the tagger's, 0 to 1."""

    file: str
    rate: int  # samples a second
    window: int  # samples
    hop: int  # samples from one window's start to the next one's
    classes: str  # a JSON file: [{"name", "speech"}]


@dataclass(frozen=True, slots=True)
class Trust:
    """What makes probabilities of scores, fitted on pairs held out of training; see `bouba.ranking`."""

    calibration: str  # a JSON file: score -> probability for each kind of query, and how hubs are corrected
    bank: str  # a float16 .npy file [n, dim]: typical queries, which say what is a hub
    background: str  # a float16 .npy file [n, dim]: pictures of all kinds, which fill up a small gallery's scores


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole of `model.json`."""

    format: int
    name: str
    version: str
    dim: int
    licence: str
    image: ImageTower
    text: TextTower
    sha256: dict[str, str]  # file name -> hex digest
    trained_on: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    matryoshka: list[int] = field(default_factory=list)  # leading dimensions that make a smaller vector of their own
    sound: SoundTower | None = None
    trust: Trust | None = None

    @property
    def files(self) -> list[str]:
        """What the towers are made of, and what their scores are judged by."""
        sound = [self.sound.file, self.sound.classes] if self.sound else []
        trust = [self.trust.calibration, self.trust.bank, self.trust.background] if self.trust else []
        return [self.image.file, self.text.file, self.text.tokenizer, *sound, *trust]

    @property
    def fingerprint(self) -> str:
        """16 hex digits over all that decides an item's vector: the towers' files and their preprocessing. The sound
        tower and the calibration are not among them: a gallery outlives better ones."""
        parts = [repr(self.image), repr(self.text)]
        parts += [self.sha256[f] for f in (self.image.file, self.text.file, self.text.tokenizer)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_manifest(folder: Path) -> Manifest:
    """Parse `folder/model.json`. Raises ModelMissing where there is none, ModelBroken where it is wrong."""
    path = folder / "model.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelMissing(f"{folder} is not a model folder: it has no model.json.") from None
    except (OSError, ValueError) as error:
        raise ModelBroken(f"{path} cannot be read: {error}.") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        found = raw.get("format") if isinstance(raw, dict) else None
        raise ModelBroken(f"{path}: format {found!r}, and this bouba reads format {FORMAT}. Update bouba.")
    try:
        image = _build(ImageTower, raw.pop("image"))
        text = _build(TextTower, raw.pop("text"))
        sound = _build(SoundTower, raw.pop("sound")) if raw.get("sound") else None
        trust = _build(Trust, raw.pop("trust")) if raw.get("trust") else None
        manifest = _build(Manifest, {**raw, "image": image, "text": text, "sound": sound, "trust": trust})
        for name in manifest.files:
            manifest.sha256[name]  # a missing hash is named now, not at the first query
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelBroken(f"{path}: {error}.") from error
    return manifest


def _build(kind: type[_T], raw: dict[str, Any]) -> _T:
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := raw.keys() - known.keys():
        raise TypeError(f"unknown key {sorted(unknown)[0]!r} in {kind.__name__}")
    for name, f in known.items():
        if name not in raw and f.default is MISSING and f.default_factory is MISSING:
            raise TypeError(f"{kind.__name__} lacks {name!r}")
    return kind(**raw)


def read_checked(folder: Path, name: str, sha256: str) -> bytes:
    """The bytes of one file of a model folder. Raises ModelBroken where it is missing or not what was shipped."""
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise ModelBroken(f"{folder / name} cannot be read: {error.strerror}. Fetch the model again.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelBroken(f"{folder / name} is not the file that model.json lists (SHA-256). Fetch the model again.")
    return data
