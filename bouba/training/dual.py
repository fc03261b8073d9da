"""The network that is trained: what is left of two towers after their frozen part, two heads and a temperature."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bouba.training.gradcache import checkpointed

MAX_SCALE = 100.0


class Head(nn.Module):
    """Features [n, inputs] -> unit rows [n, dim]: a linear map, plus what a hidden layer adds to it if there is one."""

    mean: Tensor  # [inputs]
    std: Tensor

    def __init__(self, inputs: int, dim: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inputs, dim)
        self.deep: nn.Sequential | None = None
        if hidden is not None:
            gelu, drop = nn.GELU(approximate="tanh"), nn.Dropout(dropout)
            self.deep = nn.Sequential(nn.Linear(inputs, hidden), gelu, drop, nn.Linear(hidden, dim))

    def standardise(self, features: Tensor) -> None:
        """Learn the mean and the spread of every input from training features [n, inputs]."""
        self.mean.copy_(features.mean(0))
        self.std.copy_(features.std(0).clamp(min=1e-4))

    def forward(self, features: Tensor) -> Tensor:
        x = self.dropout((features - self.mean) / self.std)
        y = self.linear(x)
        return F.normalize(y if self.deep is None else y + self.deep(x), dim=-1)


class Adapter(nn.Module):
    """Embeddings [n, dim] -> embeddings [n, dim]; before training it changes nothing (as in CLIP-Adapter, Gao et al.
    2021, and with zero initialisation as in ControlNet), so that a weight average with the start is meaningful."""

    def __init__(self, dim: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim, dim)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.deep: nn.Sequential | None = None
        if hidden is not None:
            last = nn.Linear(hidden, dim)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.deep = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(approximate="tanh"), nn.Dropout(dropout), last)

    def forward(self, embedding: Tensor) -> Tensor:
        embedding = F.normalize(embedding, dim=-1)  # a tower's own may have any length
        x = self.dropout(embedding)
        change = self.linear(x)
        return F.normalize(embedding + (change if self.deep is None else change + self.deep(x)), dim=-1)


class Unit(nn.Module):
    """For towers that share a space already: rows of length 1."""

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(features, dim=-1)


Kind = Literal["head", "adapter", "unit"]


def make_head(kind: Kind, inputs: int, dim: int, hidden: int | None, dropout: float) -> nn.Module:
    if kind == "unit":
        return Unit()
    return Adapter(inputs, hidden, dropout) if kind == "adapter" else Head(inputs, dim, hidden, dropout)


class Chain(nn.Module):
    """Stages one after another; with `checkpointing` their activations are computed again on the way back."""

    def __init__(self, stages: list[nn.Module], checkpointing: bool = False) -> None:
        super().__init__()
        self.stages: nn.ModuleList = nn.ModuleList(stages)
        self.checkpointing = checkpointing

    def forward(self, *inputs: Any) -> Any:
        if self.checkpointing and self.training:
            return checkpointed(self.stages)(*inputs)
        x: Any = inputs if len(inputs) > 1 else inputs[0]
        for stage in self.stages:
            x = stage(*x) if isinstance(x, tuple) else stage(x)
        return x


class Side(nn.Module):
    """One modality: what is trained of its tower, and its head."""

    def __init__(self, tower: Chain, head: nn.Module) -> None:
        super().__init__()
        self.tower: Chain = tower
        self.head = head

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Features [n, width] and unit rows [n, dim]."""
        features = self.tower(*inputs)
        return features, self.head(features)


class DualEncoder(nn.Module):
    """Both sides and what turns cosines into logits."""

    def __init__(
        self, image: Side, text: Side, scale: float, bias: float = 0.0, classifier: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.image, self.text = image, text
        self.classifier = classifier  # of image features, where its knowledge is kept
        self.log_scale = nn.Parameter(torch.tensor(math.log(min(scale, MAX_SCALE))))
        self.bias = nn.Parameter(torch.tensor(bias))

    def scale(self) -> Tensor:
        return self.log_scale.exp()

    @torch.no_grad()
    def limit_scale(self) -> None:
        """After an update: as in CLIP the parameter itself is kept below 100, so that it can come back from there."""
        self.log_scale.clamp_(max=math.log(MAX_SCALE))
