"""Why a picture was found: for each part of a query, how well it matches, and where in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bouba.encoders.model import fit_picture
from bouba.errors import MediaError, MediaMissing, QueryError
from bouba.ingest.reading import content_id
from bouba.media.image import decode_image, read_source
from bouba.ranking.heat import halves, halves_and_thirds, in_words, map_of_crops, map_of_grids, peak
from bouba.types import Item, Query

if TYPE_CHECKING:
    from PIL.Image import Image

    from bouba.encoders import Model
    from bouba.gallery import Gallery
    from bouba.ranking.heat import Floats, Window
    from bouba.types import Pixels, Vectors

Method = Literal["grid", "crops"]
Box = tuple[float, float, float, float]  # pixels: left, top, right, bottom
SHOWN_SIDE = 512  # pixels: a picture is read with a shorter side of at least this


@dataclass(frozen=True, slots=True)
class Heat:
    """One part of a query and one picture."""

    name: str
    score: float  # cosine with the whole picture, as a search finds it
    cells: Floats  # [rows, columns] cosine of each place, less the mean over the picture

    @property
    def peak(self) -> tuple[float, float]:
        """Where it matches best, in shares of the width and the height of what the model saw."""
        return peak(self.cells)

    @property
    def where(self) -> str:
        """The same in words: "upper left"."""
        return in_words(self.cells)

    def to_dict(self) -> dict[str, Any]:
        return {
            "part": self.name,
            "score": round(self.score, 6),
            "where": self.where,
            "peak": [round(share, 4) for share in self.peak],
            "cells": [[round(float(value), 4) for value in row] for row in self.cells],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a picture was found."""

    item: Item
    heats: tuple[Heat, ...]  # one for each part, in the order given
    method: Method  # "grid": the image tower said what stands in each cell of nine windows; "crops": in each of 34
    picture: Image  # RGB, reduced
    box: Box  # the part of `picture` that the model saw, and that the maps cover
    notes: tuple[str, ...] = ()  # what the user should know of the picture

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: the maps as rows of numbers, without the picture."""
        return {
            "id": self.item.id,
            "path": self.item.path,
            "method": self.method,
            "box": [round(share, 4) for share in _shares(self.box, self.picture)],
            "parts": [heat.to_dict() for heat in self.heats],
            "notes": list(self.notes),
        }

    def overlay(self) -> Image:
        """The picture with the map laid over it, once for each part, side by side."""
        from bouba.overlay import overlay

        return overlay(self.picture, self.box, [heat.cells for heat in self.heats])


def explain(
    gallery: Gallery, item: Item, parts: str | Mapping[str, Query | Vectors], *, fetch: bool = False
) -> Explanation:
    """A score and a heat map of `item` for each of `parts`: a name -> a query, or a vector [dim] of length 1; a text
    alone is its own name.

    The picture is read from its file; where that is gone, changed or a URL (unless `fetch`), its thumbnail is used, and
    a note says so. Raises QueryError for no part or an item that is not in the gallery, MediaMissing for a picture
    without file and thumbnail, and what `Gallery.search` raises for a query."""
    named = {parts: Query(parts)} if isinstance(parts, str) else parts
    if not named:
        raise QueryError("Nothing was asked: name a text or a query to explain the picture by.")
    queries = np.stack([gallery.encode(q, fetch=fetch) if isinstance(q, Query) else q for q in named.values()])
    scores = queries @ _vector(gallery, item)
    picture, notes = _picture(gallery, item, fetch)
    model = gallery.model
    box = seen(model, picture)
    method: Method = "grid" if model.manifest.image.grid else "crops"
    maps = (grid_maps if method == "grid" else crop_maps)(model, picture, queries)
    heats = (Heat(name, float(score), cells) for name, score, cells in zip(named, scores, maps, strict=True))
    return Explanation(item, tuple(heats), method, picture, box, notes)


def grid_maps(model: Model, picture: Image, queries: Vectors) -> Floats:
    """Maps [q, rows, columns] for queries [q, dim], from nine runs of an image tower with a grid. Raises ModelMissing
    where it has none."""
    return map_of_grids(model.encode_grid(_through(halves(), model, picture)), queries)


def crop_maps(model: Model, picture: Image, queries: Vectors) -> Floats:
    """Maps [q, 12, 12] for queries [q, dim], from 34 runs of any image tower."""
    return map_of_crops(model.encode_pixels(_through(halves_and_thirds(), model, picture)), queries)


def _through(windows: Sequence[Window], model: Model, picture: Image) -> list[Pixels]:
    left, top, right, bottom = seen(model, picture)
    width, height = right - left, bottom - top
    tower, pixels = model.manifest.image, []
    for x0, y0, x1, y1 in (window.box for window in windows):
        box = (left + x0 * width, top + y0 * height, left + x1 * width, top + y1 * height)
        pixels.append(fit_picture(picture, tower.size, tower.resize, tower.interpolation, box=box))
    return pixels


def seen(model: Model, picture: Image) -> Box:
    """The part of a picture that a model looks at."""
    if model.manifest.image.resize == "squash":
        return 0, 0, picture.width, picture.height
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    return left, top, left + side, top + side


def _vector(gallery: Gallery, item: Item) -> Vectors:
    """The item's own [dim], as it was stored."""
    for _, vectors in gallery.batches(f'id = "{item.id}"'):
        for vector in vectors:
            return np.asarray(vector, np.float32)
    raise QueryError(f"{item.path or item.id} is not in this gallery; add it first.")


def _picture(gallery: Gallery, item: Item, fetch: bool) -> tuple[Image, tuple[str, ...]]:
    """The file as it was added, else its thumbnail and what is wrong with the file."""
    name, side = item.path or item.id, max(SHOWN_SIDE, gallery.model.manifest.image.size)
    if item.path:
        try:
            data = read_source(item.path, fetch=fetch)
            if content_id(data) == item.id:
                return decode_image(data, side=side).rgb, ()
            reason = f"{name}: the file has changed since it was added."
        except MediaError as error:
            reason = str(error)
    else:
        reason = f"{name} was added without a file."
    jpeg = gallery.thumbnail(item.id)
    if jpeg is None:
        raise MediaMissing(f"{reason} No thumbnail of it was kept either; add the picture again.")
    return decode_image(jpeg).rgb, (f"{reason} The map is of its thumbnail, and coarser.",)


def _shares(box: Box, picture: Image) -> list[float]:
    return [length / whole for length, whole in zip(box, (*picture.size, *picture.size), strict=True)]
