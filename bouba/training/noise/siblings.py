"""What the other texts of the same picture, and the other pictures of the same text, say of a pair."""

from __future__ import annotations

import numpy as np

from bouba.training.noise.pairs import Doubles, Floats, Ints

MOST = 8  # siblings that are asked; more say little more and cost time
PRIOR = 0.5  # siblings' worth of knowing nothing


def sibling_table(keys: Ints, rng: np.random.Generator) -> Ints:
    """Rows [keys, width] of pairs that share a key (a picture, say), -1 where there are no more."""
    order = rng.permutation(len(keys))
    order = order[np.argsort(keys[order], kind="stable")]
    counts = np.bincount(keys, minlength=int(keys.max()) + 1)
    place = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((len(counts), min(int(counts.max()), MOST + 1)), -1, np.int64)
    kept = place < table.shape[1]
    table[keys[order][kept], place[kept]] = order[kept]
    return table


def without(siblings: Ints, own: Ints) -> Ints:
    """Siblings [k, s] of the pairs `own` [k], each pair itself left out."""
    return np.where(siblings == own[:, None], -1, siblings)


def sibling_evidence(
    rows: Floats, one: Ints, siblings: Ints, of_pair: Ints, trust: Doubles, sharpness: float, usual: Doubles
) -> Doubles:
    """How much more than anything else in the set a row resembles its siblings [k], as a log ratio; 0 without any.

    `rows` are unit rows; `one` [k] those in question; `siblings` [k, s] rows of pairs, -1 for none; `of_pair` [pairs]
    the row of every pair; siblings count by their `trust` [pairs]; `usual` [k] is the mean of exp(sharpness x cosine)
    to anything.
    """
    near, known = np.zeros(len(one)), np.zeros(len(one))
    for column in siblings.T:
        weight = np.where(column >= 0, trust[column], 0.0)
        cosine = np.einsum("nd,nd->n", rows[one], rows[of_pair[column]])
        near += weight * np.exp(sharpness * cosine.astype(np.float64))
        known += weight
    return np.asarray(np.log((near / usual + PRIOR) / (known + PRIOR)))


def sibling_evidence_of_all(
    rows: Floats, siblings: Ints, of_pair: Ints, trust: Doubles, sharpness: float, usual: Doubles
) -> Doubles:
    """The same [k, rows] for every row in the place of the one in question; `usual` [rows]."""
    near, known = np.zeros((len(siblings), len(rows))), np.zeros((len(siblings), 1))
    for column in siblings.T:
        weight = np.where(column >= 0, trust[column], 0.0)[:, None]
        near += weight * np.exp(sharpness * (rows[of_pair[column]] @ rows.T))
        known += weight
    return np.asarray(np.log((near / usual + PRIOR) / (known + PRIOR)))
