"""The last step of each tower: one unit vector made of a scene block and a label block."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bouba.training.labels import LabelTransfer
from bouba.training.v1.heads import Head


def joined(scene: Tensor, label: Tensor, label_weight: float) -> Tensor:
    """Two unit rows -> one, so that cosines add up as (scene + label_weight² x label) / (1 + label_weight²)."""
    return torch.cat([scene, label_weight * label], dim=-1) / math.sqrt(1 + label_weight**2)


class ImageBlocks(nn.Module):
    """Trunk features [n, 1280] and logits [n, 1000] -> embedding [n, scene dim + label dim]."""

    classes: Tensor  # [1000, label dim]

    def __init__(self, head: Head, transfer: LabelTransfer, label_weight: float) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("classes", torch.tensor(transfer.classes))
        self.label_weight = label_weight

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        label = F.normalize(logits.softmax(-1) @ self.classes, dim=-1)
        return joined(self.head(features), label, self.label_weight)


class TextBlocks(nn.Module):
    """Trunk features [n, 384] -> embedding [n, scene dim + label dim]."""

    mean: Tensor  # [384]
    projection: Tensor  # [384, label dim]

    def __init__(self, head: Head, transfer: LabelTransfer, label_weight: float) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("mean", torch.tensor(transfer.mean))
        self.register_buffer("projection", torch.tensor(transfer.projection))
        self.label_weight = label_weight

    def forward(self, features: Tensor) -> Tensor:
        label = F.normalize((features - self.mean) @ self.projection, dim=-1)
        return joined(self.head(features), label, self.label_weight)
