"""Products near a product: those that look like it, and those of other kinds that may be worn or used with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bouba.apps.shop.answers import Found
from bouba.apps.shop.catalogue import Catalogued
from bouba.apps.shop.folding import folded
from bouba.apps.shop.product import Product
from bouba.apps.shop.shelf import Kept
from bouba.apps.shop.text import fold
from bouba.types import Query

if TYPE_CHECKING:
    from bouba import Gallery
    from bouba.types import Result

MOST_PICTURES = 8  # of a product that are looked by
NEAREST = 300  # products of other kinds among which is chosen
AGREED = 0.2  # of a cosine, for a product that agrees in all that both say of themselves
# Colours that go with every other one: what those who sell clothes call neutrals.
NEUTRAL = frozenset(
    "black white grey gray beige brown navy cream ivory tan khaki charcoal silver denim nude taupe".split()
)


def similar(kept: Kept, gallery: Gallery, catalogue: Catalogued, limit: int) -> list[Found]:
    """By its pictures; without any, none."""
    found = _near(kept, gallery, catalogue, limit + 1, None)
    return [one for one in found if one.kept.id != kept.id][:limit]


def goes_with(kept: Kept, gallery: Gallery, catalogue: Catalogued, limit: int) -> list[Found]:
    """First what the feed says itself, in its order; then what can be had of other kinds, for the same people, in a
    colour that fits, by how near it looks and how much of what else the feed says agrees; a kind at a time. This is
    a rule of thumb: what is bought together, a feed without such a column does not tell."""
    ids = catalogue.shelf.ids(kept.product.related)
    told = catalogue.kept([ids[key] for key in kept.product.related if key in ids])
    named = [Found(one, _all(one.product), why=("named by the feed",)) for one in told.values() if one.id != kept.id]
    kind = _kind(kept.product)
    if len(named) >= limit or not kind:
        return named[:limit]
    label = catalogue.vocabulary.labels.get(("category", fold(kind)), kind)
    outside = 'not category has "' + label.replace("\\", "\\\\").replace('"', '""') + '"'
    near = _near(kept, gallery, catalogue, NEAREST, outside if "category" in gallery.fields else None)
    known = {kept.id, *(one.kept.id for one in named)}
    fitting = [one for one in near if one.kept.id not in known and _fits(kept.product, one.product)]
    ranked = sorted(fitting, key=lambda one: -(one.score or 0.0) - AGREED * _agreement(kept.product, one.product))
    return [*named, *_by_turns(ranked)][:limit]


def _near(kept: Kept, gallery: Gallery, catalogue: Catalogued, wanted: int, where: str | None) -> list[Found]:
    items = tuple(gallery.known(list(kept.items.values())[:MOST_PICTURES]))
    if not items:
        return []

    def fetch(count: int) -> Result:
        return gallery.search(Query(like=items), k=count, where=where)

    found = folded(fetch, catalogue.shelf, catalogue.kept, (), wanted).products
    hidden = [rule for rule in catalogue.rules.running(set(), set()) if rule.kind == "hide"]
    return [one for one in found if not any(rule.about(one.product.key, _values(one.product)) for rule in hidden)]


def _fits(one: Product, other: Product) -> bool:
    return (
        _kind(other) != _kind(one)
        and bool(_kind(other))
        and any(variant.available for variant in other.variants)
        and _same_people(one.gender, other.gender)
        and _colours_fit(_colours(one), _colours(other))
    )


def _same_people(one: str, other: str) -> bool:
    genders = {fold(one), fold(other)}
    return len(genders) < 2 or bool(genders & {"", "unisex"})


def _colours_fit(one: set[str], other: set[str]) -> bool:
    """The same, or a neutral one on either side; what is not known does not part."""
    neutral = any(set(colour.split()) & NEUTRAL for colour in (*one, *other))
    return not one or not other or neutral or bool(one & other)


def _agreement(one: Product, other: Product) -> float:
    """The share, from 0 to 1, of what both say in other columns that is the same."""
    shared = set(one.more) & set(other.more)
    return sum(fold(one.more[name]) == fold(other.more[name]) for name in shared) / len(shared) if shared else 0.0


def _by_turns(ranked: Sequence[Found]) -> list[Found]:
    """The best of each kind, then the second of each."""
    turns: dict[str, int] = {}
    placed = []
    for place, one in enumerate(ranked):
        kind = _kind(one.product)
        turns[kind] = turns.get(kind, 0) + 1
        placed.append((turns[kind], place, replace(one, variants=_all(one.product), why=("looks alike",))))
    return [one for _, _, one in sorted(placed, key=lambda row: row[:2])]


def _kind(product: Product) -> str:
    """What is not worn twice at once: the second level of a category path, as Topwear, or the only one."""
    return product.category[1 if len(product.category) > 1 else 0] if product.category else ""


def _colours(product: Product) -> set[str]:
    return {fold(variant.options["colour"]) for variant in product.variants if variant.options.get("colour")}


def _values(product: Product) -> set[tuple[str, str]]:
    return {(name, fold(value)) for one in product.variants for name, value in product.facet_values(one)}


def _all(product: Product) -> tuple[str, ...]:
    return tuple(one.key for one in product.variants)
