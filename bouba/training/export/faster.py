"""A picture graph as exported -> one that gives the same vectors sooner, whatever runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime

from bouba.training.export.patches import multiply_patches
from bouba.training.export.pooled import pick_early
from bouba.training.export.precision import LARGEST_FILE

if TYPE_CHECKING:
    from bouba.types import Pixels

CLOSE = 1e-4  # to the largest number: products of another shape are rounded in another way


def make_faster(path: Path, size: int) -> None:
    """Rewrite a file's graph, `pixels` uint8 [n, size, size, 3] -> `embedding`, step by step.

    A step that finds nothing to do, or after which the graph gives other numbers, leaves the file as it was; so does a
    graph that is too large for one file."""
    for change in (multiply_patches, pick_early):
        model = onnx.load(path)
        if model.ByteSize() > LARGEST_FILE or not change(model.graph, size):
            continue
        changed = path.with_name(f"{change.__name__}.onnx")
        onnx.save(model, changed)
        if _agree(path, changed, size):
            changed.replace(path)


def _agree(one: Path, other: Path, size: int) -> bool:
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    wanted = _embeddings(one, pixels)
    try:
        found = _embeddings(other, pixels)
    except Exception:  # ONNX Runtime's errors share no public base class
        return False
    return bool(found.shape == wanted.shape and np.abs(found - wanted).max() <= CLOSE * np.abs(wanted).max())


def _embeddings(path: Path, pixels: Pixels) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a graph that fails here is not used
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(["embedding"], {"pixels": pixels})[0]
