"""Choosing one token early: the same vectors for less, and never another vector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import nn  # noqa: E402

from bouba.training.export import export_graph, pooled  # noqa: E402
from bouba.training.export.faster import make_faster  # noqa: E402

SIZE, WIDTH, TOKENS = 16, 24, 16


class Vit(nn.Module):
    """Patches of 4 pixels, one mixing of tokens, a perceptron a token, and what `choose` makes of them."""

    def __init__(self, choose, *, late_positions: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.mix = nn.Linear(48, WIDTH), nn.Linear(TOKENS, TOKENS)
        self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 8, bias=False)
        self.perceptron = nn.Sequential(nn.Linear(WIDTH, 96), nn.GELU(), nn.Linear(96, WIDTH))
        self.positions = nn.Parameter(torch.randn(TOKENS, WIDTH)) if late_positions else None
        self.choose = choose

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        n = pixels.shape[0]
        patches = pixels.float().div(255).reshape(n, 4, 4, 4, 4, 3).transpose(2, 3).reshape(n, TOKENS, 48)
        x = self.embed(patches)
        x = x + self.mix(x.transpose(1, 2)).transpose(1, 2)
        if self.positions is not None:
            x = x + self.positions
        x = x + self.perceptron(self.norm(x))
        return self.out(self.choose(self.norm(x)))


def exported(module: nn.Module, folder: Path) -> Path:
    path = folder / "image.onnx"
    export_graph(module.eval(), {"pixels": torch.zeros(2, SIZE, SIZE, 3, dtype=torch.uint8)}, ["embedding"], path)
    return path


def picked_at(path: Path) -> int:
    """Products that are computed before a token is chosen; -1 where none is."""
    products = 0
    for node in onnx.load(path).graph.node:
        if node.op_type == "Gather" and node.attribute and node.attribute[0].i == 1:
            return products
        products += node.op_type == "MatMul"
    return -1


def vectors(path: Path) -> np.ndarray:
    pixels = np.random.default_rng(3).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["embedding"], {"pixels": pixels})[0]


@pytest.mark.parametrize("choose", [lambda x: x[:, 0], lambda x: x[:, 5], lambda x: x.select(1, -1)])
def test_the_same_vectors_for_less(choose, tmp_path: Path) -> None:
    path = exported(Vit(choose), tmp_path)
    before, wanted = picked_at(path), vectors(path)
    make_faster(path, SIZE)
    assert (before, picked_at(path)) == (4, 2)  # the perceptron's two products come after
    np.testing.assert_allclose(vectors(path), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("module", "least"),
    [
        (Vit(lambda x: x.mean(1)), -1),  # all tokens count
        (Vit(lambda x: x[:, 0] + x[:, 1]), 4),  # two do
        (Vit(lambda x: x[:, 0] + x.amax(1)), 4),  # one does, but so do all
    ],
)
def test_where_other_tokens_count_the_graph_stays(module: nn.Module, least: int, tmp_path: Path) -> None:
    path = exported(module, tmp_path)
    before = path.read_bytes()
    assert picked_at(path) == least
    make_faster(path, SIZE)
    assert path.read_bytes() == before


def test_what_is_added_token_by_token_bounds_it(tmp_path: Path) -> None:
    path = exported(Vit(lambda x: x[:, 3], late_positions=True), tmp_path)
    wanted = vectors(path)
    make_faster(path, SIZE)
    assert picked_at(path) == 2
    np.testing.assert_allclose(vectors(path), wanted, atol=1e-5)


def test_a_graph_that_would_give_other_numbers_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported(Vit(lambda x: x[:, 5], late_positions=True), tmp_path)
    before = path.read_bytes()
    # Were a constant with an entry for each token let through, one token would get them all.
    monkeypatch.setattr(pooled, "_tokenwise", lambda node, _: node.op_type in pooled.TOKENWISE | {"MatMul"})
    make_faster(path, SIZE)
    assert path.read_bytes() == before
    assert (tmp_path / "pick_early.onnx").exists()  # it was tried
