"""From `[model]` to what the loop trains: the live part of both towers, and how the frozen part is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bouba.encoders import Model as ModelFolder
from bouba.encoders import load_model
from bouba.errors import TrainingError
from bouba.training.dual import Chain, DualEncoder, Side, make_head
from bouba.training.features import FrozenImages, FrozenTexts, OnnxGraph
from bouba.training.towers import ImageClassifier, ImageTower, TextTower, open_dual, open_image_tower, open_text_tower

if TYPE_CHECKING:
    import numpy.typing as npt

    from bouba.training.config import Run
    from bouba.types import Vectors


@dataclass(frozen=True, slots=True)
class Look:
    size: int  # pixels, both sides
    resize: Literal["squash", "crop"]
    interpolation: Literal["bilinear", "bicubic"]


@dataclass(frozen=True, slots=True)
class Sides:
    """What is trained, and what stands before it."""

    dual: DualEncoder
    look: Look  # how a picture becomes the pixels of the image side
    frozen_images: FrozenImages | None  # none: pixels go into the live part
    frozen_texts: FrozenTexts | None  # none: token ids do
    tokenise: Callable[[Sequence[str]], tuple[Tensor, Tensor]] | None
    image_tower: ImageTower | None  # none for a `base`
    text_tower: TextTower | None
    base: ModelFolder | None


def open_sides(run: Run, work: Path, threads: int) -> Sides:
    """Networks as the run names them; graphs of frozen parts are kept in `work`."""
    if run.model.base:
        return _over_a_folder(run, load_model(run.model.base))
    if run.model.dual:
        image, text, scale = open_dual(run.model.dual)
        return _over_towers(run, image, text, float(scale), work, threads)
    image, text = open_image_tower(str(run.model.image)), open_text_tower(str(run.model.text))
    return _over_towers(run, image, text, run.loss.scale, work, threads)


def _over_a_folder(run: Run, base: ModelFolder) -> Sides:
    model = run.model
    hidden = model.hidden if model.head == "mlp" else None
    image, text = (Side(Chain([]), make_head("adapter", base.dim, base.dim, hidden, model.dropout)) for _ in range(2))
    return Sides(
        DualEncoder(image, text, run.loss.scale, _first_bias(run)),
        Look(base.manifest.image.size, base.manifest.image.resize, base.manifest.image.interpolation),
        _FolderImages(base),
        _FolderTexts(base),
        None,
        None,
        None,
        base,
    )


def _over_towers(run: Run, image: ImageTower, text: TextTower, scale: float, work: Path, threads: int) -> Sides:
    model = run.model
    settings = (model.hidden if model.head == "mlp" else None, model.dropout)
    if model.dual and model.head != "none":
        heads = [make_head("adapter", tower.width, tower.width, *settings) for tower in (image, text)]
    elif model.dual:
        heads = [make_head("unit", tower.width, tower.width, None, 0.0) for tower in (image, text)]
    else:
        dim = model.dim - (run.labels.dim if run.labels else 0)
        heads = [make_head("head", tower.width, dim, *settings) for tower in (image, text)]
    image_stages, text_stages = list(image.stages()), list(text.stages())
    frozen = len(image_stages) if model.image_frozen < 0 else min(model.image_frozen, len(image_stages))
    for stage in image_stages[:frozen]:
        stage.requires_grad_(False)
    text_frozen = len(text_stages) if model.text_frozen < 0 else min(model.text_frozen, len(text_stages))
    for stage in text_stages[:text_frozen]:
        stage.requires_grad_(False)
    all_text = text_frozen == len(text_stages)
    checkpointing = run.optimiser.checkpointing
    dual = DualEncoder(
        Side(Chain(image_stages[frozen:], checkpointing), heads[0]),
        Side(Chain([] if all_text else text_stages, checkpointing), heads[1]),
        scale,
        _first_bias(run),
        image.classifier if run.labels and isinstance(image, ImageClassifier) else None,
    )
    if run.labels and dual.classifier is None:
        raise TrainingError(f"[labels] needs an image tower with a classifier; {image.name} has none.")
    tokenise = tokeniser(text)
    return Sides(
        dual,
        Look(image.size, image.resize, image.interpolation),
        _TowerImages(image_stages[:frozen], image.size, work / "image_frozen.onnx", threads) if frozen else None,
        _TowerTexts(text, tokenise, work / "text_frozen.onnx", threads) if all_text else None,
        tokenise,
        image,
        text,
        None,
    )


def _first_bias(run: Run) -> float:
    return -10.0 if run.loss.kind == "sigmoid" else 0.0  # Zhai et al. 2023, section 3.2


class _FolderImages:
    def __init__(self, base: ModelFolder) -> None:
        self.key = f"{base.fingerprint}-image"
        self._base = base

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        return self._base.encode_pixels(list(pixels))


class _FolderTexts:
    def __init__(self, base: ModelFolder) -> None:
        self.key = f"{base.fingerprint}-text"
        self._base = base

    def __call__(self, texts: Sequence[str]) -> Vectors:
        return self._base.encode_text(texts)


class _TowerImages:
    """Stages from the pixels on, as they are now."""

    def __init__(self, stages: Sequence[nn.Module], size: int, path: Path, threads: int) -> None:
        pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
        self._graph = _exported(Chain(list(stages)), {"pixels": pixels}, path, threads)
        self.key = self._graph.key

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._graph(pixels=pixels)


class _TowerTexts:
    """A whole text tower."""

    def __init__(self, tower: TextTower, tokenise: Tokenise, path: Path, threads: int) -> None:
        ids, mask = tokenise(["a photo", "a photo of two dogs"])
        self._graph = _exported(tower, {"input_ids": ids, "attention_mask": mask}, path, threads)
        self._tokenise = tokenise
        self.key = self._graph.key

    def __call__(self, texts: Sequence[str]) -> Vectors:
        ids, mask = self._tokenise(texts)
        return self._graph(input_ids=ids.numpy(), attention_mask=mask.numpy())


class _Logits(nn.Module):
    """A whole classifier, pixels to logits."""

    def __init__(self, tower: ImageClassifier) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.tower.classify(self.tower(pixels))
        return logits


def frozen_classifier(tower: ImageClassifier, work: Path, threads: int) -> FrozenImages:
    """What the tower's classifier says now, before training."""
    return _TowerImages([_Logits(tower)], tower.size, work / "classifier.onnx", threads)


