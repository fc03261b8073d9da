"""Weights stored small: which, how, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from bouba.errors import TrainingError  # noqa: E402
from bouba.training.export import precision  # noqa: E402
from bouba.training.export.precision import store_as, to_int8  # noqa: E402

ROWS, WIDTH = 300, 64
SIZES = np.logspace(-2, 2, ROWS)[:, None]  # rows of very unlike size
TABLE = (np.random.default_rng(0).normal(size=(ROWS, WIDTH)) * SIZES).astype(np.float32)
IDS = np.array([[1, 2, 299], [5, 5, 7]])


def graph(nodes: list[onnx.NodeProto], axes: int = 3, **weights: np.ndarray) -> onnx.ModelProto:
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", "t"])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, list("abc")[:axes])
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    made = helper.make_graph(nodes, "g", [ids], [out], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def tied() -> onnx.ModelProto:
    """A table that is read by rows and multiplied by, as tied embeddings are."""
    return graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"]),
            helper.make_node("Transpose", ["rows"], ["columns"], perm=[0, 2, 1]),
            helper.make_node("MatMul", ["columns", "rows"], ["square"]),
            helper.make_node("MatMul", ["square", "mix"], ["out"]),
        ],
        table=TABLE,
        mix=np.random.default_rng(1).normal(size=(WIDTH, 300)).astype(np.float32),
    )


def run(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"ids": IDS})[0]


@pytest.mark.parametrize(("kind", "share", "error"), [("fp16", 0.55, 1e-2), ("int8-weights", 0.3, 3e-2)])
def test_large_weights_shrink_and_answers_stay(kind: str, share: float, error: float) -> None:
    exact, small = tied(), store_as(tied(), kind)  # type: ignore[arg-type]
    assert small.ByteSize() < share * exact.ByteSize()
    difference = np.abs(run(exact) - run(small)).max() / np.abs(run(exact)).max()
    assert 0 < difference < error


def test_a_table_read_by_rows_is_turned_back_by_rows() -> None:
    small = store_as(graph([helper.make_node("Gather", ["table", "ids"], ["out"])], table=TABLE), "int8-weights")
    assert [node.op_type for node in small.graph.node] == ["Gather", "Gather", "Cast", "Mul"]
    assert np.abs(run(small) / TABLE[IDS] - 1).mean() < 0.1


def test_a_weight_with_two_uses_is_stored_once() -> None:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Gemm", ["flat", "table"], ["scores"], transB=1),
        helper.make_node("ReduceSum", ["rows", "one"], ["flat"], keepdims=0),
        helper.make_node("Identity", ["scores"], ["out"]),
    ]
    nodes = [nodes[0], nodes[2], nodes[1], nodes[3]]
    model = graph(nodes, axes=2, table=TABLE, one=np.int64([1]))
    exact = run(model)
    small = store_as(model, "int8-weights")
    assert sorted(w.name for w in small.graph.initializer) == ["one", "table/int8", "table/scale"]
    assert np.abs(run(small) - exact).max() < 0.02 * np.abs(exact).max()


def test_what_is_small_or_not_a_weight_stays() -> None:
    added = graph(
        [
            helper.make_node("Gather", ["small", "ids"], ["rows"]),
            helper.make_node("MatMul", ["rows", "wide"], ["product"]),
            helper.make_node("Add", ["product", "added"], ["out"]),
        ],
        small=TABLE[:, :4].copy(),
        wide=np.ones((4, 20_000), np.float32),
        added=np.ones((1, 20_000), np.float32),
    )
    small = store_as(added, "int8-weights")
    kinds = {w.name: w.data_type for w in small.graph.initializer}
    assert kinds["small"] == kinds["added"] == TensorProto.FLOAT
    assert kinds["wide/int8"] == TensorProto.INT8


def test_numbers_beyond_float16_stay_float32() -> None:
    model = graph([helper.make_node("Gather", ["table", "ids"], ["out"])], table=TABLE * 1e6)
    assert np.array_equal(run(store_as(model, "fp16")), (TABLE * np.float32(1e6))[IDS])


@pytest.mark.parametrize("axis", [0, 1])
def test_int8_is_off_by_at_most_half_a_step(axis: int) -> None:
    numbers, scale = to_int8(TABLE, axis)
    assert (np.abs(numbers * scale - TABLE) <= scale * 0.501).all()
    assert scale.shape == ((ROWS, 1) if axis == 0 else (1, WIDTH))


def test_a_graph_beyond_one_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "LARGEST_FILE", 100_000)
    with pytest.raises(TrainingError, match=r"0\.0 GB in fp32.*fp16"):
        store_as(tied(), "fp32")
    assert store_as(tied(), "int8-weights").ByteSize() < 100_000
