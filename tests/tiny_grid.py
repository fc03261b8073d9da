"""The tiny model as a tower that embeds the mean over a 4 x 4 map, with that map's grid as its second output."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_model import DIM, GRID, SIZE, write_tiny_model

from bouba.training.export.grid import with_grid

CELL = SIZE // GRID


def write_tiny_grid(folder: Path, bias: float = 127.5) -> Path:
    """Texts are as in the tiny model; a picture's vector is its mean colour, and that of a cell the cell's."""
    write_tiny_model(folder, "tiny-grid", bias)
    graph, grid = with_grid(_image_graph(bias), SIZE)
    onnx.save(graph, folder / "image.onnx")
    manifest = json.loads((folder / "model.json").read_text())
    manifest["image"]["grid"] = grid
    manifest["sha256"]["image.onnx"] = hashlib.sha256((folder / "image.onnx").read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder


def _image_graph(bias: float) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["map"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("ReduceMean", ["map", "places"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "bias"], ["centred"]),
        helper.make_node("MatMul", ["centred", "head"], ["embedding"]),
    ]
    constants = {
        "places": np.int64([2, 3]),
        "bias": np.float32(bias),
        "head": np.eye(3, dtype=np.float32).repeat(GRID * GRID, axis=1),
    }
    graph = helper.make_graph(
        nodes,
        "tiny grid",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIM])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
