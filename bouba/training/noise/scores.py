"""Every pair scored by what was fitted to other pictures' pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from bouba.training.noise.canonical import Canonical, fit_canonical
from bouba.training.noise.evidence import Witness, mismatched, spaces_of
from bouba.training.noise.mixture import Share, probability_right, share_wrong
from bouba.training.noise.odds import Odds, fit_odds, fit_right_odds
from bouba.training.noise.pairs import Doubles, Floats, Ints, PairSet, standardised

FOLDS = 4
ROUNDS = 2  # the second knows whom the first distrusts; a third changes nothing
LEAST_TRUST = 1e-3  # keeps the weighted covariances of a fold in which nothing is trusted defined
MISMATCHED = 4000  # combinations to compare with, at least, as far as 20 for every pair reach


@dataclass(frozen=True)
class Scores:
    """What is known of every pair, and what it takes to score other combinations."""

    odds: Doubles  # [pairs] log ratio of right to mismatched; higher is more likely right
    p_right: Doubles  # [pairs]
    wrong: Share  # the share of wrong pairs
    folds: Ints  # [pictures]
    canonical: tuple[Canonical, ...]  # of each fold, fitted without its pictures
    images: Floats  # standardised features that `canonical` takes
    texts: Floats


def score_pairs(pairs: PairSet, *, seed: int = 0, advance: Callable[[int], None] = lambda done: None) -> Scores:
    """Probabilities of being right, from K folds of pictures (Northcutt et al. 2021 score labels in this way).

    `advance` is told after every fold of every round. Deterministic for a seed on one machine.
    """
    folds = _folds(pairs, seed)
    images, texts = standardised(pairs.images), standardised(pairs.texts)
    trust, wrong = np.ones(len(pairs)), None
    for _ in range(ROUNDS):
        canonical: list[Canonical] = []
        real, apart, apart_fold = np.zeros((0, 0)), [], []
        for fold in range(FOLDS):
            inside = folds[pairs.image] == fold
            canonical.append(fit_canonical(images, texts, pairs.pairs[~inside], trust[~inside]))
            rows = np.flatnonzero(inside)
            witness = Witness(pairs, rows, spaces_of(pairs, images, texts, canonical[-1]), trust, seed)
            here = witness(rows, rows)
            real = real if real.size else np.zeros((len(pairs), here.shape[1]))
            real[rows] = here
            times = int(np.clip(-(-MISMATCHED // len(pairs)), 1, 20))
            apart.append(witness(*mismatched(pairs, rows, times, np.random.default_rng([seed, fold]))))
            apart_fold.append(np.full(len(apart[-1]), fold))
            advance(1)
        others, other_folds = np.concatenate(apart), np.concatenate(apart_fold)
        if wrong is None:
            # Of the first round: later, siblings are trusted for agreeing with the very pair that is judged by them.
            wrong = share_wrong(*_crossed(real, folds[pairs.image], others, other_folds, fit_odds))
        fit = partial(fit_right_odds, wrong=wrong.value)
        odds, _ = _crossed(real, folds[pairs.image], others, other_folds, fit)
        p_right = probability_right(odds, wrong.value)
        trust = p_right.clip(min=LEAST_TRUST)
    assert wrong is not None, "ROUNDS is at least 1"
    return Scores(odds, p_right, wrong, folds, tuple(canonical), images, texts)


def _folds(pairs: PairSet, seed: int) -> Ints:
    """[pictures]; all pairs of a picture are in one fold."""
    folds, used = np.zeros(len(pairs.images), np.int64), np.unique(pairs.image)
    folds[used] = np.random.default_rng(seed).permutation(len(used)) % FOLDS
    return folds


def _crossed(
    real: Doubles, real_fold: Ints, apart: Doubles, apart_fold: Ints, fit: Callable[[Doubles, Doubles], Odds]
) -> tuple[Doubles, Doubles]:
    """Log odds of real and of mismatched pairs, each weighed up by what was fitted to the other folds."""
    odds, chance = np.zeros(len(real)), np.zeros(len(apart))
    for fold in range(FOLDS):
        mine, theirs = real_fold == fold, apart_fold == fold
        weigh = fit(real[~mine], apart[~theirs])
        odds[mine], chance[theirs] = weigh(real[mine]), weigh(apart[theirs])
    return odds, chance
