"""Hubs, pictures that turn up whatever is asked (Radovanovic et al., JMLR 2010), and a bias an item that counters them.

The bias is how near an item is to a bank of typical queries: nearest neighbour normalisation (NNN; Chowdhury et al.,
Nearest Neighbor Normalization Improves Multimodal Retrieval, EMNLP 2024). It depends on the item and the bank alone, so
that items come and go without touching others, and it is stored as one more dimension of the item's vector, so that an
index over inner products serves the corrected score unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bouba.types import Vectors

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BLOCK_BYTES = 16 << 20  # of cosines in memory at a time
MULTIPLE = 8  # vector indexes want lengths that it divides


def hub_bias(vectors: Vectors, bank: Vectors, *, neighbours: int, strength: float) -> Floats:
    """What to take off each item's scores [n]: `strength` times the mean of its `neighbours` highest cosines with the
    queries of the bank [m, dim], or of all where the bank has fewer."""
    if not len(bank) or neighbours < 1:
        raise ValueError(f"{neighbours} neighbours among {len(bank)} queries: both must be at least 1")
    nearest = min(neighbours, len(bank))
    bias = np.empty(len(vectors), np.float32)
    rows = max(1, BLOCK_BYTES // (4 * len(bank)))
    for start in range(0, len(vectors), rows):
        cosines = vectors[start : start + rows] @ bank.T
        cosines.partition(len(bank) - nearest, axis=1)
        bias[start : start + rows] = strength * cosines[:, len(bank) - nearest :].mean(axis=1)
    return bias


def row_length(dim: int) -> int:
    """How long a stored row is: the vector, its bias, and zeros up to a multiple of 8."""
    return -(-(dim + 1) // MULTIPLE) * MULTIPLE


def pack_rows(vectors: Vectors, bias: Floats) -> Floats:
    """Unit vectors [n, dim] and their bias [n] as rows to store [n, row_length(dim)]."""
    dim = vectors.shape[1]
    rows = np.zeros((len(vectors), row_length(dim)), np.float32)
    rows[:, :dim], rows[:, dim] = vectors, bias
    return rows


def unpack_rows(rows: Floats, dim: int) -> tuple[Vectors, Floats]:
    """The unit vectors [n, dim] and the bias [n] of stored rows."""
    return rows[:, :dim], rows[:, dim]


def pack_query(vector: Vectors, weight: float) -> Floats:
    """A query [dim] as a row whose inner product with a stored one is the cosine minus `weight` times the bias.

    Weight 0 gives the cosines alone."""
    row = np.zeros(row_length(len(vector)), np.float32)
    row[: len(vector)], row[len(vector)] = vector, -weight
    return row


def k_occurrences(found: npt.NDArray[np.integer], items: int) -> Ints:
    """In how many of the answers [queries, k], rows of item numbers, each item stands [items]."""
    return np.bincount(found.ravel(), minlength=items)


def skewness(counts: npt.NDArray[np.number]) -> float:
    """Third standardised moment of the k-occurrences: 0 where all items turn up alike or evenly to both sides, the
    larger the more a few hubs do. Radovanovic et al. 2010, equation 1."""
    off = counts - counts.mean(dtype=np.float64)
    spread = float(np.sqrt((off**2).mean()))
    return float((off**3).mean() / spread**3) if spread > 0 else 0.0
