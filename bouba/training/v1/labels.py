"""Label transfer: what the classifier knows about objects, said in the text tower's words.

ConSE (Norouzi et al. 2014): a picture stands where the names of its likely classes stand in text space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bouba.training.v1.features import Floats

TEMPLATES = ("{}", "a photo of a {}", "a {}")


@dataclass(frozen=True, slots=True)
class LabelTransfer:
    """Pictures: odds @ classes. Texts: (features - mean) @ projection. Both then have length 1 (see `blocks`)."""

    classes: Floats  # [1000, dim]
    mean: Floats  # [384]
    projection: Floats  # [384, dim]


def unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def naming_texts(names: Sequence[Sequence[str]]) -> list[list[str]]:
    """Every name of each class in every template."""
    return [[template.format(name) for name in group for template in TEMPLATES] for group in names]


def likely_classes(logits: Floats, min_odds: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The first guess for each picture, and whether it is at least `min_odds` likely."""
    odds = softmax(logits)
    return odds.argmax(1), odds.max(1) >= min_odds


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


def fit_label_transfer(
    texts: Sequence[Sequence[str]], encode: Callable[[Sequence[str]], Floats], captions: Floats, dim: int
) -> LabelTransfer:
    """The texts that name each class -> its vector, the mean of theirs, centred over the classes.

    The projection to `dim` is a PCA of the class vectors and of as many caption vectors [n, 384].
    """
    classes = class_vectors(texts, encode)
    mean = classes.mean(0)
    some = captions[:: max(1, len(captions) // len(classes))]
    centred = np.concatenate([classes - mean, some - some.mean(0)])
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    projection = np.ascontiguousarray(components[:dim].T)
    return LabelTransfer((classes - mean) @ projection, mean, projection)


def class_vectors(texts: Sequence[Sequence[str]], encode: Callable[[Sequence[str]], Floats]) -> Floats:
    """One unit row a class: the mean over the texts that name it."""
    rows = encode([text for group in texts for text in group])
    owners = np.repeat(np.arange(len(texts)), [len(group) for group in texts])
    sums = np.zeros((len(texts), rows.shape[1]), np.float32)
    np.add.at(sums, owners, rows)
    return unit(sums)
