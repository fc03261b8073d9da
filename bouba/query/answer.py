"""An encoded query -> the nearest items of a gallery, and how sure it is that they are what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import ModelBroken
from bouba.query.background import Population, Sample
from bouba.query.wording import DEPTH, Wording
from bouba.ranking.calibration import BEST, FEW_WORDS, Asked, Calibration
from bouba.ranking.feedback import Spread
from bouba.stores.batch import exact_scores
from bouba.types import Hit, Result

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.query.encode import Encoded, Kind
    from bouba.rows import Rows
    from bouba.stores import Found, Store
    from bouba.stores.where import Where
    from bouba.types import Vectors


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item on its way to being a hit."""

    found: Found
    vector: Vectors  # [dim], of length 1
    cosine: float
    probability: float | None = None


class Answering:
    """One generation of a gallery: its store, what its rows mean, and what its scores are worth."""

    def __init__(self, model: Model, store: Store, rows: Rows) -> None:
        self.model, self.store, self.rows = model, store, rows
        self.calibrations = _calibrations(model)
        self.sample = Sample(store, rows, model)
        self._spread: tuple[Population, Spread] | None = None

    def spread(self) -> Spread:
        """How the gallery's pictures lie; made once for each sample of them. Raises QueryError without any."""
        population = self.sample.now()
        if self._spread is None or self._spread[0] is not population:
            self._spread = population, Spread.of(self.rows.vectors(population.rows), population.items)
        return self._spread[1]

    def calibration(self, asked: Encoded) -> Calibration | None:
        """What its scores are judged by. A sound's are those of the few words that would name it."""
        if asked.kind == "image":
            return self.calibrations.get("image")
        few = asked.words <= FEW_WORDS or asked.kind == "sound"
        kinds = ("keywords", "text") if few else ("text", "keywords")
        return next((self.calibrations[kind] for kind in kinds if kind in self.calibrations), None)

    def answer(
        self, asked: Encoded, k: int, where: Where | None, *, raw: bool = False, wording: Wording | None = None
    ) -> Result:
        """The k nearest, and those that `wording` finds. `raw`: by cosine alone, with no say on what matches."""
        query = self.rows.query(asked.vector, correct=not raw and counters_hubs(asked.kind))
        if raw:
            return Result(self._hits(self._candidates(self.store.search(query, k, where), asked), asked), asked.heard)
        found = self.store.search(query, max(k, DEPTH if wording else BEST), where)
        population = self.sample.now()
        background = population.background(query)
        if background is None:
            return Result(self._hits(self._candidates(found[:k], asked), asked), asked.heard)
        if wording is not None:
            found = wording.fused(found, query, background, self.store, where)[: max(k, BEST)]
        return self._judged(asked, self._candidates(found, asked), k, Asked(background, population.items, asked.words))

    def _judged(self, asked: Encoded, candidates: list[Candidate], k: int, known: Asked) -> Result:
        calibration = self.calibration(asked)
        if calibration is None or not candidates:
            return Result(self._hits(candidates[:k], asked), asked.heard)
        scores = np.array([one.found.score for one in candidates])
        chances = calibration.probabilities(scores, known)
        judged = [replace(one, probability=float(p)) for one, p in zip(candidates, chances, strict=True)]
        confidence = calibration.confidence(scores, known)
        return Result(self._hits(judged[:k], asked), asked.heard, confidence, calibration.threshold, calibration.cutoff)

    def _candidates(self, found: Sequence[Found], asked: Encoded) -> list[Candidate]:
        if not found:
            return []
        vectors = self.rows.vectors(np.stack([one.row for one in found]))
        cosines = exact_scores(vectors, asked.vector).clip(-1.0, 1.0)
        return [Candidate(*three) for three in zip(found, vectors, cosines.tolist(), strict=True)]

    def _hits(self, candidates: list[Candidate], asked: Encoded) -> tuple[Hit, ...]:
        windows = asked.moments is not None and len(asked.moments.starts) > 1
        return tuple(
            Hit(
                rank,
                one.cosine,
                one.found.item,
                asked.moments.best(one.vector) if asked.moments is not None and windows else None,
                one.probability,
                vector=one.vector,
            )
            for rank, one in enumerate(candidates, 1)
        )


def counters_hubs(kind: Kind) -> bool:
    """Whether hubs are countered: the bank of a model is of texts, and says nothing of pictures near a picture."""
    return kind != "image"


def _calibrations(model: Model) -> Mapping[str, Calibration]:
    """By kind of query: "text", "keywords", "image"."""
    record = model.calibration
    if record is None:
        return {}
    try:
        return {kind: Calibration.of(one) for kind, one in record["kinds"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelBroken(f"{model.folder}: the calibration cannot be read ({error}). Calibrate it anew.") from error
