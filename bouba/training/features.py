"""What the frozen part of a tower says, computed once by ONNX Runtime: on a CPU several times as fast as torch."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from bouba.errors import TrainingError
from bouba.training.data.media import Cell, Media, Member

if TYPE_CHECKING:
    from bouba.types import Pixels, Vectors

Features = npt.NDArray[np.float16]  # [n, ...], mapped from a file
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
    pictures: Sequence[Media],
    pixels: Callable[[int], Pixels],
    folder: Path,
    view: str,
    advance: Callable[[int], None],
) -> Features:
    """[n, ...] float16 of pictures, mapped from a file: nothing of it has to fit in memory.

    `view` names what was done to the pictures; `pixels` reads one of them by its row. What was computed before counts
    while no picture is younger. A run that is cut off leaves no half file under the final name.
    Raises TrainingError where the disk has no room or the numbers do not fit, MediaError for a broken picture.
    """
    keys = [picture.key for picture in pictures]
    path = folder / f"{_digest(frozen.key, view, *keys)}.npy"
    if is_current(path, pictures):
        advance(len(keys))
        return _mapped(path)
    with new_file(path) as file:
        for rows in _batches(range(len(keys))):
            block = _halved(frozen(np.stack([pixels(row) for row in rows])), keys[rows.start])
            if rows.start == 0:
                _begin(file, folder, (len(keys), *block.shape[1:]))
            file.write(block.tobytes())  # not a mapped file: a full disk would end the process without a word
            advance(len(rows))
    return _mapped(path)


def text_features(
    frozen: FrozenTexts, texts: Sequence[str], folder: Path, advance: Callable[[int], None]
) -> npt.NDArray[np.float32]:
    """[n, width] of distinct texts. Raises TrainingError where the disk has no room."""
    path = folder / f"{_digest(frozen.key, *texts)}.npy"
    if path.exists():
        advance(len(texts))
        return np.array(_mapped(path))
    out = by_length(texts, frozen, advance)
    with new_file(path) as file:
        np.save(file, out)
    return out


def by_length(
    texts: Sequence[str],
    encode: Callable[[Sequence[str]], npt.NDArray[np.float32]],
    advance: Callable[[int], None] = lambda count: None,
) -> npt.NDArray[np.float32]:
    """[n, width] in the order of the texts, encoded in batches of like length, which need little padding."""
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    blocks = []
    for rows in _batches(range(len(order))):
        blocks.append(encode([texts[order[row]] for row in rows]))
        advance(len(rows))
    return np.asarray(np.concatenate(blocks)[np.argsort(order)])


def is_current(path: Path, pictures: Sequence[Media]) -> bool:
    """Whether `path` is there, and not older than any file that the pictures are in."""
    if not path.exists():
        return False
    files = {p.shard if isinstance(p, Member) else p.file if isinstance(p, Cell) else p.key for p in pictures}
    return max((os.stat(file).st_mtime for file in files if os.path.exists(file)), default=0.0) <= path.stat().st_mtime


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open under another name; it gets its own when the block ends without an error."""
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"{path} cannot be written: {error.strerror or error}. Free some space and give the same command again."
        ) from error


def _begin(file: BinaryIO, folder: Path, shape: tuple[int, ...]) -> None:
    """The head of a .npy file, if what follows it fits on the disk."""
    needed, free = math.prod(shape) * np.dtype(np.float16).itemsize, shutil.disk_usage(folder).free
    if needed > free:
        raise TrainingError(
            f"{folder} takes {needed / 1e9:.1f} GB for the features of {shape[0]:,} pictures, and {free / 1e9:.1f} GB "
            "are free. Fewer `views` take less, and so does image_frozen = -1 or 0."
        )
    np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})


def _halved(block: npt.NDArray[np.float32], key: str) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = block.astype("<f2")
    if not np.isfinite(half).all():
        raise TrainingError(
            f"the features of {key}, or of a picture soon after it, are beyond what float16 holds. Set image_frozen "
            "to another stage, or to 0."
        )
    return half


def _mapped(path: Path) -> npt.NDArray[Any]:
    try:
        mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {error}. Remove it; it will be computed again.") from error
    return mapped


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _batches(rows: range) -> Iterator[range]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
