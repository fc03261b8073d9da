"""A model of which a gallery keeps fewer dimensions, so that its vectors take less memory and disk.

These are the principal axes of what the model knows of typical queries and pictures, its bank and its background, each
counting as much. They keep more than the leading dimensions do, even those of a model that was trained to order them
(Matryoshka; Kusupati et al. 2022), as the built-in one was: `python -m benchmarks.compression`. Of a model that was
never calibrated nothing is known, and the leading dimensions are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bouba.encoders.model import Model
from bouba.encoders.sound import Heard
from bouba.errors import QueryError
from bouba.ranking.codes import principal_axes, truncated, unit

if TYPE_CHECKING:
    from bouba.ranking.codes import Floats
    from bouba.types import Pixels, Samples, Vectors

FEWEST = 32  # dimensions: below, little of any model is left


def narrowed(model: Model, dims: int | None) -> Model:
    """The model with `dims` dimensions, or as it is. Raises QueryError for a number that it cannot have."""
    if dims is None or dims == model.dim:
        return model
    if not FEWEST <= dims < model.dim:
        raise QueryError(
            f"{dims} dimensions cannot be kept: {model.name} {model.version} has {model.dim}. "
            f"Keep {FEWEST} to {model.dim}."
        )
    return NarrowModel(model, dims)


class NarrowModel(Model):
    """All vectors that it gives have `dim` dimensions and length 1; cosines are those of the kept dimensions."""

    def __init__(self, whole: Model, dims: int) -> None:
        # Its sessions and tokenizer too, so that nothing is loaded twice; what is cached of its vectors is too long.
        vars(self).update({name: value for name, value in vars(whole).items() if name not in ("bank", "background")})
        self._whole, self._dims = whole, dims

    @property
    def dim(self) -> int:
        return self._dims

    @cached_property
    def fingerprint(self) -> str:
        """Of the whole model and of what decides the kept dimensions."""
        trust, sha256 = self.manifest.trust, self.manifest.sha256
        axes = (sha256[trust.bank], sha256[trust.background]) if trust else ()
        facts = repr((self._whole.fingerprint, self._dims, axes))
        return hashlib.sha256(facts.encode()).hexdigest()[:16]

    def encode_pixels(self, pixels: Sequence[Pixels]) -> Vectors:
        return self.narrow(self._whole.encode_pixels(pixels))

    def encode_grid(self, pixels: Sequence[Pixels]) -> Vectors:
        return self.narrow(self._whole.encode_grid(pixels))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return self.narrow(self._whole.encode_text(texts))

    def encode_sound(self, samples: Samples) -> Heard:
        heard = self._whole.encode_sound(samples)
        return replace(heard, vector=self.narrow(heard.vector), windows=self.narrow(heard.windows))

    @cached_property
    def bank(self) -> Vectors | None:
        return None if self._whole.bank is None else self.narrow(self._whole.bank)

    @cached_property
    def background(self) -> Vectors | None:
        return None if self._whole.background is None else self.narrow(self._whole.background)

    def narrow(self, vectors: Vectors) -> Vectors:
        """Vectors of the whole model [..., dim of the whole] as this one gives them [..., dim]."""
        return truncated(vectors, self._dims) if self._axes is None else unit(vectors @ self._axes)

    @cached_property
    def _axes(self) -> Floats | None:
        """[dim of the whole, dim]."""
        bank, background = self._whole.bank, self._whole.background
        if bank is None or background is None:
            return None
        even = [kind.astype(np.float64) / np.sqrt(len(kind)) for kind in (bank, background)]
        return principal_axes(np.concatenate(even), self._dims)
