from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bouba.errors import ModelBroken, ModelMissing, TrainingError
from bouba.training.towers import tflite
from bouba.training.towers.tflite import read_operators


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """One convolution: int8 weights with a scale for each of two outputs, int32 bias, and an input without data."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="not installed: the rebuild extra")
    import flatbuffers

    def tensor(name, kind, shape, buffer, scale=(), axis=0):
        made = schema.TensorT()
        made.name, made.type, made.shape, made.buffer = name, kind, shape, buffer
        if scale:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = np.array(scale, np.float32)
            made.quantization.zeroPoint = np.array([3] * len(scale), np.int64)
            made.quantization.quantizedDimension = axis
        return made

    def buffer(values=None):
        made = schema.BufferT()
        if values is not None:
            made.data = np.frombuffer(values.tobytes(), np.uint8)
        return made

    model, graph, operator, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    weights = np.arange(-4, 4, dtype=np.int8).reshape(2, 1, 1, 4)
    model.buffers = [buffer(), buffer(weights), buffer(np.array([10, 20], np.int32))]
    graph.tensors = [
        tensor("x", 9, [1, 1, 1, 4], 0, [0.1]),
        tensor("w", 9, [2, 1, 1, 4], 1, [0.5, 0.25]),
        tensor("b", 2, [2], 2, [0.05]),
        tensor("y", 9, [1, 1, 1, 2], 0, [0.2]),
    ]
    operator.inputs, operator.outputs, operator.opcodeIndex = [0, 1, 2, -1], [3], 0
    code.builtinCode = schema.BuiltinOperator.CONV_2D
    graph.operators, model.operatorCodes, model.subgraphs, model.version = [operator], [code], [graph], 3
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "one.tflite"
    path.write_bytes(bytes(builder.Output()))
    return path


def test_integers_become_the_numbers_they_stand_for(model_file):
    [operator] = read_operators(model_file)
    assert operator.kind == "CONV_2D"
    weight, bias = operator.constants
    assert weight.dtype == bias.dtype == np.float32
    np.testing.assert_allclose(weight[:, 0, 0], [[-3.5, -3, -2.5, -2], [-0.75, -0.5, -0.25, 0]])
    np.testing.assert_allclose(bias, [0.35, 0.85], rtol=1e-6)


def test_no_such_file(model_file):
    with pytest.raises(ModelMissing, match=r"none\.tflite is not a file: name a TensorFlow Lite model"):
        read_operators(model_file.with_name("none.tflite"))


def test_another_kind_of_file(model_file):
    model_file.write_text("not a model at all")
    with pytest.raises(ModelBroken, match=r"one\.tflite is not a TensorFlow Lite model: it lacks the letters TFL3"):
        read_operators(model_file)


def test_a_file_cut_off_anywhere_is_named(model_file):
    content = model_file.read_bytes()
    refused = 0
    for size in range(8, len(content), 16):
        model_file.write_bytes(content[:size])
        try:
            read_operators(model_file)
        except ModelBroken as error:
            refused += "one.tflite is cut off or damaged" in str(error)
    assert refused > len(content) / 16 * 0.5


def test_the_extra_is_named(model_file, monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(TrainingError, match=r"ai_edge_litert\S* is not installed: pip install 'bouba\[rebuild\]'"):
        tflite.read_operators(model_file)
