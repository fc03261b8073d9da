"""A million items on disk, made once, and the exact answers to questions about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmarks.scale import vectors
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

QUERIES = 200
DEEP = 100  # the longest answer that is compared
FILTERS: dict[str, tuple[str | None, float]] = {  # of the answer: the filter, and the share of items that fit
    "": (None, 1.0),
    "1%": ("share < 0.01", 0.01),
    "10%": ("share < 0.1", 0.1),
    "50%": ("share < 0.5", 0.5),
}
KINDS = ("dress", "shoe", "lamp", "chair", "beach", "city", "forest", "dog")
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The first `items` of the world that a folder holds; further rows, for insertion, follow them."""

    folder: Path
    items: int
    queries: int = QUERIES

    @classmethod
    def prepare(cls, folder: Path, items: int, spare: int, queries: int = QUERIES) -> Corpus:
        """Makes what is not there yet: float32 [items + spare, ROW], 2 GB for a million."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"rows-{_version()}.f32"
        path, width = folder / name, vectors.ROW * 4
        blocks = -(-(items + spare) // vectors.BLOCK)
        there = path.stat().st_size // (vectors.BLOCK * width) if path.exists() else 0
        if there < blocks:
            world = vectors.World.make()
            with path.open("r+b" if there else "wb") as file:
                file.seek(there * vectors.BLOCK * width)
                for block in tqdm(range(there, blocks), "vectors", unit_scale=vectors.BLOCK, unit=" rows"):
                    world.rows(block).tofile(file)
        return cls(folder, items, queries)

    @property
    def rows(self) -> Vectors:
        """[all that were made, ROW], not in memory."""
        path = self.folder / f"rows-{_version()}.f32"
        return np.memmap(path, np.float32, "r").reshape(-1, vectors.ROW)

    def batches(self, size: int) -> Iterator[tuple[list[Item], Vectors]]:
        for start in range(0, self.items, size):
            end = min(start + size, self.items)
            yield made(range(start, end)), np.array(self.rows[start:end])

    def questions(self) -> Questions:
        """With their exact answers, kept beside the rows."""
        path = self.folder / f"answers-{_version()}-{self.items}-{self.queries}.npz"
        if not path.exists():
            queries = vectors.World.make().queries(self.queries)
            answers: dict[str, Any] = {
                f"answers{name}": _exact(self, queries, share) for name, (_, share) in FILTERS.items()
            }
            np.savez(path, queries=queries, **answers)
        with np.load(path) as held:
            return Questions(held["queries"], {name: held[f"answers{name}"] for name in FILTERS})


@dataclass(frozen=True, slots=True)
class Questions:
    rows: Vectors  # [queries, ROW]
    answers: dict[str, Ints]  # of each filter: [queries, at most DEEP] numbers of items, best first

    def recall(self, name: str, found: Sequence[Sequence[str]], k: int) -> float:
        """The share of the k nearest that were found."""
        shares = [
            len({item_id(n) for n in answer[:k].tolist()} & set(ids[:k])) / len(answer[:k])
            for answer, ids in zip(self.answers[name], found, strict=False)
        ]
        return float(np.mean(shares))


def made(numbers: range) -> list[Item]:
    """Items as `bouba add` leaves them, with attributes to filter on."""
    return [
        Item(item_id(n), f"/photos/{n // 1000}/{n}.jpg", 640, 480, 90_000 + n % 977, "image/jpeg", phash=f"{n:016x}",
             attributes={"share": share(n), "kind": KINDS[n % len(KINDS)], "price": float(n % 500)})
        for n in numbers
    ]  # fmt: skip


def item_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def share(number: int) -> float:
    """Evenly spread over [0, 1), and independent of the vector."""
    return float(shares(np.array([number]))[0])


def shares(numbers: Ints) -> npt.NDArray[np.float64]:
    mixed = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)
    spread: npt.NDArray[np.float64] = mixed / float(1 << 53)
    return spread


def _exact(corpus: Corpus, queries: Vectors, below: float) -> Ints:
    """[queries, DEEP or all that fit]: a block at a time, of which the best are kept."""
    scores, numbers = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    for start in tqdm(range(0, corpus.items, vectors.BLOCK), "exact answers", leave=False):
        block = np.arange(start, min(start + vectors.BLOCK, corpus.items))
        fits = block[shares(block) < below]
        found = queries @ np.asarray(corpus.rows[fits]).T
        scores = np.concatenate([scores, found], axis=1)
        numbers = np.concatenate([numbers, np.broadcast_to(fits, found.shape)], axis=1)
        if scores.shape[1] > DEEP:
            best = np.argpartition(-scores, DEEP, axis=1)[:, :DEEP]
            scores, numbers = np.take_along_axis(scores, best, 1), np.take_along_axis(numbers, best, 1)
    return np.take_along_axis(numbers, np.argsort(-scores, axis=1, kind="stable"), 1)


def _version() -> str:
    """Of what the vectors are made from, so that older ones are not taken for these."""
    facts = {name: value for name, value in vars(vectors).items() if name.isupper() and isinstance(value, int | float)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
