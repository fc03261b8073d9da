from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from bouba.training.dual import Adapter, Chain, Head


def _rows(n: int, dim: int) -> torch.Tensor:
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(0)), dim=1)


def test_an_adapter_begins_as_no_change() -> None:
    rows = _rows(5, 16)
    for hidden in (None, 8):
        torch.testing.assert_close(Adapter(16, hidden, 0.5).eval()(rows), rows)


def test_an_adapter_learns_from_its_first_step() -> None:
    adapter = Adapter(16, 8, 0.0)
    loss = adapter(_rows(5, 16))[:, 0].sum()
    loss.backward()
    assert adapter.linear.weight.grad is not None
    assert adapter.linear.weight.grad.abs().sum() > 0
    assert adapter.deep is not None
    assert adapter.deep[-1].weight.grad.abs().sum() > 0


def test_a_head_standardises_its_inputs() -> None:
    features = torch.randn(500, 12, generator=torch.Generator().manual_seed(1)) * 7 + 3
    head = Head(12, 4, 6, 0.0).eval()
    head.standardise(features)
    torch.testing.assert_close(((features - head.mean) / head.std).std(0), torch.ones(12))
    torch.testing.assert_close(head(features).norm(dim=1), torch.ones(500))


class _Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.linear(x) + y, y


class _Last(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x * y


def test_checkpointing_changes_no_gradient() -> None:
    x, y = _rows(3, 4), _rows(3, 4)
    two = _Two()
    gradients = []
    for checkpointing in (False, True):
        two.zero_grad()
        Chain([two, _Last()], checkpointing).train()(x, y).sum().backward()
        gradients.append(two.linear.weight.grad.clone())
    torch.testing.assert_close(gradients[0], gradients[1])


def test_an_empty_chain_passes_features_on() -> None:
    rows = _rows(3, 4)
    assert Chain([])(rows) is rows
