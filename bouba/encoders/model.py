"""A model folder, run as ONNX graphs: decoded text and images in, unit vectors out."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bouba.encoders.manifest import CELLS, GRID, Manifest, read_checked, read_manifest
from bouba.encoders.picture import fit_picture as fit_picture
from bouba.encoders.runtime import Graph, Refused, open_graph
from bouba.encoders.setting import CPU, Setting, Settings, read_settings
from bouba.encoders.sound import Heard, SoundClass, cut, pooled
from bouba.errors import ModelBroken, ModelMissing

if TYPE_CHECKING:
    from PIL.Image import Image
    from tokenizers import Encoding, Tokenizer

    from bouba.types import Pixels, Samples, Vectors

BUILTIN = "builtin"
ON_CPU = Setting(CPU)  # for what is asked seldom, or one by one


def load_model(source: str | Path | None = None) -> Model:
    """A model from its folder, or by its name among the pulled ones; None or "builtin" is the one inside the package.

    Raises ModelMissing or ModelBroken. Towers are loaded when first used."""
    if source is None or str(source) == BUILTIN:
        return Model(Path(str(files("bouba.encoders") / "builtin")), source=BUILTIN)
    folder = Path(source).expanduser()
    if not folder.exists() and folder.name == str(source) and (models_folder() / folder.name).is_dir():
        folder = models_folder() / folder.name
    folder = folder.resolve()
    return Model(folder, source=str(folder))


def models_folder() -> Path:
    """Where models pulled from hubs lie, a folder each."""
    from platformdirs import user_data_path

    return user_data_path("bouba", appauthor=False) / "models"


class Model:
    """Text and images to vectors of one shared space: float32 [n, dim], rows of length 1.

    The same input gives the same vector whatever else is in its batch. Safe to use from several threads."""

    def __init__(self, folder: Path, source: str, settings: Settings | None = None) -> None:
        """`settings`: how its towers are run; None for what was measured on this machine, else the defaults."""
        self.folder = folder
        self.source = source  # what `load_model` needs to find it again
        self.manifest: Manifest = read_manifest(folder)
        self._given = settings
        self._graphs: dict[tuple[str, Setting], Graph] = {}
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def dim(self) -> int:
        return self.manifest.dim

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    @property
    def hears(self) -> bool:
        """Whether it has a sound tower."""
        return self.manifest.sound is not None

    @cached_property
    def settings(self) -> Settings:
        """How its towers are run, see `bouba.encoders.setting`."""
        return self._given or read_settings(self.manifest.fingerprint).forced()

    def describe(self) -> dict[str, Any]:
        """JSON-ready facts: name, version, dim, licence, folder, size, data it was trained on, how it runs."""
        files = [self.folder / name for name in self.manifest.files]
        return {
            "name": self.name,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "dim": self.dim,
            "licence": self.manifest.licence,
            "folder": str(self.folder),
            "hears": self.hears,
            "bytes": sum(file.stat().st_size for file in files if file.is_file()),
            "trained_on": self.manifest.trained_on,
            "runs": asdict(self.settings),
        }

    def prepare_image(self, rgb: Image) -> Pixels:
        """One RGB picture as the image tower takes it: uint8 [size, size, 3]."""
        tower = self.manifest.image
        return fit_picture(rgb, tower.size, tower.resize, tower.interpolation)

    def encode_pixels(self, pixels: Sequence[Pixels]) -> Vectors:
        """Prepared pictures to vectors [n, dim]."""
        file, setting = self.manifest.image.file, self.settings.image
        parts = [
            self._run(file, setting, {"pixels": np.stack(pixels[i : i + setting.batch])})
            for i in range(0, len(pixels), setting.batch)
        ]
        return self._stacked(parts)

    def encode_grid(self, pixels: Sequence[Pixels]) -> Vectors:
        """Prepared pictures to what each part of them would embed to by itself: unit vectors [n, rows, columns, dim].
        Raises ModelMissing where the image tower has no grid (`manifest.image.grid`)."""
        tower = self.manifest.image
        if tower.grid is None:
            raise ModelMissing(f"{self.name} {self.version} has no grid: its image tower gives one vector a picture.")
        shape = (*tower.grid, self.dim)
        parts = [np.zeros((0, *shape), np.float32)]
        graph = self._graph(tower.file, ON_CPU)  # OpenVINO takes an input with a default for a constant
        for start in range(0, len(pixels), ON_CPU.batch):
            feed = {"pixels": np.stack(pixels[start : start + ON_CPU.batch]), CELLS: np.array(True)}
            cells = np.asarray(graph.run([GRID], feed)[0], np.float32)
            self._check(cells, shape)
            parts.append(_unit(cells))
        return np.concatenate(parts)

    def encode_image(self, images: Sequence[Image]) -> Vectors:
        """RGB pictures to vectors [n, dim]."""
        return self.encode_pixels([self.prepare_image(image) for image in images])

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Texts to vectors [n, dim]. A text over `max_tokens` is cut into overlapping windows, whose vectors are
        averaged by their number of tokens."""
        windows: list[Encoding] = []
        owner: list[int] = []
        for i, encoding in enumerate(self._tokenizer.encode_batch(list(texts))):
            parts = [encoding, *encoding.overflowing]
            windows += parts
            owner += [i] * len(parts)
        sums = np.zeros((len(texts), self.dim), np.float32)
        if windows:
            tokens = np.array([len(w.ids) for w in windows], np.float32)
            np.add.at(sums, owner, self._encode_windows(windows) * tokens[:, None])
        return _unit(sums)

    def knows(self, word: str) -> bool:
        """Whether a lower-case word is one token of the text tower: it was frequent where the tokens were chosen."""
        tokens = self._tokenizer.encode(word, add_special_tokens=False).tokens
        return len(tokens) == 1 and tokens[0].removesuffix("</w>").lstrip("▁Ġ").lower() == word

    def encode_sound(self, samples: Samples) -> Heard:
        """One recording, samples [n] in [-1, 1] at the tower's rate. Raises ModelMissing without a sound tower."""
        tower = self.manifest.sound
        if tower is None:
            raise ModelMissing(
                f"{self.name} {self.version} has no sound tower: it finds pictures by text and by picture. "
                "Speech can still be asked with --as speech."
            )
        graph, parts = self._graph(tower.file, ON_CPU), []
        # One at a time, which costs hardly more: a product of another shape is rounded in another way.
        for window in cut(samples, tower.window, tower.hop):
            parts.append(graph.run(["embedding", "scores"], {"waveform": np.ascontiguousarray(window[None])}))
        embeddings, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        self._check(embeddings, (self.dim,))
        return pooled(embeddings, scores, self._sound_classes, tower.hop / tower.rate)

    @cached_property
    def calibration(self) -> Mapping[str, Any] | None:
        """What `calibration.json` says, None for a model that was never calibrated. Raises ModelBroken."""
        trust = self.manifest.trust
        if trust is None:
            return None
        data = read_checked(self.folder, trust.calibration, self.manifest.sha256[trust.calibration])
        try:
            return dict(json.loads(data))
        except (ValueError, TypeError) as error:
            raise ModelBroken(f"{self.folder / trust.calibration} is no calibration: {error}.") from error

    @cached_property
    def bank(self) -> Vectors | None:
        """Typical queries, unit vectors [n, dim], None for a model that was never calibrated. Raises ModelBroken."""
        return self._vectors(self.manifest.trust.bank) if self.manifest.trust else None

    @cached_property
    def background(self) -> Vectors | None:
        """Pictures of all kinds, unit vectors [n, dim], None for a model that was never calibrated. Raises
        ModelBroken."""
        return self._vectors(self.manifest.trust.background) if self.manifest.trust else None

    def _vectors(self, file: str) -> Vectors:
        data = read_checked(self.folder, file, self.manifest.sha256[file])
        try:
            vectors = np.load(BytesIO(data), allow_pickle=False).astype(np.float32)
        except (ValueError, OSError, EOFError) as error:
            raise ModelBroken(f"{self.folder / file} holds no vectors: {error}.") from error
        self._check(vectors, (self.dim,))
        return _unit(vectors)

    @cached_property
    def _sound_classes(self) -> list[SoundClass]:
        tower = self.manifest.sound
        assert tower is not None
        data = read_checked(self.folder, tower.classes, self.manifest.sha256[tower.classes])
        try:
            return [SoundClass(str(row["name"]), bool(row["speech"])) for row in json.loads(data)]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelBroken(f"{self.folder / tower.classes} is no list of sound classes: {error}.") from error

    def _encode_windows(self, windows: list[Encoding]) -> Vectors:
        """Windows of like length share a batch, so that little is spent on padding."""
        order = sorted(range(len(windows)), key=lambda i: len(windows[i].ids))
        out, setting = np.empty((len(windows), self.dim), np.float32), self.settings.text
        for start in range(0, len(order), setting.batch):
            batch = order[start : start + setting.batch]
            width = max(len(windows[i].ids) for i in batch)
            ids = np.zeros((len(batch), width), np.int64)
            mask = np.zeros((len(batch), width), np.int64)
            for row, i in enumerate(batch):
                ids[row, : len(windows[i].ids)] = windows[i].ids
                mask[row, : len(windows[i].ids)] = 1
            out[batch] = self._run(self.manifest.text.file, setting, {"input_ids": ids, "attention_mask": mask})
        return out

    def _stacked(self, parts: list[Vectors]) -> Vectors:
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), np.float32)

    def _run(self, file: str, setting: Setting, inputs: dict[str, Any]) -> Vectors:
        vectors = np.asarray(self._graph(file, setting).run(["embedding"], inputs)[0], np.float32)
        self._check(vectors, (self.dim,))
        return _unit(vectors)

    def _check(self, vectors: Vectors, shape: tuple[int, ...]) -> None:
        if vectors.shape[1:] != shape or not np.isfinite(vectors).all():
            wanted = " x ".join(map(str, shape))
            raise ModelBroken(f"{self.folder}: a tower gave {vectors.shape}, not finite rows of {wanted} numbers.")

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tower = self.manifest.text
        data = read_checked(self.folder, tower.tokenizer, self.manifest.sha256[tower.tokenizer])
        try:
            tokenizer = Tokenizer.from_str(data.decode())
            tokenizer.no_padding()
            tokenizer.enable_truncation(tower.max_tokens, stride=tower.max_tokens // 4)
        except Exception as error:  # the tokenizers package raises bare Exception
            raise ModelBroken(f"{self.folder / tower.tokenizer} is not a tokenizer: {error}.") from error
        return tokenizer

    def provider_of(self, tower: Literal["image", "text"]) -> str:
        """Which provider runs a tower, loading it if need be: another than its setting's where that could not start."""
        if tower == "image":
            return self._graph(self.manifest.image.file, self.settings.image).provider
        return self._graph(self.manifest.text.file, self.settings.text).provider

    def _graph(self, file: str, setting: Setting) -> Graph:
        with self._loading:
            if (file, setting) not in self._graphs:
                self._graphs[file, setting] = self._load(file, setting)
            return self._graphs[file, setting]

    def _load(self, file: str, setting: Setting) -> Graph:
        data = read_checked(self.folder, file, self.manifest.sha256[file])
        try:
            return open_graph(data, setting)
        except Refused as error:
            raise ModelBroken(f"{self.folder / file} is no graph that ONNX Runtime can run: {error}.") from error


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), np.float32)
