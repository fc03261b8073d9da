"""Vectors like those of a model that was trained on pictures and their captions, as many as wanted.

What was imitated are the statistics of the built-in model on 6,000 photos (Flickr8k and web) and captions of them,
which `python -m benchmarks.scale --imitation` prints beside those of as many synthetic ones:

- *low effective dimension*: the spectrum of the covariance falls like 1/(i+4) * exp(-i/100), so that half of the
  variance lies in 14 of 512 dimensions and 95 % in 129;
- *clusters of unequal size*: topics whose sizes follow Zipf's law, scenes within topics, pictures within scenes: random
  pairs are at cosine 0.12 +- 0.17, nearest neighbours among 6,000 at 0.76;
- *the modality gap* (Liang and others, NeurIPS 2022): queries come from a cone beside that of the items, and the best
  item of 6,000 is at cosine 0.57 only. A query thus lies far from all items, and its nearest lie in many clusters,
  which is what makes it hard for an index;
- *rows as a gallery stores them*: [vector, bias that counters hubs, padding], queries with the weight of the bias.

Item n is the same whatever their number, so that a small set is the beginning of a large one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bouba.ranking.hubness import pack_query, pack_rows, row_length

if TYPE_CHECKING:
    from bouba.types import Vectors

DIM = 512
ROW = row_length(DIM)
TOPICS, SCENES = 400, 16_000
ITEM_MEAN, QUERY_MEAN, MEANS_COSINE = 0.36, 0.33, 0.70  # lengths of the mean vectors, and the cosine between them
TOPIC, SCENE, PICTURE = 0.52, 0.28, 0.20  # shares of the variance of items
PAIR = 0.22  # of a query's variance: what it shares with the picture that it is about
BIAS_MEAN, BIAS_SPREAD = 0.24, 0.02
BLOCK = 8192  # items made from one seed
ABOUT = BLOCK  # of how many items queries are about one


@dataclass(frozen=True, slots=True)
class World:
    """What pictures there are, and what is asked about them."""

    basis: Vectors  # [DIM, DIM], rows scaled so that normal @ basis has the spectrum
    item_mean: Vectors
    query_mean: Vectors
    scenes: Vectors  # [SCENES, DIM]: topic and scene
    chances: Vectors  # [SCENES], cumulative

    @classmethod
    def make(cls, seed: int = 7) -> World:
        rng = np.random.default_rng(seed)
        spectrum = 1 / (np.arange(DIM) + 4) * np.exp(-np.arange(DIM) / 100)
        turned = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
        basis = np.sqrt(spectrum / spectrum.sum())[:, None] * turned
        one, other = turned[-1], turned[-2]
        mean = QUERY_MEAN * (MEANS_COSINE * one + np.sqrt(1 - MEANS_COSINE**2) * other)
        topic = rng.choice(TOPICS, SCENES, p=_zipf(TOPICS, 0.8))
        topics, scenes = rng.normal(size=(TOPICS, DIM)) @ basis, rng.normal(size=(SCENES, DIM)) @ basis
        centres = np.sqrt(TOPIC) * topics[topic] + np.sqrt(SCENE) * scenes
        arrays = (basis, ITEM_MEAN * one, mean, centres, np.cumsum(_zipf(SCENES, 0.7)[rng.permutation(SCENES)]))
        return cls(*(array.astype(np.float32) for array in arrays))

    def _content(self, block: int) -> Vectors:
        """[BLOCK, DIM], of variance 1 in all."""
        rng = np.random.default_rng((11, block))
        scene = np.searchsorted(self.chances[:-1], rng.random(BLOCK, np.float32))
        picture = rng.standard_normal((BLOCK, DIM), np.float32) @ self.basis
        content: Vectors = self.scenes[scene] + np.float32(np.sqrt(PICTURE)) * picture
        return content

    def rows(self, block: int) -> Vectors:
        """Items [BLOCK, ROW], as a gallery stores them."""
        spread = np.float32(np.sqrt(1 - ITEM_MEAN**2))
        bias = np.random.default_rng((17, block)).normal(BIAS_MEAN, BIAS_SPREAD, BLOCK).astype(np.float32)
        return pack_rows(_unit(self.item_mean + spread * self._content(block)), bias)

    def queries(self, count: int) -> Vectors:
        """Rows [count, ROW], each about one of the first ABOUT items, which are like all others."""
        rng = np.random.default_rng(13)
        about = self._content(0)[rng.integers(0, ABOUT, count)]
        own = rng.standard_normal((count, DIM), np.float32) @ self.basis
        content = np.sqrt(PAIR) * about + np.sqrt(1 - PAIR) * own
        unit = _unit(self.query_mean + np.float32(np.sqrt(1 - QUERY_MEAN**2)) * content.astype(np.float32))
        asked: Vectors = np.stack([pack_query(vector, 1.0) for vector in unit])
        return asked


def _zipf(count: int, exponent: float) -> npt.NDArray[np.float64]:
    shares = np.arange(1, count + 1) ** -exponent
    return np.asarray(shares / shares.sum())


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32, copy=False)
    return unit
