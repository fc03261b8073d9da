"""A better text from the same set for the picture of a pair that is believed wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bouba.training.noise.evidence import Space, sharpness, spaces_of
from bouba.training.noise.pairs import Doubles, Ints, PairSet
from bouba.training.noise.scores import Scores

BLOCK = 256  # pictures scored against all texts at a time
LEAST = 0.25  # a suggestion fits at least as well as this quantile of trusted pairs


def suggest_texts(pairs: PairSet, scores: Scores, rows: Ints) -> Ints:
    """The row of a text for each of the pairs `rows` [k]; -1 where none fits as well as trusted pairs do.

    Texts that stand with the picture already are not suggested."""
    out = np.full(len(rows), -1, np.int64)
    trusted = np.flatnonzero(scores.p_right >= 0.5)
    for fold, canonical in enumerate(scores.canonical):
        mine = np.flatnonzero(scores.folds[pairs.image[rows]] == fold)
        usual = trusted[scores.folds[pairs.image[trusted]] == fold]
        if not len(mine) or not len(usual):
            continue
        fits = [Fit.of(space) for space in spaces_of(pairs, scores.images, scores.texts, canonical)]
        least = np.quantile(sum(fit.pairs(pairs.pairs[usual]) for fit in fits), LEAST)
        for start in range(0, len(mine), BLOCK):
            part = mine[start : start + BLOCK]
            out[part] = _best(pairs, fits, pairs.image[rows[part]], pairs.pairs[rows[part]], float(least))
    return out


def _best(pairs: PairSet, fits: list[Fit], images: Ints, present: Ints, least: float) -> Ints:
    matrix = np.asarray(sum(fit.matrix(images) for fit in fits))
    for row, image in enumerate(images):
        matrix[row, pairs.text[pairs.image == image]] = -np.inf
    best = matrix.argmax(1)
    value = matrix[np.arange(len(best)), best]
    good = (value >= least) & (value > np.asarray(sum(fit.pairs(present) for fit in fits)))
    return np.where(good, best, -1)


@dataclass(frozen=True, slots=True)
class Fit:
    """Sharpened cosines in one space, less what the text gets from any picture (a hub is no answer)."""

    space: Space
    sharpness: float
    usual: Doubles  # [texts]

    @classmethod
    def of(cls, space: Space) -> Fit:
        some = space.images[:: max(1, len(space.images) // 512)]
        sharp = sharpness(space.images[:: max(1, len(space.images) // 256)], space.texts)
        usual = np.log(np.exp(sharp * (space.texts @ some.T)).mean(1, dtype=np.float64))
        return cls(space, sharp, usual)

    def pairs(self, pairs: Ints) -> Doubles:
        cosine = np.einsum("nd,nd->n", self.space.images[pairs[:, 0]], self.space.texts[pairs[:, 1]])
        return np.asarray(self.sharpness * cosine.astype(np.float64) - self.usual[pairs[:, 1]])

    def matrix(self, images: Ints) -> Doubles:
        return np.asarray(self.sharpness * (self.space.images[images] @ self.space.texts.T) - self.usual)
