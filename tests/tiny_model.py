"""A real model folder, made in milliseconds: it knows colours, and where in the picture they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

SIZE = 32  # pixels
GRID = 4  # cells a side
DIM = GRID * GRID * 3
COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
MAX_TOKENS = 8


def write_tiny_model(folder: Path, name: str = "tiny", bias: float = 127.5, broken: bool = False) -> Path:
    """A model folder; another `bias` gives another fingerprint and other vectors. A `broken` one takes each colour for
    its opposite."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_image_graph(bias), folder / "image.onnx")
    onnx.save(_text_graph(bias, -1 if broken else 1), folder / "text.onnx")
    vocabulary = {"[UNK]": 0, **{word: n for n, word in enumerate(COLOURS, 1)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    files = ("image.onnx", "text.onnx", "tokenizer.json")
    manifest = {
        "format": 1,
        "name": name,
        "version": "0.1",
        "dim": DIM,
        "licence": "CC0-1.0",
        "image": {"file": "image.onnx", "size": SIZE, "mean": [bias] * 3, "std": [1.0] * 3},
        "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", "max_tokens": MAX_TOKENS},
        "sha256": {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in files},
    }
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder


def _image_graph(bias: float) -> onnx.ModelProto:
    """Mean colour of each cell of a 4 x 4 grid, less the bias."""
    cell = SIZE // GRID
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["nchw"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Sub", ["cells", "bias"], ["centred"]),
        helper.make_node("Flatten", ["centred"], ["embedding"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIZE, SIZE, 3])
    return _model(nodes, [pixels], {"bias": np.float32(bias)})


def _text_graph(bias: float, sign: int) -> onnx.ModelProto:
    """The sum of the words' colours, each over the whole grid, less the bias."""
    table = np.zeros((len(COLOURS) + 1, DIM), np.float32)
    table[0] = np.random.default_rng(0).normal(0, 1, DIM)
    for row, colour in enumerate(COLOURS.values(), 1):
        table[row] = sign * np.repeat(np.float32(colour) - np.float32(bias), GRID * GRID)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "axis"], ["mask3"]),
        helper.make_node("Mul", ["words", "mask3"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "one"], ["embedding"], keepdims=0),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "t"])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", "t"])
    return _model(nodes, [ids, mask], {"table": table, "axis": np.int64([2]), "one": np.int64([1])})


def _model(nodes: list, inputs: list, constants: dict) -> onnx.ModelProto:
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIM])
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
