"""What the frozen part of a tower says, computed once by ONNX Runtime: on a CPU several times as fast as torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bouba.types import Pixels, Vectors


Features = np.memmap[Any, np.dtype[np.float16]]  # [n, ...]
BATCH = 32


class FrozenImages(Protocol):
    """Pictures uint8 [n, size, size, 3] -> numbers [n, ...]; `key` changes with anything that changes them."""

    key: str

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]: ...


class FrozenTexts(Protocol):
    key: str

    def __call__(self, texts: Sequence[str]) -> Vectors: ...


class OnnxGraph:
    """An exported graph with one output, run with a fixed number of threads."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        data = path.read_bytes()
        self.key = hashlib.sha256(data).hexdigest()[:16]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def __call__(self, **inputs: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        return np.asarray(self._session.run(None, inputs)[0], np.float32)


def image_features(
    frozen: FrozenImages,
    keys: Sequence[str],
    pixels: Callable[[int], Pixels],
    folder: Path,
    view: str,
    advance: Callable[[int], None],
) -> Features:
    """[n, ...] float16 of pictures named by `keys`, mapped from a file: nothing of it has to fit in memory.

    `view` names what was done to the pictures. A run that is cut off leaves no half file under the final name.
    """
    path = folder / f"{_digest(frozen.key, view, *keys)}.npy"
    if path.exists():
        advance(len(keys))
        return _mapped(path)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    out: Features | None = None
    for rows in _batches(range(len(keys))):
        block = frozen(np.stack([pixels(row) for row in rows]))
        if out is None:
            out = np.lib.format.open_memmap(partial, "w+", np.float16, (len(keys), *block.shape[1:]))
        out[rows.start : rows.stop] = block
        advance(len(rows))
    assert out is not None, "the caller has at least one picture"
    out.flush()
    partial.rename(path)
    return _mapped(path)


def _mapped(path: Path) -> Features:
    features: Features = np.load(path, mmap_mode="r")
    return features


def text_features(
    frozen: FrozenTexts, texts: Sequence[str], folder: Path, advance: Callable[[int], None]
) -> npt.NDArray[np.float32]:
    """[n, width] of distinct texts."""
    path = folder / f"{_digest(frozen.key, *texts)}.npy"
    if path.exists():
        return np.asarray(np.load(path))
    folder.mkdir(parents=True, exist_ok=True)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # texts of like length: little padding
    blocks = []
    for rows in _batches(range(len(order))):
        blocks.append(frozen([texts[order[row]] for row in rows]))
        advance(len(rows))
    out = np.concatenate(blocks)[np.argsort(order)]
    partial = path.with_suffix(".part.npy")
    np.save(partial, out)
    partial.rename(path)
    return out


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _batches(rows: range) -> Iterator[range]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
