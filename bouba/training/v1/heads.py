"""Two small heads that bring picture and text features into one space, and the loss that trains them."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def info_nce(images: Tensor, texts: Tensor, scale: Tensor | float, groups: Tensor) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al. 2018; CLIP, Radford et al. 2021) of matching unit rows [n, d].

    Rows of one group (pictures of one class, say) are not held against each other. `scale` is 1 / temperature.
    """
    logits = scale * images @ texts.T
    alike = groups[:, None] == groups[None, :]
    alike.fill_diagonal_(False)
    logits = logits.masked_fill(alike, -torch.inf)
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class Head(nn.Module):
    """Features [n, inputs] -> unit rows [n, dim]: a linear map plus what a hidden layer adds to it."""

    mean: Tensor  # [inputs]
    std: Tensor

    def __init__(self, inputs: int, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))
        self.linear = nn.Linear(inputs, dim)
        self.deep = nn.Sequential(
            nn.Linear(inputs, hidden), nn.GELU(approximate="tanh"), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def standardise(self, features: Tensor) -> None:
        """Learn the mean and the spread of every input from the training features."""
        self.mean.copy_(features.mean(0))
        self.std.copy_(features.std(0).clamp(min=1e-4))

    def forward(self, features: Tensor) -> Tensor:
        x = self.dropout((features - self.mean) / self.std)
        return F.normalize(self.linear(x) + self.deep(x), dim=-1)


class Heads(nn.Module):
    """Both heads and the learned temperature."""

    def __init__(self, image_inputs: int, text_inputs: int, config: HeadsConfig) -> None:
        super().__init__()
        self.image = Head(image_inputs, config.dim, config.image_hidden, config.dropout)
        self.text = Head(text_inputs, config.dim, config.text_hidden, config.dropout)
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))

    def scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=100.0)


@dataclass(frozen=True, slots=True)
class HeadsConfig:
    """Found on a held-out tenth of Flickr8k's train photos."""

    dim: int = 320
    image_hidden: int = 768
    text_hidden: int = 768
    dropout: float = 0.5
    steps: int = 1000
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    averaging: float = 0.99  # of the weights, per step
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Pairs of one source as features. A step draws `per_step` pictures, each with one view and one text."""

    views: Tensor  # [views, n, image inputs]
    texts: Tensor  # [texts, text inputs]
    text_rows: Tensor  # int64 [n, most texts of a picture]: rows of `texts`, repeated to fill
    groups: Tensor  # int64 [n]: see info_nce
    per_step: int

    def sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Picture features, text features and groups of `per_step` different pictures."""
        rows = torch.randperm(self.views.shape[1], generator=generator)[: self.per_step]
        views = torch.randint(len(self.views), rows.shape, generator=generator)
        texts = torch.randint(self.text_rows.shape[1], rows.shape, generator=generator)
        return self.views[views, rows], self.texts[self.text_rows[rows, texts]], self.groups[rows]


def train_heads(sets: Sequence[TrainingSet], config: HeadsConfig, report: Callable[[str], None]) -> Heads:
    """Heads trained on a fixed mixture of the sets; the moving average of their weights is returned."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    heads = Heads(sets[0].views.shape[2], sets[0].texts.shape[1], config)
    heads.image.standardise(torch.cat([source.views[0] for source in sets]))
    heads.text.standardise(torch.cat([source.texts for source in sets]))
    averaged = copy.deepcopy(heads).eval()
    optimizer = torch.optim.AdamW(heads.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config.learning_rate, total_steps=config.steps, pct_start=0.1
    )
    started = time.monotonic()
    for step in range(1, config.steps + 1):
        parts = zip(*(source.sample(generator) for source in sets), strict=True)
        images, texts, groups = (torch.cat(part) for part in parts)
        loss = info_nce(heads.image(images), heads.text(texts), heads.scale(), groups)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for kept, new in zip(averaged.parameters(), heads.parameters(), strict=True):
                kept.lerp_(new, 1 - min(config.averaging, step / (step + 10)))
        if step % 100 == 0 or step == config.steps:
            spent = time.monotonic() - started
            report(
                f"step {step}/{config.steps}  loss {loss.item():.3f}  scale {heads.scale().item():.1f}  {spent:.0f} s"
            )
    return averaged
