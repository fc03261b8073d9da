"""How the weights of a graph are stored, and which part of it computes in integers.

- `fp32`: as trained.
- `fp16`: stored as float16, computed in float32.
- `int8-weights`: large weights stored as int8 with one scale per output, computed in float32.
- `int8`: pictures' convolutions run in int8 with static scales; all else is as in `int8-weights`.

No scale is chosen at run time: it would come from the whole batch, and a vector would depend on its neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from bouba.errors import TrainingError

Precision = Literal["fp32", "fp16", "int8-weights", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
SMALL = 16_384  # weights of fewer numbers stay float32: they cost nothing and may be sensitive
LARGEST_FILE = 2**31 - 1  # bytes: protobuf's limit, and so that of one ONNX file
# Operator -> which input is its weight. Anything else that reads a large constant keeps it in float32.
WEIGHT_INPUT = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "Gather": 0}


def store_as(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """The graph with its large weights stored as named (`int8` here means `int8-weights`), and turned back as it runs.

    ONNX Runtime folds the Cast and Mul that turn weights back when it loads the graph (it would keep
    DequantizeLinear and run it at every call), so the arithmetic is plain float32. Only rows of embedding
    tables are turned back as they are read. Changes `model` in place.
    """
    if precision != "fp32":
        users = _users(model.graph)
        for weight in [w for w in model.graph.initializer if _is_large(w)]:
            if precision == "fp16":
                _store_fp16(model.graph, weight)
            else:
                _store_int8(model.graph, weight, users[weight.name])
    size = model.ByteSize()
    if size > LARGEST_FILE:
        raise TrainingError(
            f"The graph has {size / 1e9:.1f} GB in {precision}, and one ONNX file holds at most 2 GB. "
            "A precision with smaller weights may fit: fp16, int8-weights."
        )
    return model


def _is_large(weight: onnx.TensorProto) -> bool:
    return bool(weight.data_type == TensorProto.FLOAT and len(weight.dims) > 1 and np.prod(weight.dims) >= SMALL)


@dataclass(frozen=True, slots=True)
class _User:
    """A node that reads a weight, as its input number `place`."""

    node: onnx.NodeProto
    place: int


def _users(graph: onnx.GraphProto) -> dict[str, list[_User]]:
    users: dict[str, list[_User]] = defaultdict(list)
    for node in graph.node:
        for place, name in enumerate(node.input):
            users[name].append(_User(node, place))
        for attribute in node.attribute:  # the branches of an If read the outer graph's names
            for inner in [attribute.g] if attribute.HasField("g") else []:
                for name, found in _users(inner).items():
                    users[name] += [_User(user.node, -1) for user in found]
    return users


def _store_fp16(graph: onnx.GraphProto, weight: onnx.TensorProto) -> None:
    name, numbers = weight.name, numpy_helper.to_array(weight)
    if np.abs(numbers).max() > np.finfo(np.float16).max:
        return
    graph.initializer.remove(weight)
    graph.initializer.append(numpy_helper.from_array(numbers.astype(np.float16), f"{name}/fp16"))
    graph.node.insert(0, _cast(f"{name}/fp16", name))


def _store_int8(graph: onnx.GraphProto, weight: onnx.TensorProto, users: Sequence[_User]) -> None:
    if not users or any(WEIGHT_INPUT.get(user.node.op_type) != user.place for user in users):
        return
    name, axis = weight.name, _outputs_axis(users[0].node, len(weight.dims))
    numbers, scale = to_int8(numpy_helper.to_array(weight), axis)
    graph.initializer.remove(weight)
    graph.initializer.append(numpy_helper.from_array(numbers, f"{name}/int8"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
    if all(user.node.op_type == "Gather" and axis == 0 and _gathers_rows(user.node) for user in users):
        for user in users:
            _gather_int8(graph, user.node, name)
    else:
        cast, mul = _cast(f"{name}/int8", f"{name}/cast"), _mul(f"{name}/cast", f"{name}/scale", name)
        graph.node.insert(0, mul)
        graph.node.insert(0, cast)


def _cast(source: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], f"{target}/Cast", to=TensorProto.FLOAT)


def _mul(left: str, right: str, target: str) -> onnx.NodeProto:
    return helper.make_node("Mul", [left, right], [target], f"{target}/Mul")


def _outputs_axis(node: onnx.NodeProto, axes: int) -> int:
    """The weight's axis that has one entry for each output (for each row of an embedding table)."""
    if node.op_type == "MatMul":
        return axes - 1
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return 1 if node.op_type == "ConvTranspose" else 0


def _gathers_rows(node: onnx.NodeProto) -> bool:
    return not any(attribute.name == "axis" and attribute.i for attribute in node.attribute)


def _gather_int8(graph: onnx.GraphProto, node: onnx.NodeProto, name: str) -> None:
    """The rows and their scales are read, then turned back."""
    place, rows, out = list(graph.node).index(node), node.input[1], node.output[0]
    graph.node.remove(node)
    for made in (
        _mul(f"{out}/cast", f"{out}/scale", out),
        _cast(f"{out}/int8", f"{out}/cast"),
        helper.make_node("Gather", [f"{name}/scale", rows], [f"{out}/scale"], f"{out}/GatherScale"),
        helper.make_node("Gather", [f"{name}/int8", rows], [f"{out}/int8"], f"{out}/GatherRows"),
    ):
        graph.node.insert(place, made)


def to_int8(weights: npt.NDArray[np.float32], axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Nearest int8, and the scale of each entry along `axis`, shaped to multiply back."""
    others = tuple(i for i in range(weights.ndim) if i != axis)
    scale = np.maximum(np.abs(weights).max(axis=others, keepdims=True) / 127, 1e-12).astype(np.float32)
    return np.round(weights / scale).astype(np.int8), scale
