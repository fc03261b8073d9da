"""What pictures there are: what scores are held against, and how scores are freed of hubs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bouba.ranking.calibration import Background, Calibration
from bouba.ranking.hubness import hub_bias

if TYPE_CHECKING:
    from bouba import Gallery, Model
    from bouba.types import Vectors

    Floats = npt.NDArray[np.float64]

SAMPLE = 1000  # items, about
FEWEST = 256  # below, pictures of all kinds fill up the sample


@dataclass(frozen=True, slots=True)
class Ground:
    """A random sample of a gallery's pictures, and what the model knows of its own scores."""

    model: Model
    items: int  # in the gallery
    sample: Vectors  # [n, dim], of the gallery, filled up with pictures of all kinds where it is small
    bias: Vectors  # [n], of the sample

    @classmethod
    def of(cls, gallery: Gallery) -> Ground:
        """Ids are hashes of content, so the lowest ids are a random sample."""
        model, items = gallery.model, len(gallery)
        share = min(1.0, SAMPLE / max(items, 1))
        where = f'id < "{int(share * 0xFFFFFFFF):08x}"' if share < 1 else None
        blocks = [vectors for _, vectors in gallery.batches(where)]
        return cls.around(model, np.concatenate(blocks) if blocks else np.empty((0, model.dim), np.float32), items)

    @classmethod
    def around(cls, model: Model, own: Vectors, items: int) -> Ground:
        """From vectors of some pictures [n, dim] of so many. Without any there are those that the model knows."""
        others = model.background
        missing = max(0, FEWEST - len(own))
        sample = np.concatenate([own, others[:missing]]) if others is not None and missing else own
        return cls(model, max(items, 1), sample, biases(model, sample))

    def scores(self, directions: Vectors) -> Floats:
        """[n, k] of the sample with directions [k, dim], freed of hubs."""
        return np.asarray(self.sample @ directions.T - self.bias[:, None], np.float64)

    def background(self, scores: npt.NDArray[np.floating]) -> Background:
        return Background.of(scores) if len(scores) else Background(0.0, 1.0)


def biases(model: Model, vectors: Vectors) -> Vectors:
    """How much of a hub each picture is [n]: what is taken off its scores with texts."""
    bank, calibration = model.bank, model.calibration
    if bank is None or calibration is None or "hubs" not in calibration:
        return np.zeros(len(vectors), np.float32)
    hubs = calibration["hubs"]
    return hub_bias(vectors, bank, neighbours=int(hubs["neighbours"]), strength=float(hubs["strength"]))


def calibration_of(model: Model) -> Calibration | None:
    """What the model's scores with keywords are worth: of those it was asked whether pictures show them, of sentences
    which picture is meant. None where it was never calibrated."""
    kinds = (model.calibration or {}).get("kinds", {})
    record = next((kinds[kind] for kind in ("keywords", "text") if kind in kinds), None)
    return None if record is None else Calibration.of(record)
