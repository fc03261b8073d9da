"""A ViT's patches are embedded by a convolution whose windows do not overlap, which is a product of matrices. As one it
is stored and computed like the network's other products, in integers where those are."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

SMALLEST = 8  # pixels a side: finer stems belong to convolutional networks


def multiply_patches(graph: onnx.GraphProto, size: int) -> bool:
    """Whether there was such a convolution of pictures [n, channels, size, size]; in place."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in weights and _tiles(node, weights[node.input[1]], size):
            _replace(graph, node, weights[node.input[1]], size)
            return True
    return False


def _tiles(node: onnx.NodeProto, weight: onnx.TensorProto, size: int) -> bool:
    """Whether its windows cover the picture once. Channels: only a network's first convolution has three."""
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if len(weight.dims) != 4 or weight.dims[1] != 3 or given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        return False
    side = list(weight.dims[2:])
    return bool(
        side[0] == side[1] >= SMALLEST
        and size % side[0] == 0
        and list(given.get("strides", [])) == side
        and not any(given.get("pads", []))
        and set(given.get("dilations", [1])) == {1}
        and given.get("group", 1) == 1
    )


def _replace(graph: onnx.GraphProto, node: onnx.NodeProto, weight: onnx.TensorProto, size: int) -> None:
    outputs, channels, side, _ = weight.dims
    out, grid, new = node.output[0], size // side, f"{node.output[0]}/patches"
    matrix = np.ascontiguousarray(numpy_helper.to_array(weight).reshape(outputs, -1).T)
    shapes = {
        "split": [-1, channels, grid, side, grid, side],
        "rows": [-1, grid * grid, channels * side * side],
        "map": [-1, outputs, grid, grid],
    }
    made = [numpy_helper.from_array(np.array(shape, np.int64), f"{new}/{name}") for name, shape in shapes.items()]
    graph.initializer.extend([*made, numpy_helper.from_array(matrix, f"{new}/weight")])
    product, bias = f"{new}/product", node.input[2:3]
    steps = [
        ("Reshape", [node.input[0], f"{new}/split"], f"{new}/windows", {}),
        ("Transpose", [f"{new}/windows"], f"{new}/ordered", {"perm": [0, 2, 4, 1, 3, 5]}),
        ("Reshape", [f"{new}/ordered", f"{new}/rows"], f"{new}/flat", {}),
        ("MatMul", [f"{new}/flat", f"{new}/weight"], product, {}),
        *([("Add", [product, bias[0]], f"{new}/biased", {})] if bias else []),
        ("Transpose", [f"{new}/biased" if bias else product], f"{new}/turned", {"perm": [0, 2, 1]}),
        ("Reshape", [f"{new}/turned", f"{new}/map"], out, {}),
    ]
    place = list(graph.node).index(node)
    graph.node.remove(node)
    for operator, inputs, output, more in reversed(steps):
        graph.node.insert(place, helper.make_node(operator, inputs, [output], output, **more))
    if not any(weight.name in other.input for other in graph.node):
        graph.initializer.remove(weight)
