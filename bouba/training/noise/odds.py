"""Many kinds of evidence -> one log ratio: how much commoner it is among the real pairs than among mismatched ones.

Logistic regression of real against mismatched pairs; the real ones may hold wrong ones, which shifts the ratio and not
the order (Elkan & Noto 2008: learning from positive and unlabelled data, here negative and unlabelled).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bouba.training.noise.pairs import Doubles

MANY = 2000  # real pairs from which on squares and products pay for their variance
PENALTY = 1.0
REACH = 4.0  # standard deviations; beyond them evidence is not extrapolated
STEPS = 30
EM_STEPS = 8


@dataclass(frozen=True, slots=True)
class Odds:
    mean: Doubles  # [kinds]
    spread: Doubles
    weights: Doubles  # [terms]
    products: bool

    def __call__(self, evidence: Doubles) -> Doubles:
        """Log of (density among real pairs / density among mismatched ones) [k] of evidence [k, kinds]."""
        return np.asarray(_terms((evidence - self.mean) / self.spread, self.products) @ self.weights)


def fit_odds(real: Doubles, mismatched: Doubles) -> Odds:
    """Real against mismatched."""
    return _fit(real, mismatched, np.ones(len(real)), np.zeros(len(real)))


def fit_right_odds(real: Doubles, mismatched: Doubles, wrong: float) -> Odds:
    """Right against mismatched: the log of (density among right pairs / density among mismatched ones).

    Nobody knows which of the real pairs are right, but a share `wrong` of them is as the mismatched: expectation
    maximisation (Ward et al. 2009, for species of which only sightings are known). The ratio above, real against
    mismatched, ends at `wrong` however bad a pair is, which no logistic curve follows.
    """
    wrong = float(np.clip(wrong, 1e-6, 1 - 1e-6))
    odds = fit_odds(real, mismatched)
    scored = odds(real)
    right = (scored > np.quantile(scored, wrong)).astype(np.float64)
    for _ in range(EM_STEPS):
        odds = _fit(real, mismatched, right, 1 - right)
        right = 1 / (1 + wrong / (1 - wrong) * np.exp(-odds(real).clip(-30, 30)))
    return odds


def _fit(real: Doubles, mismatched: Doubles, right: Doubles, wrong: Doubles) -> Odds:
    """Real pairs count as right ones by `right` [real] and beside the mismatched ones by `wrong` [real]."""
    both = np.concatenate([real, mismatched])
    mean, spread = both.mean(0), both.std(0) + 1e-9
    products = len(real) >= MANY
    terms = _terms((both - mean) / spread, products)
    # Right and wrong weigh the same in all, so that the logit is the log ratio; repeats of mismatched ones are no news.
    against = np.concatenate([wrong, np.full(len(mismatched), len(real) / len(mismatched))])
    against *= right.sum() / against.sum()
    toward = np.concatenate([right, np.zeros(len(mismatched))])
    return Odds(mean, spread, _newton(terms, toward, against), products)


def _newton(terms: Doubles, toward: Doubles, against: Doubles) -> Doubles:
    """Weights of a logistic regression in which row n is a 1 `toward` [n] times and a 0 `against` [n] times."""
    weights = np.zeros(terms.shape[1])
    penalty = np.full(terms.shape[1], PENALTY)
    penalty[0] = 1e-6
    each = toward + against
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-np.clip(terms @ weights, -30, 30)))
        slope = terms.T @ (each * chance - toward) + penalty * weights
        curve = (terms * (each * chance * (1 - chance))[:, None]).T @ terms + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights -= step * min(1.0, 5.0 / max(1e-12, float(np.abs(step).max())))  # a leap overshoots separable data
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _terms(z: Doubles, products: bool) -> Doubles:
    z = z.clip(-REACH, REACH)
    columns = [np.ones(len(z)), *z.T]
    if products:
        columns += [z[:, i] * z[:, j] for i in range(z.shape[1]) for j in range(i, z.shape[1])]
    return np.stack(columns, axis=1)
