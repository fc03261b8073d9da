"""What the frozen trunks say about the training data, computed once and kept in a cache folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image, ImageOps
from tokenizers import Tokenizer

from bouba.training.v1.towers import IMAGE_SIZE

Floats = npt.NDArray[np.float32]
BATCH = 32
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ImageFeatures:
    """Per picture: pooled features [n, 1280] and ImageNet logits [n, 1000]."""

    features: Floats
    logits: Floats


def open_session(graph: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def read_pixels(path: Path, mirrored: bool = False) -> npt.NDArray[np.uint8]:
    """A picture as the model will see it, [260, 260, 3]: squashed to a square, bilinear."""
    with Image.open(path) as image:
        square = image.convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)
    return np.asarray(ImageOps.mirror(square) if mirrored else square)


def image_features(
    session: ort.InferenceSession, paths: Sequence[Path], cache: Path, mirrored: bool = False
) -> ImageFeatures:
    def compute() -> dict[str, Floats]:
        rows = [
            session.run(["features", "logits"], {"pixels": np.stack([read_pixels(path, mirrored) for path in batch])})
            for batch in _batches(paths)
        ]
        features, logits = (np.concatenate(column) for column in zip(*rows, strict=True))
        return {"features": features, "logits": logits}

    stored = _cached(cache, [str(mirrored), *map(str, paths)], compute)
    return ImageFeatures(stored["features"], stored["logits"])


def text_features(session: ort.InferenceSession, tokenizer: Tokenizer, texts: Sequence[str], cache: Path) -> Floats:
    """[n, 384], rows of length 1."""

    def compute() -> dict[str, Floats]:
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # texts of like length: little padding
        rows = [_encode_texts(session, tokenizer, [texts[row] for row in batch]) for batch in _batches(order)]
        return {"features": np.concatenate(rows)[np.argsort(order)]}

    return _cached(cache, texts, compute)["features"]


def _encode_texts(session: ort.InferenceSession, tokenizer: Tokenizer, texts: Sequence[str]) -> Floats:
    encodings = tokenizer.encode_batch(list(texts))
    ids = np.array([encoding.ids for encoding in encodings], np.int64)
    mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
    (features,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
    return np.asarray(features, np.float32)


def _cached(cache: Path, inputs: Sequence[str], compute: Callable[[], dict[str, Floats]]) -> dict[str, Floats]:
    """The stored result for exactly these inputs; `cache` itself must be named after what computes it."""
    key = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]
    path = cache / f"{key}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.npz")
        np.savez(partial, allow_pickle=False, **compute())
        partial.rename(path)  # a cut-off run leaves no half file under the final name
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
