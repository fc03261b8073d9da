from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from bouba.training.v1.export import SMALL, export, join, shrink_weights, to_int8  # noqa: E402  torch is not everywhere


class Bag(torch.nn.Module):
    """Word ids [n, t] -> the mean of their rows, through a wide and a narrow layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(300, 64)
        self.wide, self.narrow = torch.nn.Linear(64, 300), torch.nn.Linear(300, 4)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.narrow(self.wide(self.words(input_ids)).mean(1))


class Doubled(torch.nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features * 2


IDS = np.array([[1, 2, 299], [5, 5, 7]])


def run(graph: onnx.ModelProto, ids: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(graph.SerializeToString()).run(None, {"input_ids": ids})[0]


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    path = tmp_path / "bag.onnx"
    export(Bag(), {"input_ids": torch.tensor(IDS)}, ["features"], path)
    return path


def test_int8_is_off_by_at_most_half_a_step_of_its_row() -> None:
    weights = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32) * np.logspace(-3, 3, 5)[:, None]
    numbers, scale = to_int8(weights.astype(np.float32), axis=0)
    assert numbers.dtype == np.int8
    assert scale.shape == (5, 1)
    assert (np.abs(numbers * scale - weights) <= scale * 0.501).all()


def test_a_row_of_noughts_stays_noughts() -> None:
    numbers, scale = to_int8(np.zeros((2, 3), np.float32), axis=1)
    assert not (numbers * scale).any()
    assert np.isfinite(scale).all()


def test_the_exported_graph_takes_any_number_and_length(bag: Path) -> None:
    exported = onnx.load(bag)
    with torch.no_grad():
        for ids in (IDS, IDS[:1], np.tile(IDS, (4, 6))):
            assert np.allclose(run(exported, ids), Bag()(torch.tensor(ids)).numpy(), atol=1e-5)


def test_large_weights_shrink_to_int8_and_answers_stay(bag: Path) -> None:
    exact, shrunk = onnx.load(bag), shrink_weights(onnx.load(bag))
    kinds = {w.name: w.data_type for w in shrunk.graph.initializer if np.prod(w.dims) >= SMALL}
    assert sorted(kinds.values()) == [onnx.TensorProto.INT8] * 2
    assert shrunk.ByteSize() < 0.35 * exact.ByteSize()
    difference = run(exact, IDS) - run(shrunk, IDS)
    assert 0 < np.abs(difference).max() < 0.02 * np.abs(run(exact, IDS)).max()


def test_answers_of_a_shrunk_graph_do_not_depend_on_neighbours(bag: Path) -> None:
    shrunk = shrink_weights(onnx.load(bag))
    assert np.allclose(run(shrunk, IDS)[:1], run(shrunk, IDS[:1]), atol=1e-6)


def test_a_head_reads_the_outputs_of_its_trunk(bag: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.onnx"
    export(Doubled(), {"features": torch.zeros(1, 4)}, ["embedding"], head)
    whole = join(bag, head, ["features"])
    assert [output.name for output in whole.graph.output] == ["embedding"]
    assert np.allclose(run(whole, IDS), 2 * run(onnx.load(bag), IDS), atol=1e-6)
