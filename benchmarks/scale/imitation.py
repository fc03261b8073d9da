"""Statistics of the synthetic vectors beside those of the built-in model's, of as many pictures and captions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tqdm import tqdm

import bouba
from benchmarks.scale.vectors import BLOCK, DIM, World

if TYPE_CHECKING:
    from bouba.types import Vectors

SETS = {"flickr8k": 3000, "web": 3000}  # photos of each
CAPTIONS = 1000
BATCH = 64


def show(data: Path) -> None:
    model = bouba.load_model()
    pairs = list(_pairs(data))
    batches = tqdm(range(0, len(pairs), BATCH), "photos", leave=False)
    items = np.concatenate([_photos(model, pairs[start : start + BATCH]) for start in batches])
    turn = np.random.default_rng(0).permutation(len(pairs))
    queries = model.encode_text([pairs[n][1] for n in turn[:CAPTIONS]])
    world = World.make()
    rows = np.concatenate([world.rows(n) for n in range(-(-len(items) // BLOCK))])[: len(items), :DIM]
    real, made = statistics(items, queries), statistics(rows, world.queries(CAPTIONS)[:, :DIM])
    print(f"{len(items)} items, {CAPTIONS} queries{'':<18}{'model':>8}{'made':>8}")
    for name, value in real.items():
        print(f"{name:<42}{value:>8.3f}{made[name]:>8.3f}")


def statistics(items: Vectors, queries: Vectors) -> dict[str, float]:
    few = items[:CAPTIONS]
    among = few @ items.T
    among[np.arange(len(few)), np.arange(len(few))] = np.nan
    asked = np.sort(queries @ items.T, axis=1)
    means = items.mean(axis=0), queries.mean(axis=0)
    lengths = [float(np.linalg.norm(mean)) for mean in means]
    return {
        "cosine of two items, mean": float(np.nanmean(among)),
        "cosine of two items, deviation": float(np.nanstd(among)),
        "cosine with the nearest item, median": float(np.median(np.nanmax(among, axis=1))),
        "cosine of query and item, mean": float(asked.mean()),
        "cosine of query and item, deviation": float(asked.std()),
        "cosine of query and its best, median": float(np.median(asked[:, -1])),
        "best less tenth, median": float(np.median(asked[:, -1] - asked[:, -10])),
        "length of the items' mean": lengths[0],
        "length of the queries' mean": lengths[1],
        "gap between the means": float(np.linalg.norm(means[0] - means[1])),
        **{f"dimensions with {share:.0%} of the variance": _dimensions(items, share) for share in (0.5, 0.9, 0.99)},
    }


def _dimensions(vectors: Vectors, share: float) -> float:
    values = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    return float(np.searchsorted(np.cumsum(values) / values.sum(), share) + 1)


def _pairs(data: Path) -> Iterator[tuple[Path, str]]:
    for name, count in SETS.items():
        with (data / name / "pairs.jsonl").open(encoding="utf-8") as lines:
            for line in islice(lines, count):
                row: dict[str, Any] = json.loads(line)
                yield data / name / row["image"], row["captions"][0]


def _photos(model: bouba.Model, pairs: list[tuple[Path, str]]) -> Vectors:
    return model.encode_image([Image.open(photo).convert("RGB") for photo, _ in pairs])
