"""torch modules -> ONNX graphs, and how their weights are made small.

The picture trunk runs in int8 (static scales found on training photos). Everything else is stored in int8 and
computed in float32: scales that depend on the batch would make a query's vector depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

OPSET = 17
SMALL = 16_384  # weights below this many numbers stay float32


def export(module: nn.Module, examples: dict[str, Tensor], outputs: list[str], path: Path) -> None:
    """One ONNX file in which the first axis (and for texts the second) of every input is free."""
    free = {name: {0: "n"} if tensor.ndim != 2 else {0: "n", 1: "t"} for name, tensor in examples.items()}
    if "features" in examples:  # a head: its inputs' widths are fixed
        free = {name: {0: "n"} for name in examples}
    torch.onnx.export(
        module.eval(),
        tuple(examples.values()),
        str(path),
        input_names=list(examples),
        output_names=outputs,
        dynamic_axes=free | {name: {0: "n"} for name in outputs},
        opset_version=OPSET,
        dynamo=False,
    )


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Iterable[npt.NDArray[np.uint8]]) -> None:
        self._feeds: Iterator[dict[str, Any]] = ({"pixels": batch} for batch in batches)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def quantise_image_trunk(source: Path, target: Path, batches: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Convolutions in int8, scales per channel from the batches' minima and maxima.

    Weights keep 7 bits: with 8, processors without VNNI saturate inside their u8 x s8 products, and the same picture
    would get another vector there.
    """
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        quant_pre_process(str(source), str(plain), skip_symbolic_shape=True)
        kept = {"Cast", "Sub", "Div", "ReduceMean", "Gemm"}
        quantize_static(
            str(plain),
            str(target),
            _Calibration(batches),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in onnx.load(plain).graph.node if node.op_type in kept],
        )


def join(trunk: Path, head: Path, shared: list[str]) -> onnx.ModelProto:
    """One graph in which the head reads the trunk's outputs of the same names."""
    first, second = onnx.load(trunk), onnx.load(head)
    second = onnx.compose.add_prefix(second, "head/", rename_inputs=False, rename_outputs=False)
    first.ir_version = second.ir_version = min(first.ir_version, second.ir_version)
    return onnx.compose.merge_models(first, second, io_map=[(name, name) for name in shared])


def shrink_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Large float matrices stored as int8 with one scale per output, and turned back with Cast and Mul.

    ONNX Runtime folds Cast and Mul when it loads the graph (it would keep DequantizeLinear and run it at every
    call), so the arithmetic is plain float32. Rows of an embedding table are turned back as they are read.
    """
    graph = model.graph
    weights = {w.name: w for w in graph.initializer if len(w.dims) == 2 and np.prod(w.dims) >= SMALL}
    nodes = []
    for node in graph.node:
        name = next((name for name in node.input if name in weights), None)
        if name is None or weights[name].data_type != TensorProto.FLOAT:
            nodes.append(node)
        elif node.op_type == "Gather":
            nodes += _gather_int8(graph, node, weights[name])
        else:
            nodes += [*_restored(graph, weights[name], outputs_axis=_outputs_axis(node)), _renamed(node, name)]
    del graph.node[:]
    graph.node.extend(nodes)
    for name in {w.name for w in graph.initializer if f"{w.name}/int8" in {v.name for v in graph.initializer}}:
        graph.initializer.remove(weights[name])
    onnx.checker.check_model(model)
    return model


def _outputs_axis(node: onnx.NodeProto) -> int:
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if transposed else 1


def to_int8(weights: npt.NDArray[np.float32], axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Nearest int8 and the scale of each row (axis 0) or column (axis 1), shaped to multiply back."""
    largest = np.abs(weights).max(axis=1 - axis, keepdims=True)
    scale = np.maximum(largest / 127, 1e-12).astype(np.float32)
    return np.round(weights / scale).astype(np.int8), scale


def _store(graph: onnx.GraphProto, weight: onnx.TensorProto, axis: int) -> None:
    numbers, scale = to_int8(numpy_helper.to_array(weight), axis)
    graph.initializer.append(numpy_helper.from_array(numbers, f"{weight.name}/int8"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{weight.name}/scale"))


def _restored(graph: onnx.GraphProto, weight: onnx.TensorProto, outputs_axis: int) -> list[onnx.NodeProto]:
    _store(graph, weight, outputs_axis)
    name = weight.name
    return [
        helper.make_node("Cast", [f"{name}/int8"], [f"{name}/cast"], f"{name}/Cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}/cast", f"{name}/scale"], [f"{name}/float"], f"{name}/Mul"),
    ]


def _renamed(node: onnx.NodeProto, weight: str) -> onnx.NodeProto:
    node.input[:] = [f"{weight}/float" if name == weight else name for name in node.input]
    return node


def _gather_int8(graph: onnx.GraphProto, node: onnx.NodeProto, weight: onnx.TensorProto) -> list[onnx.NodeProto]:
    _store(graph, weight, axis=0)
    name, rows, out = weight.name, node.input[1], node.output[0]
    return [
        helper.make_node("Gather", [f"{name}/int8", rows], [f"{out}/int8"], f"{name}/Gather"),
        helper.make_node("Gather", [f"{name}/scale", rows], [f"{out}/scale"], f"{name}/GatherScale"),
        helper.make_node("Cast", [f"{out}/int8"], [f"{out}/cast"], f"{name}/Cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{out}/cast", f"{out}/scale"], [out], f"{name}/Mul"),
    ]
