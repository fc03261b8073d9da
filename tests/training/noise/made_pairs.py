"""Pairs with known truth: pictures and texts are two noisy views of one hidden thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bouba.training.noise import PairSet


@dataclass(frozen=True)
class Made:
    pairs: PairSet
    wrong: np.ndarray  # [pairs]
    right_text: np.ndarray  # [pairs] before the exchange


def made_pairs(pictures: int = 400, captions: int = 2, share: float = 0.0, blur: float = 0.6, seed: int = 0) -> Made:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(pictures, 12))
    images = hidden @ rng.normal(size=(12, 40)) + blur * rng.normal(size=(pictures, 40))
    said = np.repeat(hidden, captions, axis=0)
    texts = said @ rng.normal(size=(12, 24)) + blur * rng.normal(size=(len(said), 24))
    pairs = np.stack([np.repeat(np.arange(pictures), captions), np.arange(len(said))], axis=1)
    rows = rng.permutation(len(pairs))[: round(share * len(pairs))]
    exchanged, wrong = pairs.copy(), np.zeros(len(pairs), bool)
    exchanged[rows, 1] = np.roll(pairs[rows, 1], 1)
    wrong[rows] = exchanged[rows, 1] // captions != pairs[rows, 0]
    return Made(PairSet(images.astype(np.float32), texts.astype(np.float32), exchanged), wrong, pairs[:, 1])


def precision_recall(p_right: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    flagged = p_right < 0.5
    return (flagged & wrong).sum() / max(1, flagged.sum()), (flagged & wrong).sum() / wrong.sum()
