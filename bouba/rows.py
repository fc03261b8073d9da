"""How a gallery's store keeps vectors: each with the bias that counters hubs, in one row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.errors import ModelBroken
from bouba.ranking.hubness import hub_bias, pack_query, pack_rows, row_length, unpack_rows

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.types import Vectors

NONE = "none"  # of a model that was never calibrated: all biases are 0


class Rows:
    """Vectors [n, dim] <-> rows [n, length] of one gallery.

    `kept` is what the gallery's description says of its biases: None in galleries of bouba 1.0, whose rows are the
    vectors alone. Where it names other biases than the model's, they are left out of account."""

    def __init__(self, model: Model, kept: str | None) -> None:
        self._model = model
        self.plain = kept is None
        self.length = model.dim if self.plain else row_length(model.dim)
        self.corrects = kept == hubs_id(model) != NONE

    @classmethod
    def of(cls, meta: Mapping[str, Any] | None, model: Model) -> Rows:
        """Of a gallery with this description, or of a new one."""
        return cls(model, hubs_id(model) if meta is None else meta.get("hubs"))

    def pack(self, vectors: Vectors) -> Vectors:
        """Unit vectors as rows to store."""
        if self.plain:
            return vectors
        bank = self._model.bank
        if bank is None:
            return pack_rows(vectors, np.zeros(len(vectors), np.float32))
        return pack_rows(vectors, hub_bias(vectors, bank, **_hubs(self._model)))

    def vectors(self, rows: Vectors) -> Vectors:
        """The unit vectors of stored rows."""
        return rows if self.plain else unpack_rows(rows, self._model.dim)[0]

    def query(self, vector: Vectors, *, correct: bool) -> Vectors:
        """What to ask the store for a unit vector [dim]; its scores are cosines, less each item's bias where that is
        to be corrected and can be."""
        return vector if self.plain else pack_query(vector, 1.0 if correct and self.corrects else 0.0)


def hubs_id(model: Model) -> str:
    """What decides an item's bias, beside its vector."""
    trust = model.manifest.trust
    if trust is None:
        return NONE
    facts = repr((model.manifest.sha256[trust.bank], sorted(_hubs(model).items())))
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _hubs(model: Model) -> dict[str, Any]:
    try:
        hubs = (model.calibration or {})["hubs"]
        return {"neighbours": int(hubs["neighbours"]), "strength": float(hubs["strength"])}
    except (KeyError, TypeError, ValueError) as error:
        raise ModelBroken(
            f"{model.folder}: the calibration says nothing of hubs ({error}). Calibrate it anew."
        ) from error
