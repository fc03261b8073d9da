"""MedPix val: captions and scans of the same case, by the built-in model and by an adapted one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bouba.encoders import load_model
from bouba.evaluation.embeddings import Embeddings
from bouba.evaluation.metrics import Values, average_precision, hit_rate_at_k
from bouba.evaluation.ranks import Relevance, rank_vectors
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval, compare

DIRECTIONS = ("caption to image", "image to caption")


def rows_of(medpix: Path, split: str) -> list[dict[str, Any]]:
    lines = (medpix / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == split]


@dataclass(frozen=True, slots=True)
class Cases:
    """Pictures and distinct captions, each with the number of its case."""

    images: list[Path]
    image_cases: list[int]
    captions: list[str]
    caption_cases: list[int]

    @classmethod
    def of(cls, medpix: Path) -> Cases:
        rows = rows_of(medpix, "val")
        numbers = {case: number for number, case in enumerate(dict.fromkeys(row["case"] for row in rows))}
        captions = dict.fromkeys((row["captions"][0], numbers[row["case"]]) for row in rows)
        return cls(
            [medpix / row["image"] for row in rows],
            [numbers[row["case"]] for row in rows],
            [caption for caption, _ in captions],
            [case for _, case in captions],
        )

    def values(self, model: str | None, cache: Path) -> Mapping[str, Mapping[str, Values]]:
        """Metrics for each query, by direction."""
        embeddings = Embeddings(load_model(model), cache)
        texts, images = embeddings.texts(self.captions), embeddings.pictures(self.images)
        same = np.equal.outer(self.caption_cases, self.image_cases)
        forth = rank_vectors(texts, images, Relevance.of_matrix(same))
        back = rank_vectors(images, texts, Relevance.of_matrix(same.T))
        return {
            name: {
                **{f"hit@{k}": hit_rate_at_k(ranks, k) for k in (1, 5, 10)},
                "mAP": average_precision(ranks),
            }
            for name, ranks in zip(DIRECTIONS, (forth, back), strict=True)
        }

    def groups(self, direction: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array(self.caption_cases if direction == DIRECTIONS[0] else self.image_cases, np.int64)


def retrieval(medpix: Path, cache: Path, adapted: str | None) -> list[tuple[str, Mapping[str, Interval | str]]]:
    cases = Cases.of(medpix)
    found = {"built-in": cases.values(None, cache)}
    if adapted is not None:
        found["adapted"] = cases.values(adapted, cache)
    rows: list[tuple[str, Mapping[str, Interval | str]]] = []
    for direction in DIRECTIONS:
        groups = cases.groups(direction)
        for name, values in found.items():
            figures = {metric: bootstrap_interval(one, groups=groups) for metric, one in values[direction].items()}
            rows.append((f"{direction}, {name}", figures))
        if adapted is not None:
            better = {
                metric: compare(found["adapted"][direction][metric], before, groups)[0]
                for metric, before in found["built-in"][direction].items()
            }
            rows.append((f"{direction}, gain", better))
    return rows
