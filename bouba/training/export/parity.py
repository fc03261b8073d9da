"""Does a model folder give the vectors that its torch modules give?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from bouba.encoders import Model, load_model
from bouba.errors import TrainingError
from bouba.training.export.graph import plain

if TYPE_CHECKING:
    from bouba.types import Pixels, Vectors

LEAST_MEAN = 0.99  # any precision
LEAST_EXACT = 0.999  # every single vector, where weights are stored as they were trained
BATCH = 8


@dataclass(frozen=True, slots=True)
class Reference:
    """What vectors should be like: functions of prepared pictures and of texts, to rows of any length."""

    image: Callable[[Sequence[Pixels]], npt.NDArray[np.float32]]
    text: Callable[[Sequence[str]], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Parity:
    """Cosines between the folder's vectors and the reference's."""

    image_cosine_min: float
    image_cosine_mean: float
    text_cosine_min: float
    text_cosine_mean: float

    def to_dict(self) -> dict[str, float]:
        return {name: round(value, 6) for name, value in asdict(self).items()}


def torch_reference(image: nn.Module, text: nn.Module, tokenizer_json: str) -> Reference:
    """The modules run in PyTorch, texts one by one and unpadded, so that a graph that reads padding is found out."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def pictures(pixels: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        batches = [torch.from_numpy(np.stack(pixels[i : i + BATCH])) for i in range(0, len(pixels), BATCH)]
        with plain(image) as network, torch.no_grad():
            return _rows([network(batch) for batch in batches])

    def words(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        ids = [torch.tensor([tokenizer.encode(words).ids]) for words in texts]
        with plain(text) as network, torch.no_grad():
            return _rows([network(row, torch.ones_like(row)) for row in ids])

    return Reference(pictures, words)


def _rows(parts: Sequence[Tensor]) -> npt.NDArray[np.float32]:
    return torch.cat(list(parts)).float().numpy()


def check_parity(
    reference: Reference, folder: Path, pixels: Sequence[Pixels], texts: Sequence[str], *, exact: bool = False
) -> Parity:
    """Compare a folder, run as every user runs it, with its reference on pictures uint8 [size, size, 3] and texts.

    Texts too long for the text tower are left out: the folder reads those in windows. Raises TrainingError where the
    mean cosine of a tower is below 0.99 or, where the weights are `exact`, a single one below 0.999.
    """
    model = load_model(folder)
    short = _that_fit(model, texts)
    images = _cosines(model.encode_pixels(pixels), reference.image(pixels))
    words = _cosines(model.encode_text(short), reference.text(short))
    parity = Parity(float(images.min()), float(images.mean()), float(words.min()), float(words.mean()))
    for tower, cosines in (("image", images), ("text", words)):
        if not cosines.mean() >= LEAST_MEAN:
            raise TrainingError(_off(tower, "mean cosine", cosines.mean(), LEAST_MEAN))
        if exact and not cosines.min() >= LEAST_EXACT:
            raise TrainingError(_off(tower, "lowest cosine", cosines.min(), LEAST_EXACT))
    return parity


def _off(tower: str, what: str, found: float, limit: float) -> str:
    return (
        f"The exported {tower} tower gives other vectors than the trained one: {what} {found:.4f}, "
        f"at least {limit} needed. Nothing was written. A more exact precision helps (int8-weights, fp16, fp32); "
        "if fp32 fails as well, the network does something that its ONNX graph does not."
    )


def _that_fit(model: Model, texts: Sequence[str]) -> list[str]:
    tower = model.manifest.text
    tokenizer = Tokenizer.from_file(str(model.folder / tower.tokenizer))
    tokenizer.no_truncation()
    fit = [text for text in texts if len(tokenizer.encode(text).ids) <= tower.max_tokens]
    if not fit:
        raise TrainingError(f"No text to compare fits into {tower.max_tokens} tokens; give shorter ones.")
    return fit


def _cosines(found: Vectors, wanted: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    if found.shape != wanted.shape:
        raise TrainingError(f"The exported tower gives {found.shape[1]} numbers, the trained one {wanted.shape[1]}.")
    one, other = found.astype(np.float64), wanted.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / np.maximum(lengths, 1e-12))
