"""Pairs that a model was not trained on -> its calibration.

Whether something matches at all is learned from the same queries asked twice: of all pictures, and of those that are
left when the right ones are taken out, together with whatever lies near them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bouba.ranking.calibration import (
    Asked,
    Background,
    Calibration,
    Floats,
    Logistic,
    auroc,
    fit_logistic,
    found_features,
    match_features,
)

if TYPE_CHECKING:
    from bouba.types import Vectors

    Mask = npt.NDArray[np.bool_]

HITS = 20  # of each query that are looked at
QUERIES = 600  # of each set
SHARES = (1.0, 0.3)  # of a set's pictures: galleries are of all sizes
SMALL = 0.03  # as well, where the question is whether anything matches
HEARD = 0.25  # evidence of a set on which the model cannot tell whether anything matches, beside 1 where it can
NEAR = 0.1  # share of the pictures that goes with a caption's own where nothing is to match
REFUSED = 0.1  # share of the questions with an answer that the threshold may refuse
LOST = 0.1  # share of right hits that the cutoff may lose


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries, pictures, and which pictures each query is about, of one set."""

    queries: Vectors  # [q, dim]
    words: tuple[int, ...]  # of each query, 0 where it is no text
    pictures: Vectors  # [n, dim]
    bias: Vectors  # [n], taken off each picture's scores
    right: Mask  # [q, n]
    own: tuple[int, ...] | None = None  # for queries that are pictures of the set: their rows

    def scores(self, queries: npt.NDArray[np.intp]) -> Vectors:
        """[queries, n]; a picture never finds itself."""
        found = self.queries[queries] @ self.pictures.T - self.bias
        if self.own is not None:
            found[np.arange(len(queries)), np.asarray(self.own)[queries]] = -np.inf
        return found


def fit_calibration(sets: Sequence[Judged], seed: int = 0) -> Calibration:
    """For one kind of query. Every set counts the same, except for whether anything matches: there a set counts by how
    well the model can tell."""
    draw = np.random.default_rng(seed)
    match, cutoff = _fit_match(sets, draw)
    found, threshold = _fit_found(sets, draw)
    return Calibration(match, found, cutoff, threshold)


def _fit_match(sets: Sequence[Judged], draw: np.random.Generator) -> tuple[Logistic, float]:
    """The function, and the probability that all but LOST of the right hits reach."""
    features: list[Floats] = []
    right: list[Floats] = []
    evidence: list[Floats] = []
    for one in sets:
        for share in SHARES:
            x, y = map(np.concatenate, zip(*_rows(one, share, draw), strict=True))
            features.append(x)
            right.append(y)
            evidence.append(np.full(len(y), 1 / len(y)))
    return _fitted(features, right, evidence, LOST)


def _fitted(
    features: list[Floats], right: list[Floats], evidence: list[Floats], missed: float
) -> tuple[Logistic, float]:
    x, y = np.concatenate(features), np.concatenate(right)
    function = fit_logistic(x, y, np.concatenate(evidence))
    values = function(x[y > 0])
    share = np.concatenate([(own > 0) / max((own > 0).sum(), 1) for own in right])[y > 0]  # every list counts the same
    order = np.argsort(values)
    return function, float(values[order][np.searchsorted(np.cumsum(share[order]) / share.sum(), missed)])


def _rows(asked: Judged, share: float, draw: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
    """For some queries, asked of a share of the pictures: the features of their best hits [hits, m], and which of those
    are right [hits]."""
    queries, pictures = _some(len(asked.queries), draw), len(asked.pictures)
    there = np.sort(draw.permutation(pictures)[: max(HITS, round(share * pictures))])
    for query, scores in zip(queries, asked.scores(queries)[:, there], strict=True):
        kept = np.isfinite(scores)
        known = Asked(Background.of(scores[kept]), int(kept.sum()), asked.words[query])
        best = np.argsort(-scores, kind="stable")[: min(HITS, known.items)]
        yield match_features(scores[best], known), asked.right[query, there[best]].astype(np.float64)


def _fit_found(sets: Sequence[Judged], draw: np.random.Generator) -> tuple[Logistic, float]:
    """The function, and the confidence that all but REFUSED of the questions with an answer reach; 0 where no picture
    is ever left to ask of."""
    features: list[Floats] = []
    right: list[Floats] = []
    evidence: list[Floats] = []
    for one in sets:
        yes, no = asked_twice(one, draw)
        if not len(no):
            continue
        told = max(HEARD, 2 * auroc(yes[:, 0], no[:, 0]) - 1)
        features.append(np.concatenate([yes, no]))
        right.append(np.repeat([1.0, 0.0], len(yes)))
        evidence.append(np.full(2 * len(yes), told / len(yes)))
    if not features:
        return Logistic((0.0,) * 7), 0.0
    return _fitted(features, right, evidence, REFUSED)


def asked_twice(one: Judged, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Features [queries, m] of some queries with all pictures there, or a share of them with what answers the query,
    and with the right ones and those near gone."""
    yes: list[Floats] = []
    no: list[Floats] = []
    queries = _some(len(one.queries), draw)
    for query, scores in zip(queries, one.scores(queries), strict=True):
        right = one.right[query]
        there = np.isfinite(scores) & (right | (draw.random(len(scores)) < draw.choice((*SHARES, SMALL))))
        left = there & ~surroundings(one, int(query))
        if not left.any():
            continue
        for features, kept in ((yes, there), (no, left)):
            best = -np.sort(-scores[kept])
            features.append(found_features(best, Asked(Background.of(best), len(best), one.words[query])))
    return np.array(yes).reshape(-1, 7), np.array(no).reshape(-1, 7)


def surroundings(one: Judged, query: int) -> Mask:
    """Pictures [n] that answer a query, or might: the right ones; and where each query has one of its own, as captions
    have, those whose queries are most like this one, as nobody said that they do not fit."""
    right: Mask = one.right[query]
    if one.right.sum(axis=1).max() > 1 or one.own is not None:
        return right
    alike = one.queries @ one.queries[query]
    nearest = np.full(len(one.pictures), -np.inf)
    np.maximum.at(nearest, one.right.argmax(axis=1), alike)
    return np.asarray(right | (nearest >= np.quantile(nearest, 1 - NEAR)))


def _some(count: int, draw: np.random.Generator) -> npt.NDArray[np.intp]:
    return np.sort(draw.permutation(count)[:QUERIES])
