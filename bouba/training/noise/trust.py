"""What a training run asks: how far to trust each pair, and where a distrusted text belongs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bouba.training.noise.mixture import fit_gaussians
from bouba.training.noise.pairs import Bools, Doubles, Floats, Ints, PairSet
from bouba.training.noise.scores import score_pairs

SUSPECT = 0.5  # a pair below this probability of being right is believed wrong


@dataclass(frozen=True, slots=True)
class Rematch:
    """Pairs to train on instead: those that were moved have another picture."""

    pairs: Ints  # [p, 2]
    weights: Doubles  # [p] in 0..1
    moved: Bools  # [p]


def estimate_trust(images: Floats, texts: Floats, pairs: Ints, *, shared: bool = False, seed: int = 0) -> Doubles:
    """Probability of being right [p] of pairs [p, 2] of rows; see `PairSet` and `score_pairs`.

    Features should come from something that was not trained on these pairs, such as frozen towers.
    """
    return score_pairs(PairSet(images, texts, pairs, shared), seed=seed).p_right


def trust_from_losses(losses: Doubles) -> Doubles:
    """Probability of being right [p] from each pair's loss after a short warm-up (NCR, Huang et al. 2021).

    Cheap, and it finds wrong pairs where there are none: of clean data it distrusts what is hard.
    """
    values = np.asarray(losses, np.float64)
    return fit_gaussians(values).probability_low(values)


def rematch(images: Floats, texts: Floats, pairs: Ints, p_right: Doubles) -> Rematch:
    """Each distrusted text given to the picture of the set that it fits best, where the two choose one another.

    `images` [n, dim] and `texts` [m, dim] are unit rows of one space. A text moves if, among all distrusted texts, it
    is also the picture's best one and fits it better than the middle one of the trusted pairs fits; it then counts as
    much as the share of trusted pairs that it fits better than. Other pairs count by `p_right`.
    """
    fits = np.einsum("pd,pd->p", images[pairs[:, 0]], texts[pairs[:, 1]])
    doubted = np.flatnonzero(p_right < SUSPECT)
    out, weights, moved = pairs.copy(), p_right.copy(), np.zeros(len(pairs), np.bool_)
    trusted = np.sort(fits[p_right >= SUSPECT])
    if not len(doubted) or not len(trusted):
        return Rematch(out, weights, moved)
    best, cosine, chosen = _mutual(images, texts[pairs[doubted, 1]])
    share = np.searchsorted(trusted, cosine) / len(trusted)
    good = chosen & (share >= 0.5) & (best != pairs[doubted, 0])
    rows = doubted[good]
    out[rows, 0], weights[rows], moved[rows] = best[good], share[good], True
    return Rematch(out, weights, moved)


def _mutual(images: Floats, texts: Floats, block: int = 1024) -> tuple[Ints, Floats, Bools]:
    """Each text's best picture [k], its cosine [k], and whether it is that picture's best text."""
    best, cosine = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.float32)
    favourite, liked = np.zeros(len(images), np.int64), np.full(len(images), -np.inf, np.float32)
    for start in range(0, len(texts), block):
        scores = texts[start : start + block] @ images.T
        best[start : start + block], cosine[start : start + block] = scores.argmax(1), scores.max(1)
        top, value = scores.argmax(0) + start, scores.max(0)
        better = value > liked
        favourite[better], liked[better] = top[better], value[better]
    return best, cosine, favourite[best] == np.arange(len(texts))
