"""Two kinds of values in one list: the share of wrong pairs, and each pair's probability of being right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bouba.training.noise.pairs import Doubles

QUANTILES = tuple(tenth / 10 for tenth in range(1, 10))
CAUTION = 3.0  # standard errors
SHARP = 0.05  # standard error from which on a quantile is not asked: mismatched pairs of a small set repeat themselves


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


def share_wrong(odds: Doubles, mismatched: Doubles) -> Share:
    """The share of wrong pairs among the real ones, from log odds of real [n] and of mismatched pairs [k].

    Below quantile q of the mismatched stand the share q of the wrong pairs and, if q is low, hardly any right one
    (Storey 2002, for p-values). A low q counts few pairs, a high one also right pairs that look wrong: of several q the
    one is taken whose estimate plus CAUTION standard errors is the least.
    """
    quantiles = np.array(QUANTILES)
    below = (odds[:, None] < np.quantile(mismatched, quantiles)).mean(0)
    # Errors as they would be for one and the same share: a quantile that is low by luck would look certain, too.
    usual = max(float((odds < np.median(mismatched)).mean() / 0.5), 1 / len(odds)) * quantiles
    errors = np.sqrt(usual * (1 - usual).clip(min=0) / len(odds)) / quantiles
    errors[errors > max(SHARP, errors.min())] = np.inf
    best = int(np.argmin(below / quantiles + CAUTION * errors))
    value, error = below[best] / quantiles[best], errors[best]
    return Share(*(float(np.clip(value + sigmas * error, 0.0, 1.0)) for sigmas in (0.0, -1.96, 1.96)))


def probability_right(odds: Doubles, wrong: float) -> Doubles:
    """Of log odds [n] of right against mismatched pairs, where a share `wrong` is wrong: 1 for all where none is."""
    if wrong in (0.0, 1.0):
        return np.full(len(odds), 1.0 - wrong)
    return np.asarray(1 / (1 + wrong / (1 - wrong) * np.exp(-odds.clip(-30, 30))))


@dataclass(frozen=True, slots=True)
class Gaussians:
    """Two normal distributions; the first has the lower mean."""

    means: Doubles  # [2]
    variances: Doubles
    shares: Doubles

    def probability_low(self, values: Doubles) -> Doubles:
        """That each of `values` [n] is of the first. Beyond the means the wider one would win both tails: cut there."""
        inside = values.clip(*self.means)
        return np.asarray(_memberships(inside, self.means, self.variances, self.shares)[:, 0])


def fit_gaussians(values: Doubles, steps: int = 100) -> Gaussians:
    """Expectation maximisation from the tenth and the ninetieth percentile (DivideMix, Li et al. 2020; NCR, Huang et
    al. 2021). It finds two kinds in any list, of clean pairs too: see `score_pairs` for one that does not."""
    means = np.percentile(values, [10, 90])
    variances, shares = np.full(2, values.var() + 1e-12), np.full(2, 0.5)
    for _ in range(steps):
        member = _memberships(values, means, variances, shares)
        total = member.sum(0) + 1e-9
        means = (member * values[:, None]).sum(0) / total
        variances = (member * (values[:, None] - means) ** 2).sum(0) / total + 1e-6 * values.var() + 1e-12
        shares = total / total.sum()
    order = np.argsort(means)
    return Gaussians(means[order], variances[order], shares[order])


def _memberships(values: Doubles, means: Doubles, variances: Doubles, shares: Doubles) -> Doubles:
    logs = np.log(shares) - np.log(variances) / 2 - (values[:, None] - means) ** 2 / (2 * variances)
    powers = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
