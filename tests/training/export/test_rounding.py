"""7-bit convolutions whose outputs keep their means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from tiny_towers import SIZE, TinyImage  # noqa: E402

from bouba.training.export.convolutions import quantise_convolutions  # noqa: E402
from bouba.training.export.graph import export_graph  # noqa: E402
from bouba.training.export.probes import drawn_pictures  # noqa: E402
from bouba.training.export.rounding import LEVELS, round_weights, to_levels  # noqa: E402

PIXELS = drawn_pictures(32, SIZE)


def tower_graph(module: torch.nn.Module, path: Path) -> Path:
    export_graph(module, {"pixels": torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)}, ["embedding"], path)
    return path


def test_levels_are_nearest_and_stay_when_rounded_again() -> None:
    weights = np.random.default_rng(0).normal(size=(5, 4, 3, 3)).astype(np.float32)
    rounded = to_levels(weights)
    step = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) / LEVELS
    assert (np.abs(rounded - weights) <= step * 0.501).all()
    assert np.allclose(to_levels(rounded), rounded, atol=1e-6)
    assert not to_levels(np.zeros((2, 1, 3, 3), np.float32)).any()


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_the_mean_of_an_output_stays(tmp_path: Path, groups: int, bias: bool) -> None:
    class One(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv = torch.nn.Conv2d(8, 16, 1, groups=groups, bias=bias)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            x = pixels.float().permute(0, 3, 1, 2) / 255
            return self.conv(torch.cat([x, x**2, x[:, :2] ** 3], 1)).mean((2, 3))

    path = tower_graph(One(), tmp_path / "one.onnx")
    exact, rounded, uncorrected = onnx.load(path), onnx.load(path), onnx.load(path)
    round_weights(rounded, PIXELS, [], tmp_path)
    (conv,) = (node for node in uncorrected.graph.node if node.op_type == "Conv")
    for tensor in uncorrected.graph.initializer:
        if tensor.name == conv.input[1]:
            tensor.CopyFrom(numpy_helper.from_array(to_levels(numpy_helper.to_array(tensor)), tensor.name))

    def mean(model: onnx.ModelProto) -> np.ndarray:
        session = onnxruntime.InferenceSession(model.SerializeToString())
        return session.run(None, {"pixels": np.stack(PIXELS)})[0].mean(0)

    assert np.abs(mean(uncorrected) - mean(exact)).max() > 1e-4
    assert np.allclose(mean(rounded), mean(exact), atol=1e-5)


def test_depthwise_towers_survive_int8(tmp_path: Path) -> None:
    said: list[str] = []
    graph = quantise_convolutions(tower_graph(TinyImage(groups=48), tmp_path / "t.onnx"), PIXELS, said.append)
    assert any(node.op_type == "QuantizeLinear" for node in graph.graph.node)
    assert said[0].startswith("int8, 5 of 5 convolutions")


def test_a_body_without_convolutions_is_left_alone(tmp_path: Path) -> None:
    class Patches(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.mix = torch.nn.Conv2d(3, 16, 8, stride=8), torch.nn.Linear(16, 16)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            x = self.patches(pixels.float().permute(0, 3, 1, 2) / 255).flatten(2).transpose(1, 2)
            return self.mix(x).mean(1)

    said: list[str] = []
    graph = quantise_convolutions(tower_graph(Patches(), tmp_path / "p.onnx"), PIXELS, said.append)
    assert "not convolutional" in said[0]
    assert not any(node.op_type == "QuantizeLinear" for node in graph.graph.node)
