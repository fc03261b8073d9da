"""The bank of typical queries by which a model knows hubs (`bouba.ranking.hubness`): which training texts stand in it.

Of what the bank lacks it knows less, and one source that fills it takes from the others: shares go by the root of what
the sources weigh in training. Texts at random do as well as the centres of k-means and better than greedy k-centres,
which are outliers; half as many gain less, twice as many hardly more. A bank of one domain alone hurts searches in all
others, so that a model with new heads needs its base's bank, seen through the text head, beside its own texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bouba.training.config import Data
    from bouba.training.data.records import Record

SIZE = 2048
NEIGHBOURS, STRENGTH = 8, 0.5  # for `hub_bias`


def bank_texts(train: Iterable[tuple[Data, Sequence[Record]]], size: int = SIZE, seed: int = 0) -> list[str]:
    """Texts for the bank from what a run is trained on."""
    return pick_texts([(data.per_step, [t for r in records for t in r.texts]) for data, records in train], size, seed)


def pick_texts(sources: Sequence[tuple[float, Iterable[str]]], size: int = SIZE, seed: int = 0) -> list[str]:
    """At most `size` distinct texts at random, from each source by the root of its weight; always the same ones.

    A source with fewer texts than its share gives all, and the others more. Texts that differ in case and spaces alone
    count as one, of the first source that has it."""
    seen: set[str] = set()
    texts = [_new(source, seen) for _, source in sources]
    shares = _shares([len(some) for some in texts], [math.sqrt(weight) for weight, _ in sources], size)
    picked = []
    for number, (some, share) in enumerate(zip(texts, shares, strict=True)):
        order = np.random.default_rng([seed, number]).permutation(len(some))
        picked += [some[row] for row in sorted(order[:share])]
    return picked


def _new(texts: Iterable[str], seen: set[str]) -> list[str]:
    kept = []
    for text in texts:
        key = " ".join(text.casefold().split())
        if key and key not in seen:
            seen.add(key)
            kept.append(text)
    return kept


def _shares(counts: Sequence[int], weights: Sequence[float], size: int) -> list[int]:
    """How many each source gives. Those that run out first are served first, so that what they lack is passed on."""
    shares, left, weight = [0] * len(counts), size, sum(weights)
    for source in sorted(range(len(counts)), key=lambda n: counts[n] / weights[n]):
        shares[source] = min(counts[source], round(left * weights[source] / weight))
        left, weight = left - shares[source], weight - weights[source]
    return shares
