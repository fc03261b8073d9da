"""What evaluating a large collection costs: 100,000 pictures x 500,000 captions of random vectors.

    python -m benchmarks.evaluation [--images N] [--captions N] [--dim N] [--queries N] [--json]

All vectors are in memory; `--queries` limits how many of them are asked each way, since the whole is 1e14
operations. "products alone" are the same matrix products in the same blocks, in turns with the ranking, which includes
checks, top 10 and all metrics. Memory is the process's peak, vectors included.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.evaluation.metrics import summary
from bouba.evaluation.ranks import Relevance, block_length, rank_vectors

if TYPE_CHECKING:
    from bouba.types import Vectors


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of asking, and its cost."""

    name: str
    queries: int
    items: int
    products_s: float
    ranking_s: float  # products included
    metrics: dict[str, float]

    @property
    def ratio(self) -> float:
        return self.ranking_s / self.products_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--captions", type=int, default=500_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=20_000, help="asked each way, at most")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    images, captions = (unit_vectors(rng, n, arguments.dim) for n in (arguments.images, arguments.captions))
    about = np.arange(len(captions)) * len(images) // len(captions)  # the picture of every caption, in runs
    pairs = Relevance.of_entries(about, np.arange(len(captions)), np.ones(len(captions)), (len(images), len(captions)))
    measured = [
        measure("text_to_image", captions, images, pairs.transposed(), arguments.queries),
        measure("image_to_text", images, captions, pairs, arguments.queries),
    ]
    peak = peak_bytes()
    print(as_json(measured, peak, arguments.dim) if arguments.json else table(measured, peak, arguments.dim))


def unit_vectors(rng: np.random.Generator, n: int, dim: int) -> Vectors:
    """Random directions, made and scaled in place: a copy of half a million is a gigabyte."""
    vectors = np.empty((n, dim), np.float32)
    rng.standard_normal(out=vectors, dtype=np.float32)
    vectors /= np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return vectors


class ProductsAlone:
    """The products that the ranking has just done, once more and without it.

    Called after every block, so that a busy neighbour disturbs both alike."""

    def __init__(self, queries: Vectors, items: Vectors) -> None:
        self.queries, self.items = queries, items
        self.buffer = np.zeros((min(block_length(len(items)), len(queries)), len(items)), np.float32)
        self.done, self.seconds = 0, 0.0

    def __call__(self, count: int) -> None:
        began = time.perf_counter()
        asked = self.queries[self.done : self.done + count]
        np.matmul(asked, self.items.T, out=self.buffer[:count])
        self.seconds += time.perf_counter() - began
        self.done += count


def measure(name: str, queries: Vectors, items: Vectors, relevance: Relevance, limit: int) -> Direction:
    queries = queries[:limit]
    alone = ProductsAlone(queries, items)
    began = time.perf_counter()
    metrics = summary(rank_vectors(queries, items, first_rows(relevance, len(queries)), progress=alone))
    whole_s = time.perf_counter() - began
    return Direction(name, len(queries), len(items), alone.seconds, whole_s - alone.seconds, metrics)


def first_rows(relevance: Relevance, queries: int) -> Relevance:
    end = int(relevance.starts[queries])
    return Relevance(relevance.starts[: queries + 1], relevance.items[:end], relevance.grades[:end], relevance.width)


def peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def table(measured: list[Direction], peak: int, dim: int) -> str:
    lines = [f"{'':<14}{'queries':>9}{'items':>9}{'products alone':>16}{'with ranking':>14}{'ratio':>7}"]
    for way in measured:
        cost = f"{way.products_s:>14.1f} s{way.ranking_s:>12.1f} s{way.ratio:>7.2f}"
        lines.append(f"{way.name:<14}{way.queries:>9,}{way.items:>9,}{cost}")
    return "\n".join([*lines, f"peak memory {peak / 1e9:.2f} GB at {dim} dimensions"])


def as_json(measured: list[Direction], peak: int, dim: int) -> str:
    ways: dict[str, Any] = {
        way.name: {
            "queries": way.queries,
            "items": way.items,
            "products_s": way.products_s,
            "ranking_s": way.ranking_s,
            "ratio": way.ratio,
            "metrics": way.metrics,
        }
        for way in measured
    }
    return json.dumps({"dim": dim, "peak_bytes": peak, **ways}, indent=2)


if __name__ == "__main__":
    main()
