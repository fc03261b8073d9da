"""From a recording's window to a vector in the space of pictures and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from bouba.training.towers.yamnet import SoundTower

RANK = 64  # of what is learned beside the classes' own words: few clips are enough for it


class SoundNet(nn.Module):
    """A frozen tagger, and a map from what it says to the space: the sum of what its classes look like, by how surely
    each is heard (label transfer: ConSE, Norouzi et al. 2014), plus what its features add.

    The sum's length says how much a window counts: where nothing in particular is heard it is near 0."""

    def __init__(self, tower: SoundTower, looks: Tensor) -> None:
        """`looks` [classes, dim]: each class as a vector of the space, as long as it counts, 0 to 1."""
        super().__init__()
        self.tower = tower.requires_grad_(False)
        self.looks = nn.Parameter(looks.clone())
        self.register_buffer("first_looks", looks.clone())
        self.log_power = nn.Parameter(torch.zeros(()))
        self.down = nn.Linear(tower.width, RANK, bias=False)
        self.up = nn.Linear(RANK, looks.shape[1], bias=False)
        nn.init.zeros_(self.up.weight)

    def told(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features [n, width] of windows -> embeddings [n, dim], not of length 1, and scores [n, classes]."""
        scores = self.tower.scores(features)
        said = scores.clamp(min=1e-6).pow(self.log_power.exp()) @ self.looks
        return said + self.up(self.down(features)), scores

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        return self.told(self.tower.features(waveform))

    def moved(self) -> Tensor:
        """How far the classes have gone from what their words look like, squared, per class."""
        return (self.looks - cast(Tensor, self.first_looks)).square().sum(1).mean()


def pooled(embeddings: Tensor, owners: Tensor, count: int) -> Tensor:
    """Windows [n, dim] with the numbers of their recordings [n] -> unit rows [count, dim], as `bouba.encoders` does."""
    sums = torch.zeros(count, embeddings.shape[1]).index_add(0, owners, embeddings)
    return F.normalize(sums, dim=-1)