def frozen_towers(sides: Sides, work: Path, threads: int) -> tuple[FrozenImages, FrozenTexts]:
    """Both whole towers, or the base, as they are now."""
    if sides.base is not None:
        return _FolderImages(sides.base), _FolderTexts(sides.base)
    image, text, tokenise = sides.image_tower, sides.text_tower, sides.tokenise
    assert image is not None
    assert text is not None
    assert tokenise is not None
    return (
        _TowerImages(list(image.stages()), image.size, work / "image_whole.onnx", threads),
        _TowerTexts(text, tokenise, work / "text_whole.onnx", threads),
    )


def _exported(module: nn.Module, examples: dict[str, Tensor], path: Path, threads: int) -> OnnxGraph:
    from bouba.training.export import export_graph

    path.parent.mkdir(parents=True, exist_ok=True)
    export_graph(module, examples, ["features"], path)
    return OnnxGraph(path, threads)


Tokenise = Callable[[Sequence[str]], tuple[Tensor, Tensor]]


def tokeniser(tower: TextTower) -> Tokenise:
    """Texts -> ids and mask [n, t], padded to the longest."""
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_str(tower.tokenizer_json)
    tokenizer.no_padding()
    tokenizer.enable_truncation(tower.max_tokens)

    def tokenise(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        encodings = tokenizer.encode_batch(list(texts))
        ids = torch.zeros(len(texts), max(len(e.ids) for e in encodings), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
            mask[row, : len(encoding.ids)] = 1
        return ids, mask

    return tokenise
