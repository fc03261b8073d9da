"""More like these, less like those: a query's direction, turned by examples that somebody liked and disliked.

A logistic head on the examples, whose prior is the query itself. A change of direction costs what it does to the scores
of all that nobody marked, so that it goes where the gallery's pictures differ little: the shrunk covariance of a sample
takes the place of the usual ridge. The head is fitted in the span of the examples, by Newton's method.

Rocchio's mean of the examples (1971) needs other weights for a query that is nearly right than for one that is quite
wrong; the head moves as far as the examples ask for. `benchmarks/feedback.py` compares them.
(le Cessie and van Houwelingen, Ridge Estimators in Logistic Regression, 1992; Hariharan, Malik and Ramanan,
Discriminative Decorrelation for Clustering and Classification, 2012, for the metric.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bouba.errors import QueryError

if TYPE_CHECKING:
    from bouba.types import Vectors

Doubles = npt.NDArray[np.float64]

# Tuned on train splits, photos of objects and of groceries, with two models at once. Larger steps help a query that is
# quite wrong, and cost more where a hit was marked by mistake.
SHRINKAGE = 0.5  # of the covariance towards one with no direction of its own
STEP = 4.0  # how far examples move scores, against what the gallery says
MARGIN = 1.25  # of the reach: where the head draws the line between liked and disliked
MAX_EXAMPLES = 100  # liked, and as many disliked
NEWTON_STEPS = 50
CONVERGED = 1e-9
LEAST = 1e-9  # variance, where all pictures of a gallery are one


@dataclass(frozen=True, slots=True)
class Spread:
    """How the pictures of a gallery lie: what is known of all that nobody has marked."""

    mean: Doubles  # [dim]
    covariance: Doubles  # [dim, dim]
    metric: Doubles  # [dim, dim]: inverse of the shrunk covariance, by which the sample's mean square length is 1
    reach: float  # standard deviations above the mean that the best of as many unrelated pictures gets to by chance

    @classmethod
    def of(cls, sample: Vectors, items: int) -> Spread:
        """From the unit vectors of some pictures [n, dim] and the number of all. A few hundred are enough.

        Raises QueryError where there is none."""
        if not len(sample):
            raise QueryError("The gallery is empty: there is nothing to be more or less like. Add pictures first.")
        rows = sample.astype(np.float64)
        centred = rows - rows.mean(axis=0)
        covariance = centred.T @ centred / len(rows)
        even = max(float(np.trace(covariance)) / rows.shape[1], LEAST)
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * even * np.eye(rows.shape[1])
        metric = np.linalg.inv(shrunk)
        metric /= max(float(np.vdot(metric, covariance)), 1.0)
        return cls(rows.mean(axis=0), covariance, metric, math.sqrt(2 * math.log(max(items, 2))))

    def deviation(self, direction: Doubles) -> float:
        """Standard deviation of the gallery's scores along a direction [dim]."""
        return math.sqrt(max(float(direction @ self.covariance @ direction), LEAST))


@dataclass(frozen=True, slots=True)
class Steered:
    """A query after feedback. How much an example counts is positive for what was liked and negative for what was not;
    near 0, the query alone was right about it already."""

    vector: Vectors  # [dim], of length 1
    liked: tuple[float, ...] = ()
    disliked: tuple[float, ...] = ()


def steer(query: Vectors | None, liked: Vectors, disliked: Vectors, spread: Spread) -> Steered:
    """The direction [dim] for a query [dim], unit vectors of liked [n, dim] and of disliked pictures [m, dim].

    Without examples that is the query; without a query it starts from the mean of what is liked.
    Raises QueryError where there is neither query nor liked picture, for too many examples, and where they leave no
    direction."""
    for name, examples in (("liked", liked), ("disliked", disliked)):
        if len(examples) > MAX_EXAMPLES:
            raise QueryError(f"{len(examples)} {name} pictures; {MAX_EXAMPLES} is the limit. Name the clearest ones.")
    if query is None and not len(liked):
        raise QueryError("Nothing is looked for: give a text or a picture, or name pictures that are liked.")
    start = _unit(liked.mean(axis=0, dtype=np.float64)) if query is None else query.astype(np.float64)
    if not len(liked) and not len(disliked):
        return Steered(_unit(start).astype(np.float32))
    prior = start / spread.deviation(start)
    centred = np.concatenate([liked, disliked]).astype(np.float64) - spread.mean
    moved = centred @ spread.metric
    kernel = STEP * (moved @ centred.T)
    signs = np.repeat([1.0, -1.0], [len(liked), len(disliked)])
    pull = _fitted(kernel, centred @ prior - MARGIN * spread.reach, signs)
    direction = _unit(prior + STEP * (pull @ moved))
    pulls = tuple(float(each) for each in pull)
    return Steered(direction.astype(np.float32), pulls[: len(liked)], pulls[len(liked) :])


def _fitted(kernel: Doubles, margins: Doubles, signs: Doubles) -> Doubles:
    """The pull of every example [n]: what minimises the weighted logistic loss of `margins + kernel @ pull`, and half
    of `pull @ kernel @ pull`. Both kinds of examples weigh the same, however many there are of each."""
    kinds = len(np.unique(signs))
    weights = len(signs) / kinds / np.where(signs > 0, max((signs > 0).sum(), 1), max((signs < 0).sum(), 1))

    def cost(pull: Doubles) -> float:
        change = kernel @ pull
        return float(weights @ np.logaddexp(0.0, -signs * (margins + change)) + 0.5 * pull @ change)

    pull, now = np.zeros(len(signs)), cost(np.zeros(len(signs)))
    for _ in range(NEWTON_STEPS):
        wrong = 1.0 / (1.0 + np.exp(np.clip(signs * (margins + kernel @ pull), -500, 500)))
        curvature = weights * wrong * (1 - wrong)
        step = np.linalg.solve(np.eye(len(signs)) + curvature[:, None] * kernel, weights * signs * wrong - pull)
        size, new = 1.0, cost(pull + step)
        while new > now and size > CONVERGED:  # the full step is too long where a loss is far from quadratic
            size /= 2
            new = cost(pull + size * step)
        pull = pull + size * step
        if now - new <= CONVERGED * (1 + now):
            break
        now = new
    return np.asarray(pull, np.float64)


def _unit(vector: Doubles) -> Doubles:
    length = float(np.linalg.norm(vector))
    if length < 1e-9:
        raise QueryError("The liked and the disliked pictures cancel out: name others, or add a text.")
    return vector / length
