"""What a TensorFlow Lite file computes, operator by operator, with its constants as plain numbers.

The file is a flatbuffer whose schema the package ai-edge-litert has (the `rebuild` extra); nothing of it is run here.
Integers q stand for the real numbers (q - zero) * scale: Jacob et al. 2018, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bouba.errors import ModelBroken, ModelMissing
from bouba.training.towers.sources import require

Floats = npt.NDArray[np.float32]
IDENTIFIER = b"TFL3"  # bytes 4 to 8 of every such file
TYPES = {0: np.float32, 2: np.int32, 9: np.int8}  # TensorType in the schema: those that bouba reads
# What following wrong offsets ends in.
DAMAGE = (struct.error, ValueError, TypeError, IndexError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Operator:
    """`kind` as the schema has it ("CONV_2D"), and the inputs that are constants, as real numbers."""

    kind: str
    constants: tuple[Floats, ...]


def read_operators(path: Path) -> list[Operator]:
    """In the order they run. Weights keep TensorFlow's order of axes (a convolution's: out, height, width, in).

    Raises ModelMissing where there is no such file, ModelBroken for one that is not TensorFlow Lite's or is cut off,
    TrainingError where ai-edge-litert is not installed."""
    schema = require("ai_edge_litert.schema_py_generated", "rebuild")
    if not path.is_file():
        raise ModelMissing(f"{path} is not a file: name a TensorFlow Lite model.")
    content = path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise ModelBroken(f"{path} is not a TensorFlow Lite model: it lacks the letters {IDENTIFIER.decode()}.")
    kinds = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return [_operator(model, kinds, operator) for operator in model.subgraphs[0].operators]
    except DAMAGE as error:
        raise ModelBroken(f"{path} is cut off or damaged ({error}): fetch it again.") from error


def _operator(model: Any, kinds: dict[int, str], operator: Any) -> Operator:
    tensors = model.subgraphs[0].tensors
    inputs = [tensors[place] for place in operator.inputs if place >= 0]
    constants = tuple(_numbers(model, tensor) for tensor in inputs if _is_constant(model, tensor))
    return Operator(kinds[model.operatorCodes[operator.opcodeIndex].builtinCode], constants)


def _is_constant(model: Any, tensor: Any) -> bool:
    return tensor.type in TYPES and model.buffers[tensor.buffer].data is not None


def _numbers(model: Any, tensor: Any) -> Floats:
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8).tobytes()
    values = np.frombuffer(data, TYPES[tensor.type]).reshape([] if tensor.shape is None else tensor.shape)
    found = tensor.quantization
    if found is None or found.scale is None:
        return values.astype(np.float32)
    axes = [-1 if axis == found.quantizedDimension else 1 for axis in range(values.ndim)]
    scale, zero = (np.reshape(numbers, axes if len(numbers) > 1 else -1) for numbers in (found.scale, found.zeroPoint))
    return np.asarray((values - zero.astype(np.float64)) * scale, np.float32)
