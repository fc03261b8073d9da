"""Which pairs of a file are wrong, in the words and pictures of that file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bouba.evaluation.data import EvaluationSet
from bouba.evaluation.embeddings import Embeddings
from bouba.training.noise.mixture import Share
from bouba.training.noise.pairs import Floats, Ints, PairSet
from bouba.training.noise.scores import score_pairs
from bouba.training.noise.suggest import suggest_texts
from bouba.training.noise.trust import SUSPECT


@dataclass(frozen=True, slots=True)
class Judged:
    """One pair and what is believed of it."""

    picture: Path
    text: str
    p_right: float
    better: str = ""  # a text of the same set that fits the picture better; empty where none surely does

    @property
    def believed_wrong(self) -> bool:
        return self.p_right < SUSPECT

    def to_dict(self) -> dict[str, Any]:
        return {
            "image": os.path.abspath(self.picture),
            "caption": self.text,
            "p_right": round(self.p_right, 4),
            "believed_wrong": self.believed_wrong,
            "better": self.better or None,
        }


@dataclass(frozen=True, slots=True)
class Audit:
    """All pairs of a set, the most suspicious first."""

    data: str
    model: str
    pictures: int
    pairs: tuple[Judged, ...]
    wrong: Share  # the estimated share of wrong pairs, found or not
    notes: tuple[str, ...] = ()

    @property
    def believed_wrong(self) -> int:
        return sum(pair.believed_wrong for pair in self.pairs)

    def to_dict(self, limit: int) -> dict[str, Any]:
        """JSON-ready, with the first `limit` pairs."""
        return {
            "data": self.data,
            "model": self.model,
            "pictures": self.pictures,
            "pairs": len(self.pairs),
            "believed_wrong": self.believed_wrong,
            "share_wrong": {"value": self.wrong.value, "low": self.wrong.low, "high": self.wrong.high},
            "suspects": [pair.to_dict() for pair in self.pairs[:limit]],
            "notes": list(self.notes),
        }


def audit(
    data: EvaluationSet, embeddings: Embeddings, *, seed: int = 0, advance: Callable[[int], None] = lambda done: None
) -> Audit:
    """Embeds the set and judges every pair. `advance` is told of rounds of scoring, `embeddings` of its own work.

    A model that was trained on these pairs has learned the wrong ones too and finds fewer of them.
    Raises TrainingError for a set too small to judge, MediaError for a picture that cannot be read."""
    texts = list(dict.fromkeys(data.texts))
    vectors = embeddings.pictures(data.images), embeddings.texts(texts)
    return judge(data, texts, *vectors, embeddings.model.name, shared=True, seed=seed, advance=advance)


def judge(
    data: EvaluationSet, texts: list[str], images: Floats, features: Floats, model: str,
    *, shared: bool, seed: int = 0, advance: Callable[[int], None] = lambda done: None,
) -> Audit:  # fmt: skip
    """As `audit`, from features of the set's pictures and of `texts`, its distinct texts; `shared` as in `PairSet`."""
    pairs = PairSet(images, features, _pairs_of(data, texts), shared)
    scores = score_pairs(pairs, seed=seed, advance=advance)
    order = np.lexsort((scores.odds, scores.p_right))
    suspects = order[scores.p_right[order] < SUSPECT]
    better = suggest_texts(pairs, scores, suspects)
    suggested = {int(row): texts[text] for row, text in zip(suspects, better, strict=True) if text >= 0}
    judged = tuple(
        Judged(
            data.images[pairs.image[row]],
            texts[pairs.text[row]],
            float(scores.p_right[row]),
            suggested.get(int(row), ""),
        )
        for row in order
    )
    return Audit(data.name, model, len(data.images), judged, scores.wrong, data.notes)


def _pairs_of(data: EvaluationSet, texts: list[str]) -> Ints:
    """[p, 2], each pair once."""
    rows = {text: row for row, text in enumerate(texts)}
    found = {(image, rows[text]): None for text, own in zip(data.texts, data.relevant, strict=True) for image in own}
    return np.array(list(found), np.int64).reshape(-1, 2)
