"""torch modules -> a model folder."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import onnx
import torch
from torch import nn

from bouba.encoders.manifest import FORMAT, ImageTower, Manifest, TextTower
from bouba.errors import TrainingError
from bouba.training.export.card import model_card
from bouba.training.export.convolutions import quantise_convolutions
from bouba.training.export.faster import make_faster
from bouba.training.export.graph import export_graph
from bouba.training.export.grid import with_grid
from bouba.training.export.parity import Parity, check_parity, torch_reference
from bouba.training.export.place import IMAGE, TEXT, TOKENIZER, new_folder
from bouba.training.export.precision import PRECISIONS, Precision, store_as
from bouba.training.export.probes import TEXTS, drawn_pictures

if TYPE_CHECKING:
    from bouba.training import towers
    from bouba.types import Pixels

COMPARED = 32  # pictures that the finished folder is compared on


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model folder says of itself; `mean` and `std` are of values 0 to 255 and must be part of the module."""

    name: str
    version: str
    licence: str
    dim: int
    size: int  # pixels, both sides
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    tokenizer_json: str  # a `tokenizers` JSON with special tokens, without padding
    max_tokens: int  # special tokens included
    resize: Literal["squash", "crop"] = "squash"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    matryoshka: tuple[int, ...] = ()  # leading dimensions that make a smaller vector of their own
    trained_on: tuple[Mapping[str, Any], ...] = ()  # {"name", "rows", "terms"}
    sources: tuple[Mapping[str, Any], ...] = ()  # {"name", "licence", "url"} of the weights it started from
    summary: str = ""  # of the model card: what it is
    limits: tuple[str, ...] = ()  # of the model card: what it cannot do

    @classmethod
    def of_towers(cls, image: towers.ImageTower, text: towers.TextTower, **more: Any) -> ModelFacts:
        """What two towers already say: how pictures are prepared, and the tokenizer."""
        return cls(
            size=image.size,
            mean=image.mean,
            std=image.std,
            resize=image.resize,
            interpolation=image.interpolation,
            tokenizer_json=text.tokenizer_json,
            max_tokens=text.max_tokens,
            **more,
        )

    def manifest(self, sha256: Mapping[str, str], grid: tuple[int, int] | None = None) -> Manifest:
        image = ImageTower(IMAGE, self.size, list(self.mean), list(self.std), self.resize, self.interpolation)
        return Manifest(
            format=FORMAT,
            name=self.name,
            version=self.version,
            dim=self.dim,
            licence=self.licence,
            image=replace(image, grid=list(grid) if grid else None),
            text=TextTower(TEXT, TOKENIZER, self.max_tokens),
            sha256=dict(sha256),
            trained_on=[dict(row) for row in self.trained_on],
            sources=[dict(row) for row in self.sources],
            matryoshka=list(self.matryoshka),
        )


def write_model(
    folder: Path,
    image: nn.Module,
    text: nn.Module,
    *,
    card: ModelFacts,
    precision: Precision = "int8",
    calibration: Sequence[Pixels] = (),
    metrics: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Modules `image(pixels)` and `text(input_ids, attention_mask)`, both to embeddings [n, dim], as a model folder.

    `calibration` are pictures uint8 [size, size, 3] like those of the training; `int8` needs them, and the finished
    folder is compared with the modules on them (else on drawn ones). The folder appears at the end, whole; one that
    is there already is replaced if it is a model folder. Raises TrainingError where the target is
    something else, cannot be written, or gives other vectors than the modules.
    """
    if precision not in PRECISIONS:
        raise TrainingError(f"Precision {precision!r} is none of {', '.join(PRECISIONS)}.")
    with new_folder(folder) as partial:
        say(f"Writing the towers in {precision}.")
        graph, grid = with_grid(_image_graph(image, card.size, precision, calibration, partial, say), card.size)
        onnx.save(graph, partial / IMAGE)
        onnx.save(_text_graph(text, precision, partial), partial / TEXT)
        (partial / TOKENIZER).write_text(card.tokenizer_json, encoding="utf-8")
        manifest = card.manifest({name: sha256(partial / name) for name in (IMAGE, TEXT, TOKENIZER)}, grid)
        write_json(partial / "model.json", asdict(manifest))
        step = -(-len(calibration) // COMPARED) or 1
        parity = check_parity(
            torch_reference(image, text, card.tokenizer_json),
            partial,
            calibration[::step] or drawn_pictures(COMPARED, card.size),
            TEXTS,
            exact=precision == "fp32",
        )
        describe(partial, manifest, card.summary, card.limits, precision, parity, metrics or {})
    say(f"{folder}: cosine to PyTorch {parity.image_cosine_mean:.4f} (images), {parity.text_cosine_mean:.4f} (texts).")
    return folder


def _image_graph(
    module: nn.Module, size: int, precision: Precision, calibration: Sequence[Pixels], folder: Path,
    say: Callable[[str], None],
) -> onnx.ModelProto:  # fmt: skip
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / IMAGE
        pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
        export_graph(module, {"pixels": pixels}, ["embedding"], path)
        make_faster(path, size)
        graph = quantise_convolutions(path, calibration, say) if precision == "int8" else onnx.load(path)
    return store_as(graph, precision)


def _text_graph(module: nn.Module, precision: Precision, folder: Path) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / TEXT
        # Unlike lengths, so that what the network does with a mask is in the trace.
        mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
        export_graph(module, {"input_ids": mask.clone(), "attention_mask": mask}, ["embedding"], path)
        return store_as(onnx.load(path), precision)


def describe(
    folder: Path, manifest: Manifest, summary: str, limits: Sequence[str], precision: str, parity: Parity,
    metrics: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write `metrics.json` and `README.md`."""
    measured = {**metrics, "parity": {"precision": precision, **parity.to_dict()}}
    write_json(folder / "metrics.json", measured)
    bytes_ = sum((folder / name).stat().st_size for name in (IMAGE, TEXT))
    text = model_card(manifest, summary, limits, measured, bytes_)
    (folder / "README.md").write_text(text, encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
