"""Weights of convolutions rounded to a few bits without shifting what they give on average."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from bouba.types import Pixels

Floats = npt.NDArray[np.float32]
LEVELS = 64  # steps from 0 to a channel's largest weight: what ONNX Runtime's quantiser takes for 7 bits


def round_weights(model: onnx.ModelProto, pictures: Sequence[Pixels], kept: Sequence[str], scratch: Path) -> None:
    """Every convolution's weights (but those of the nodes `kept`) in 7 bits, still stored as float32; in place.

    Rounding moves the mean of an output channel by (sum of rounding errors times the mean of each input channel), which
    the bias takes back: bias correction, Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and
    Bias Correction", with means from pictures. Most of the loss goes with it: a depthwise filter has nine weights.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = [
        node
        for node in model.graph.node
        if node.op_type == "Conv" and node.name not in kept and all(name in tensors for name in node.input[1:])
    ]
    means = _input_means(model, sorted({node.input[0] for node in nodes}), pictures, scratch)
    trained = {node.input[1]: numpy_helper.to_array(tensors[node.input[1]]) for node in nodes}  # two may share theirs
    for node in nodes:
        rounded = to_levels(trained[node.input[1]])
        shift = _shift(trained[node.input[1]] - rounded, means[node.input[0]])
        _set(model.graph, tensors, node.input[1], rounded)
        if len(node.input) > 2:
            shift += numpy_helper.to_array(tensors[node.input[2]])
        node.input[2:] = [f"{node.output[0]}/bias"]
        _set(model.graph, tensors, node.input[2], shift)
    used = {name for node in model.graph.node for name in node.input}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)


def _set(graph: onnx.GraphProto, tensors: dict[str, onnx.TensorProto], name: str, values: Floats) -> None:
    if name not in tensors:
        tensors[name] = graph.initializer.add()
    tensors[name].CopyFrom(numpy_helper.from_array(values, name))


def to_levels(weights: Floats) -> Floats:
    """The nearest of 2 x 64 + 1 values between minus and plus the largest weight of each output channel."""
    axes = tuple(range(1, weights.ndim))
    scale = np.maximum(np.abs(weights).max(axis=axes, keepdims=True) / LEVELS, 1e-12)
    return np.asarray(np.round(weights / scale) * scale, np.float32)


def _shift(errors: Floats, means: Floats) -> Floats:
    """What the errors [out, in / groups, ...] take from each output's mean, for inputs of the means [in]."""
    outputs, inputs = errors.shape[:2]
    groups = len(means) // inputs
    by_output = means.reshape(groups, inputs).repeat(outputs // groups, axis=0)
    return np.asarray((errors.reshape(outputs, inputs, -1).sum(axis=2) * by_output).sum(axis=1), np.float32)


def _input_means(
    model: onnx.ModelProto, names: Sequence[str], pictures: Sequence[Pixels], scratch: Path
) -> dict[str, Floats]:
    """The mean of each channel [in] over pictures and places, for every tensor named."""
    open_graph = onnx.ModelProto()
    open_graph.CopyFrom(model)
    averages = [f"{name}/mean" for name in names]
    for name, average in zip(names, averages, strict=True):
        open_graph.graph.node.append(helper.make_node("GlobalAveragePool", [name], [average], average))
        open_graph.graph.output.append(helper.make_tensor_value_info(average, TensorProto.FLOAT, None))
    onnx.save(open_graph, scratch / "means.onnx")
    session = onnxruntime.InferenceSession(str(scratch / "means.onnx"), providers=["CPUExecutionProvider"])
    sums = [np.zeros(0, np.float64)] * len(names)
    for picture in pictures:
        found = session.run(averages, {"pixels": picture[None]})
        sums = [
            total + one.reshape(-1) if total.size else one.reshape(-1) for total, one in zip(sums, found, strict=True)
        ]
    return {name: np.asarray(total / len(pictures), np.float32) for name, total in zip(names, sums, strict=True)}
