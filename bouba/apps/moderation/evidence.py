"""Why a rule is found broken: the nearest pictures that people or the guideline named, and where in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bouba.errors import MediaError, MediaMissing
from bouba.explain import SHOWN_SIDE, Explanation, Heat, Method, crop_maps, grid_maps, seen
from bouba.media import load_image
from bouba.types import Item

if TYPE_CHECKING:
    from PIL.Image import Image

    from bouba import Gallery
    from bouba.apps.moderation.judge import Moderator
    from bouba.apps.moderation.verdict import Judgement
    from bouba.types import ImageSource, Vectors

NEAREST = 4
MOST_MAPS = 3  # rules that maps are made for
Kind = Literal["item", "policy"]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A picture that somebody named, near to the one that was judged."""

    kind: Kind
    name: str  # an item's id, or the name of a picture of the guideline
    breaks: bool
    similarity: float  # cosine

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "breaks": self.breaks, "similarity": round(self.similarity, 4)}


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What there is to show for a judgement."""

    nearest: Mapping[str, tuple[Neighbour, ...]]  # by rule
    heat: Explanation | None  # a map for each of the broken rules, the most severe first

    def to_dict(self) -> dict[str, Any]:
        nearest = {rule: [one.to_dict() for one in all_] for rule, all_ in self.nearest.items()}
        where = {heat.name: heat.where for heat in self.heat.heats} if self.heat is not None else {}
        return {"nearest": nearest, "where": where}

    def png(self, side: int) -> bytes | None:
        """The picture with its maps side by side, each at most so many pixels; None where no rule is broken."""
        if self.heat is None:
            return None
        drawn = self.heat.overlay()
        drawn.thumbnail((side * len(self.heat.heats), side))
        out = BytesIO()
        drawn.save(out, "PNG")
        return out.getvalue()


def picture_of(gallery: Gallery, source: ImageSource | Item) -> Image:
    """Of an item its file, else its thumbnail. Raises MediaError, MediaMissing where there is neither."""
    side = max(SHOWN_SIDE, gallery.model.manifest.image.size)
    if not isinstance(source, Item):
        return load_image(source, side=side).rgb
    try:
        if source.path and "://" not in source.path:
            return load_image(source.path, side=side).rgb
    except MediaError:
        pass  # the file is gone or changed: the thumbnail shows what was judged
    jpeg = gallery.thumbnail(source.id)
    if jpeg is None:
        raise MediaMissing(f"The file of {source.id} is gone, and no thumbnail of it was kept.")
    return load_image(jpeg).rgb


def exhibit(moderator: Moderator, judgement: Judgement, picture: Image, heat: bool) -> Exhibit:
    model = moderator.gallery.model
    vector = model.encode_image([picture])[0]
    rules = [one.rule for one in judgement.findings]
    nearest = {rule: _nearest(moderator, rule, vector, judgement.picture) for rule in rules}
    if not heat or not rules:
        return Exhibit(nearest, None)
    directions = _directions(moderator, rules[:MOST_MAPS], vector)
    method: Method = "grid" if model.manifest.image.grid else "crops"
    maps = (grid_maps if method == "grid" else crop_maps)(model, picture, directions)
    heats = tuple(
        Heat(rule, float(direction @ vector), cells)
        for rule, direction, cells in zip(rules, directions, maps, strict=False)
    )
    item = Item(judgement.picture, "", picture.width, picture.height, 0, "")
    return Exhibit(nearest, Explanation(item, heats, method, picture, seen(model, picture)))


def _directions(moderator: Moderator, rules: Sequence[str], vector: Vectors) -> Vectors:
    """Of each rule the text that fits best [rules, dim]."""
    gauges = {gauge.rule.name: gauge for gauge in moderator.judging().gauges.rules}
    directions = (gauges[rule].shows.directions for rule in rules)
    return np.stack([each[int((each @ vector).argmax())] for each in directions])


def _nearest(moderator: Moderator, rule: str, vector: Vectors, but: str) -> tuple[Neighbour, ...]:
    ids, breaks, vectors = moderator.examples(rule)
    found = [
        Neighbour("item", name, is_breaking, float(row @ vector))
        for name, is_breaking, row in zip(ids, breaks, vectors, strict=True)
        if name != but
    ]
    named, known = moderator.policy.rule(rule), moderator.policy_vectors()
    for pictures, is_breaking in ((named.pictures, True), (named.fine_pictures, False)):
        found += [Neighbour("policy", one.name, is_breaking, float(known[one.digest] @ vector)) for one in pictures]
    return tuple(sorted(found, key=lambda one: -one.similarity)[:NEAREST])
