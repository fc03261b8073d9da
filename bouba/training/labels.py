"""Label transfer: what a classifier knows about objects, said in the text tower's words, as a block of the vector.

ConSE (Norouzi et al. 2014): a picture stands where the names of its likely classes stand in text space. The block lies
beside what the heads have learned; the cosine of two vectors is the weighted mean of their blocks' cosines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Floats = npt.NDArray[np.float32]
TEMPLATES = ("{}", "a photo of a {}", "a {}")


@dataclass(frozen=True, slots=True)
class LabelTransfer:
    """Pictures: odds @ classes. Texts: (features - mean) @ projection. Both then have length 1."""

    classes: Floats  # [classes, dim]
    mean: Floats  # [text width]
    projection: Floats  # [text width, dim]


def naming_texts(names: Sequence[Sequence[str]]) -> list[list[str]]:
    """Every name of each class in every template."""
    return [[template.format(name) for name in group for template in TEMPLATES] for group in names]


def fit_label_transfer(
    texts: Sequence[Sequence[str]], encode: Callable[[Sequence[str]], Floats], captions: Floats, dim: int
) -> LabelTransfer:
    """The texts that name each class -> its vector, the mean of theirs, centred over the classes.

    The projection to `dim` is a PCA of the class vectors and of as many caption vectors [n, text width]."""
    classes = _class_vectors(texts, encode)
    mean = classes.mean(0)
    some = captions[:: max(1, len(captions) // len(classes))]
    centred = np.concatenate([classes - mean, some - some.mean(0)])
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    projection = np.ascontiguousarray(components[:dim].T)
    return LabelTransfer((classes - mean) @ projection, mean, projection)


def _class_vectors(texts: Sequence[Sequence[str]], encode: Callable[[Sequence[str]], Floats]) -> Floats:
    """One unit row a class: the mean over the texts that name it."""
    rows = encode([text for group in texts for text in group])
    sums = np.zeros((len(texts), rows.shape[1]), np.float32)
    np.add.at(sums, np.repeat(np.arange(len(texts)), [len(group) for group in texts]), rows)
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), np.float32)


def interleaved(scene: int, label: int) -> Tensor:
    """The order of scene + label numbers in which every prefix holds its share of both blocks."""
    places = [((i + 0.5) / scene, i) for i in range(scene)] + [((i + 0.5) / label, scene + i) for i in range(label)]
    return torch.tensor([column for _, column in sorted(places)])


class Joined(nn.Module):
    """Two unit rows -> one, so that cosines add up as (scene + weight² x label) / (1 + weight²)."""

    order: Tensor

    def __init__(self, scene: int, label: int, weight: float) -> None:
        super().__init__()
        self.register_buffer("order", interleaved(scene, label))
        self.weight = weight

    def forward(self, scene: Tensor, label: Tensor) -> Tensor:
        joined = torch.cat([scene, self.weight * label], dim=-1) / math.sqrt(1 + self.weight**2)
        return joined.index_select(-1, self.order)


class ImageBlocks(nn.Module):
    """Features [n, width] -> embedding [n, scene dim + label dim]."""

    classes: Tensor

    def __init__(self, head: nn.Module, classifier: nn.Module, transfer: LabelTransfer, joined: Joined) -> None:
        super().__init__()
        self.head, self.classifier, self.joined = head, classifier, joined
        self.register_buffer("classes", torch.tensor(transfer.classes))

    def forward(self, features: Tensor) -> Tensor:
        label = F.normalize(self.classifier(features).softmax(-1) @ self.classes, dim=-1)
        return cast(Tensor, self.joined(self.head(features), label))


class TextBlocks(nn.Module):
    """Features [n, width] -> embedding [n, scene dim + label dim]."""

    mean: Tensor
    projection: Tensor

    def __init__(self, head: nn.Module, transfer: LabelTransfer, joined: Joined) -> None:
        super().__init__()
        self.head, self.joined = head, joined
        self.register_buffer("mean", torch.tensor(transfer.mean))
        self.register_buffer("projection", torch.tensor(transfer.projection))

    def forward(self, features: Tensor) -> Tensor:
        label = F.normalize((features - self.mean) @ self.projection, dim=-1)
        return cast(Tensor, self.joined(self.head(features), label))
