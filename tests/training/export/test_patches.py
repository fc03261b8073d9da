"""Patches embedded by a product instead of a convolution: the same vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import nn  # noqa: E402

from bouba.training.export import export_graph  # noqa: E402
from bouba.training.export.faster import make_faster  # noqa: E402

SIZE = 32


class Stem(nn.Module):
    def __init__(self, **convolution) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(**{"in_channels": 3, "out_channels": 10, "kernel_size": 8, "stride": 8, **convolution})

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        weight = torch.arange(1.0, 11.0)  # the order of channels and places counts
        maps = self.stem(pixels.permute(0, 3, 1, 2).float() / 255)
        return (maps.flatten(2) * torch.arange(maps[0, 0].numel())).sum(2) * weight


def exported(module: nn.Module, folder: Path) -> Path:
    path = folder / "image.onnx"
    export_graph(module.eval(), {"pixels": torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)}, ["embedding"], path)
    return path


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def vectors(path: Path) -> np.ndarray:
    pixels = np.random.default_rng(3).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["embedding"], {"pixels": pixels})[0]


@pytest.mark.parametrize("change", [{}, {"bias": False}, {"kernel_size": 16, "stride": 16}])
def test_the_same_vectors(change: dict[str, int], tmp_path: Path) -> None:
    path = exported(Stem(**change), tmp_path)
    wanted = vectors(path)
    make_faster(path, SIZE)
    assert "Conv" not in operators(path)
    assert [len(tensor.dims) for tensor in onnx.load(path).graph.initializer].count(4) == 0  # stored once
    np.testing.assert_allclose(vectors(path), wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(
    "change",
    [
        {"stride": 4},  # windows that overlap
        {"padding": 4},
        {"kernel_size": 4, "stride": 4},  # a convolutional network's stem
        {"kernel_size": 12, "stride": 12},  # leaves a rest
        {"kernel_size": 8, "dilation": 2, "padding": 0},
        {"out_channels": 9, "groups": 3},
    ],
)
def test_other_convolutions_stay(change: dict[str, int], tmp_path: Path) -> None:
    module = Stem(**{"out_channels": 10, **change})
    module.forward = lambda pixels: module.stem(pixels.permute(0, 3, 1, 2).float()).mean((2, 3))  # type: ignore[method-assign]
    path = exported(module, tmp_path)
    before = path.read_bytes()
    make_faster(path, SIZE)
    assert path.read_bytes() == before
    assert "Conv" in operators(path)
