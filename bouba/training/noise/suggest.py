"""A better text from the same set for the picture of a pair that is believed wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bouba.training.noise.evidence import Space, sharpness, spaces_of
from bouba.training.noise.pairs import Doubles, Floats, Ints, PairSet
from bouba.training.noise.scores import Scores
from bouba.training.noise.siblings import sibling_evidence, sibling_evidence_of_all, sibling_table, without

BLOCK = 256  # pictures scored against all texts at a time
LEAST = 0.25  # a suggestion fits at least as well as this quantile of trusted pairs
SOME = 512  # pictures, and texts, that stand for all of them


def suggest_texts(pairs: PairSet, scores: Scores, rows: Ints) -> Ints:
    """The row of a text for each of the pairs `rows` [k]; -1 where none fits as well as trusted pairs do.

    It fits the picture, and the texts that the picture has besides. Texts that stand with it already are not suggested.
    """
    out = np.full(len(rows), -1, np.int64)
    table = sibling_table(pairs.image, np.random.default_rng(0))
    trusted = np.flatnonzero(scores.p_right >= 0.5)
    for fold, canonical in enumerate(scores.canonical):
        mine = np.flatnonzero(scores.folds[pairs.image[rows]] == fold)
        usual = trusted[scores.folds[pairs.image[trusted]] == fold]
        if not len(mine) or not len(usual):
            continue
        fits = [
            Fit.of(space, pairs, table, scores.p_right)
            for space in spaces_of(pairs, scores.images, scores.texts, canonical)
        ]
        least = np.quantile(sum(fit.as_paired(usual) for fit in fits), LEAST)
        for start in range(0, len(mine), BLOCK):
            part = mine[start : start + BLOCK]
            out[part] = _best(pairs, fits, rows[part], float(least))
    return out


def _best(pairs: PairSet, fits: list[Fit], rows: Ints, least: float) -> Ints:
    matrix = np.asarray(sum(fit.with_all_texts(rows) for fit in fits))
    for row, image in enumerate(pairs.image[rows]):
        matrix[row, pairs.text[pairs.image == image]] = -np.inf
    best = matrix.argmax(1)
    value = matrix[np.arange(len(best)), best]
    good = (value >= least) & (value > np.asarray(sum(fit.as_paired(rows) for fit in fits)))
    return np.where(good, best, -1)


@dataclass(frozen=True, slots=True)
class Fit:
    """Sharpened cosines in one space, less what the text gets from any picture (a hub is no answer), and how much the
    text resembles the others of its picture."""

    space: Space
    pairs: PairSet
    siblings: Ints  # [pictures, s] rows of pairs, -1 for none
    trust: Doubles  # [pairs]
    sharpness: float
    usual: Doubles  # [texts], with pictures
    sharpness_of_texts: float
    usual_of_texts: Doubles  # [texts], with texts

    @classmethod
    def of(cls, space: Space, pairs: PairSet, siblings: Ints, trust: Doubles) -> Fit:
        images, texts = _some(space.images), _some(space.texts)
        across, among = sharpness(images, space.texts), sharpness(texts, space.texts)
        usual, usual_of_texts = _usual(space.texts, images, across), _usual(space.texts, texts, among)
        return cls(space, pairs, siblings, trust, across, np.log(usual), among, usual_of_texts)

    def as_paired(self, rows: Ints) -> Doubles:
        """[k] of the pairs `rows` as they are."""
        images, texts = self.pairs.image[rows], self.pairs.text[rows]
        cosine = np.einsum("nd,nd->n", self.space.images[images], self.space.texts[texts]).astype(np.float64)
        beside = sibling_evidence(
            self.space.texts, texts, without(self.siblings[images], rows), self.pairs.text, self.trust,
            self.sharpness_of_texts, self.usual_of_texts[texts],
        )  # fmt: skip
        return np.asarray(self.sharpness * cosine - self.usual[texts] + beside)

    def with_all_texts(self, rows: Ints) -> Doubles:
        """[k, texts] of the pairs `rows`, had they another text."""
        images = self.pairs.image[rows]
        cosine = self.space.images[images] @ self.space.texts.T
        beside = sibling_evidence_of_all(
            self.space.texts, without(self.siblings[images], rows), self.pairs.text, self.trust,
            self.sharpness_of_texts, self.usual_of_texts,
        )  # fmt: skip
        return np.asarray(self.sharpness * cosine - self.usual + beside)


def _some(rows: Floats) -> Floats:
    return rows[:: max(1, len(rows) // SOME)]


def _usual(rows: Floats, anchors: Floats, sharp: float) -> Doubles:
    return np.asarray(np.exp(sharp * (rows @ anchors.T)).mean(1, dtype=np.float64))
