"""Vectors like those of pictures and of texts about them, for a measurement on this machine.

Pictures come in clusters of unequal size, most of their variance lies in few dimensions, and texts lie in a cone beside
that of the pictures (Liang et al., Mind the gap, NeurIPS 2022), so that a text is far from all of them and its nearest
lie in many clusters: what makes a search hard for an index. `benchmarks/scale` has the full imitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bouba.ranking.codes import random_rotation, unit
from bouba.ranking.hubness import pack_query, pack_rows
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

CLUSTERS = 2000
GAP = 0.35  # lengths of the mean vectors
WITHIN = 0.45  # of a picture's spread: what it does not share with its cluster
ABOUT = 0.75  # of a text: what it shares with the picture that it is about


def sample(items: int, queries: int, dims: int, seed: int = 0) -> tuple[Vectors, Vectors]:
    """Rows [items, length] as a gallery stores them, and as many queries [queries, length] as it is asked."""
    rng = np.random.default_rng(seed)
    spectrum = np.exp(-np.arange(dims) / (dims / 5)) / (np.arange(dims) + 4)
    scale = np.sqrt(spectrum / spectrum.sum()).astype(np.float32)
    means = np.zeros((2, dims), np.float32)
    means[0, -1], means[1, -2:] = GAP, (GAP * 0.7, GAP * 0.7)
    basis = scale[:, None] * random_rotation(dims, seed)
    centres = rng.standard_normal((CLUSTERS, dims), np.float32) @ basis
    share = np.arange(1, CLUSTERS + 1) ** -0.7
    own = rng.standard_normal((items, dims), np.float32) @ basis
    content = centres[rng.choice(CLUSTERS, items, p=share / share.sum())] * np.sqrt(1 - WITHIN) + own * np.sqrt(WITHIN)
    asked = content[rng.integers(0, items, queries)] * ABOUT
    asked = asked + rng.standard_normal((queries, dims), np.float32) @ basis * np.sqrt(1 - ABOUT**2)
    bias = rng.normal(0.24, 0.02, items).astype(np.float32)
    rows = pack_rows(unit(means[0] + content), bias)
    return rows, np.stack([pack_query(vector, 1.0) for vector in unit(means[1] + asked)])


def sample_item(number: int) -> Item:
    """An item of the usual size. Its id is like a content hash: no order can be seen in it."""
    mixed = number * 0x9E3779B97F4A7C15 % 2**64
    return Item(
        f"{mixed:016x}{number:016x}", f"/pictures/{number % 1000}/{number}.jpg", 1024, 768, 90_000, "image/jpeg"
    )
