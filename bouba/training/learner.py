"""From `[model]` to what the loop trains: the live part of both towers, and how the frozen part is run."""

from __future__ import annotations

import math
import tempfile
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
from bouba.training.checkpoint import best_weights
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
    """Networks as the run names them; `work` has room for graphs while they are made.

    Raises ModelMissing, ModelBroken, or TrainingError where the networks are not what the run takes them for."""
    if run.model.base:
        return _over_a_folder(run, load_model(run.model.base))
    if run.model.dual:
        image, text, log_scale = open_dual(run.model.dual)
        return _over_towers(run, image, text, math.exp(log_scale), work, threads)
    image, text = open_image_tower(str(run.model.image)), open_text_tower(str(run.model.text))
    return _over_towers(run, image, text, run.loss.scale, work, threads)


def _over_a_folder(run: Run, base: ModelFolder) -> Sides:
    model = run.model
    _check_prefixes(run, base.dim)
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
    heads = _heads(run, image, text)
    image_stages, text_stages = list(image.stages()), list(text.stages())
    if run.model.start:
        classifier = image.classifier if isinstance(image, ImageClassifier) else None
        scale = _take_over(run.model.start, (image_stages, text_stages), heads, classifier)
    frozen = _freeze(image_stages, run.model.image_frozen)
    all_text = _freeze(text_stages, run.model.text_frozen) == len(text_stages)
    checkpointing = run.optimiser.checkpointing
    dual = DualEncoder(
        Side(Chain(image_stages[frozen:], checkpointing), heads[0]),
        Side(Chain([] if all_text else text_stages, checkpointing), heads[1]),
        scale,
        _first_bias(run),
        _classifier(run, image, text, moves=frozen < len(image_stages)),
    )
    if not any(weight.requires_grad for side in (dual.image, dual.text) for weight in side.parameters()):
        raise TrainingError('nothing is trained: head = "none", and both towers are frozen. Set image_frozen = 0.')
    tokenise = tokeniser(text)
    return Sides(
        dual,
        Look(image.size, image.resize, image.interpolation),
        _TowerImages(image_stages[:frozen], image.size, work, threads) if frozen else None,
        _TowerTexts(text, tokenise, work, threads) if all_text else None,
        tokenise,
        image,
        text,
        None,
    )


def _take_over(
    start: Path, towers: tuple[list[nn.Module], list[nn.Module]], heads: list[nn.Module], classifier: nn.Module | None
) -> float:
    """An earlier run's best weights; what it had frozen is as it was. Returns its scale."""
    weights = best_weights(start / "checkpoint.pt")
    try:
        for side, stages, head in zip(("image", "text"), towers, heads, strict=True):
            head.load_state_dict(_below(weights, f"{side}.head."))
            trained = _below(weights, f"{side}.tower.stages.")
            numbers = {int(name.partition(".")[0]) for name in trained}
            last = max(place for place, stage in enumerate(stages) if stage.state_dict())  # pooling has no weights
            for number in numbers:
                stages[last - max(numbers) + number].load_state_dict(_below(trained, f"{number}."))
        if classifier is not None and (known := _below(weights, "classifier.")):
            classifier.load_state_dict(known)
        return float(weights["log_scale"].exp())
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"[model] start: {start} is a run of other towers or heads ({reason}).") from error


def _below(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _heads(run: Run, image: ImageTower, text: TextTower) -> list[nn.Module]:
    model = run.model
    settings = (model.hidden if model.head == "mlp" else None, model.dropout)
    if not model.dual:
        dim = model.dim - (run.labels.dim if run.labels else 0)
        return [make_head("head", tower.width, dim, *settings) for tower in (image, text)]
    if image.width != text.width:
        raise TrainingError(f"{model.dual}: its towers give {image.width} and {text.width} numbers, not one space.")
    _check_prefixes(run, image.width)
    kind: Literal["unit", "adapter"] = "unit" if model.head == "none" else "adapter"
    return [make_head(kind, tower.width, tower.width, *settings) for tower in (image, text)]


def _check_prefixes(run: Run, dim: int) -> None:
    if any(prefix >= dim for prefix in run.model.matryoshka):
        raise TrainingError(f"[model] matryoshka = {list(run.model.matryoshka)}: the vectors have {dim} numbers.")


def _freeze(stages: Sequence[nn.Module], count: int) -> int:
    """How many stages from the input on stay as they are, -1 being all, once they do."""
    frozen = len(stages) if count < 0 else min(count, len(stages))
    for stage in stages[:frozen]:
        stage.requires_grad_(False)
    return frozen


def _classifier(run: Run, image: ImageTower, text: TextTower, moves: bool) -> nn.Module | None:
    """The image tower's, where its knowledge is kept; it moves only if what it reads does."""
    if run.labels is None:
        return None
    if not isinstance(image, ImageClassifier):
        raise TrainingError(f"[labels] needs an image tower with a classifier; {image.name} has none.")
    if run.labels.dim > text.width:
        raise TrainingError(f"[labels] dim = {run.labels.dim}: {text.name} says only {text.width} numbers of a class.")
    return image.classifier.requires_grad_(moves)


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

    def __init__(self, stages: Sequence[nn.Module], size: int, work: Path, threads: int) -> None:
        pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
        self._graph = _exported(Chain(list(stages)), {"pixels": pixels}, work, threads)
        self.key = self._graph.key

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self._graph(pixels=pixels)


class _TowerTexts:
    """A whole text tower."""

    def __init__(self, tower: TextTower, tokenise: Tokenise, work: Path, threads: int) -> None:
        ids, mask = tokenise(["a photo", "a photo of two dogs"])
        self._graph = _exported(tower, {"input_ids": ids, "attention_mask": mask}, work, threads)
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
    return _TowerImages([_Logits(tower)], tower.size, work, threads)


def frozen_towers(sides: Sides, work: Path, threads: int) -> tuple[FrozenImages, FrozenTexts]:
    """Both whole towers, or the base, as they are now."""
    if sides.base is not None:
        return _FolderImages(sides.base), _FolderTexts(sides.base)
    image, text, tokenise = sides.image_tower, sides.text_tower, sides.tokenise
    assert image is not None
    assert text is not None
    assert tokenise is not None
    return (
        _TowerImages(list(image.stages()), image.size, work, threads),
        _TowerTexts(text, tokenise, work, threads),
    )


def _exported(module: nn.Module, examples: dict[str, Tensor], work: Path, threads: int) -> OnnxGraph:
    from bouba.training.export import export_graph

    try:  # in a place of its own: several processes export the same at the same time
        with tempfile.TemporaryDirectory(dir=work, prefix=".graph-") as place:
            path = Path(place) / "graph.onnx"
            export_graph(module, examples, ["features"], path)
            return OnnxGraph(path, threads)
    except OSError as error:
        raise TrainingError(f"{work} cannot be written: {error.strerror or error}. Free some space.") from error


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
