"""Smaller vectors: fewer dimensions, a byte a dimension, a bit a dimension; the first search on codes, the last word by
the vectors themselves.

Fewer dimensions: the first ones where a model was trained for that (Matryoshka representation learning; Kusupati et
al., NeurIPS 2022), else the principal ones of typical vectors. A byte a dimension: symmetric scalar quantisation. A
bit: the sign, compared by Hamming distance, which grows with the angle (Charikar, STOC 2002), and candidates that are
scored again by their vectors (Yamada et al., Efficient passage retrieval with hashing, ACL 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bouba.types import Vectors

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]  # [n, dim]
Signs = npt.NDArray[np.uint8]  # [n, dim / 8], the first dimension in the highest bit

STEPS = 127  # of an int8 code to each side of 0


def unit(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def truncated(vectors: Vectors, dims: int) -> Vectors:
    """The first `dims` of unit vectors [..., dim], of length 1 again [..., dims]. Kusupati et al. 2022."""
    if not 1 <= dims <= vectors.shape[-1]:
        raise ValueError(f"{dims} of {vectors.shape[-1]} dimensions")
    return unit(vectors[..., :dims])


def principal_axes(vectors: Vectors, dims: int) -> Floats:
    """Orthonormal axes [dim, dims] that keep most of the inner products of vectors [n, dim], the strongest first: the
    eigenvectors of their second moment, which is not centred, since cosines are not (Eckart and Young 1936).

    Every machine finds the same: in float64, each axis with its largest entry above 0, and with a slight slope along
    the dimensions, which decides where vectors leave axes open, being fewer than dimensions."""
    dim = vectors.shape[1]
    if not 1 <= dims <= dim:
        raise ValueError(f"{dims} of {dim} dimensions")
    exact = vectors.astype(np.float64)
    moment = exact.T @ exact
    slope = np.linspace(1.0, 0.0, dim) * 1e-6 * np.trace(moment) / dim
    _, axes = np.linalg.eigh(moment + np.diag(slope))
    axes = axes[:, ::-1][:, :dims]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(dims)]
    return np.asarray(axes * np.sign(largest), np.float32)


def int8_scale(vectors: Vectors) -> Floats:
    """What a step of each dimension's code is worth [dim], so that all of these vectors [n, dim] fit."""
    return np.asarray(np.maximum(np.abs(vectors).max(axis=0), 1e-12) / STEPS, np.float32)


def int8_codes(vectors: Vectors, scale: Floats) -> Bytes:
    """Vectors [n, dim] to the nearest step; what lies beyond the scale is cut off."""
    return np.asarray(np.clip(np.rint(vectors / scale), -STEPS, STEPS), np.int8)


def int8_scores(queries: Vectors, codes: Bytes, scale: Floats) -> Floats:
    """About the inner products [queries, n] of whole queries with coded vectors."""
    return np.asarray((queries * scale) @ codes.T.astype(np.float32), np.float32)


def random_rotation(dim: int, seed: int = 0) -> Floats:
    """[dim, dim], to be applied before signs are taken: it spreads what few dimensions say over all bits (RaBitQ; Gao
    and Long, SIGMOD 2024)."""
    return np.asarray(np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0], np.float32)


def sign_codes(vectors: Vectors, centre: Vectors) -> Signs:
    """One bit a dimension [n, dim / 8]: whether it lies above the centre [dim], the mean of vectors of this kind.

    Texts and pictures have centres of their own, since each kind lies in a cone of its own (Liang et al., Mind the gap,
    NeurIPS 2022); around a common one most bits would say no more than which kind it is."""
    return np.packbits(vectors > centre, axis=-1)


def sign_candidates(queries: Signs, codes: Signs, k: int) -> Ints:
    """Of each query the k coded vectors [queries, min(k, n)] with the fewest bits unlike, in no stated order."""
    k = min(k, len(codes))
    chosen = np.empty((len(queries), k), np.int64)
    for row, query in enumerate(queries):
        distances = np.bitwise_count(codes ^ query).sum(axis=1, dtype=np.uint16)
        chosen[row] = np.argpartition(distances, k - 1)[:k] if k < len(codes) else np.arange(k)
    return chosen


def best_scored(scores: Floats, k: int) -> Ints:
    """The columns of the k highest scores [queries, k], best first."""
    k = min(k, scores.shape[1])
    some = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def rescored(queries: Vectors, candidates: Ints, vectors: Vectors, k: int) -> Ints:
    """The k best [queries, k] of each query's candidates [queries, m], by the vectors themselves, best first."""
    scores = np.stack([vectors[rows] @ query for query, rows in zip(queries, candidates, strict=True)])
    return np.take_along_axis(candidates, best_scored(scores, k), axis=1)
