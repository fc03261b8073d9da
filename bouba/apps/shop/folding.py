"""Pictures that a gallery finds -> products, each once, with the variant that its picture shows first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bouba.apps.shop.answers import Found
from bouba.apps.shop.filters import Filter
from bouba.apps.shop.shelf import Kept, Shelf
from bouba.types import Hit, Result

MOST_HITS = 10_000  # pictures that are looked at for one answer
GROWTH = 4

Fetch = Callable[[int], Result]
KeptOf = Callable[[Sequence[int]], Mapping[int, Kept]]


@dataclass(frozen=True, slots=True)
class Folded:
    """Products by relevance, and what the gallery said."""

    products: list[Found] = field(default_factory=list)
    matches: int = 0  # of them, from the first on, that are likely asked for
    found: bool = True
    notes: tuple[str, ...] = ()


def folded(fetch: Fetch, shelf: Shelf, kept_of: KeptOf, filters: Sequence[Filter], wanted: int) -> Folded:
    """At least `wanted` products that fit, where there are as many; `fetch` gives that many pictures."""
    hits = min(MOST_HITS, max(200, GROWTH * wanted))
    while True:
        result = fetch(hits)
        products, matches = _fold(result, shelf, kept_of, filters)
        if len(products) >= wanted or len(result.hits) < hits or hits >= MOST_HITS:
            return Folded(products, matches, result.found, result.notes)
        hits = min(MOST_HITS, GROWTH * hits)


def _fold(result: Result, shelf: Shelf, kept_of: KeptOf, filters: Sequence[Filter]) -> tuple[list[Found], int]:
    shown = [(hit, item.id) for hit in result.hits for item in (hit.item, *hit.duplicates)]
    owners = shelf.products_of([item for _, item in shown])
    candidates = list(dict.fromkeys(product for _, item in shown for product, _ in owners.get(item, ())))
    fits, kept = shelf.fits(filters, candidates), kept_of(candidates)
    likely = {hit.id for hit in result.matches}
    found: dict[int, Found] = {}
    matches = 0
    for hit, item in shown:
        for product, source in owners.get(item, ()):
            if product in found or product not in fits or product not in kept:
                continue
            if (one := _of_hit(hit, item, kept[product], source, fits[product])) is not None:
                found[product] = one
                matches += hit.id in likely
    return list(found.values()), matches


def _of_hit(hit: Hit, item: str, kept: Kept, source: str, fitting: Sequence[str]) -> Found | None:
    """None where the picture shows none of the variants that fit: another picture of the product may."""
    shown = [one.key for one in kept.product.shown_by(source) if one.key in fitting]
    if not shown:
        return None
    rest = [key for key in fitting if key not in shown]
    return Found(kept, (*shown, *rest), item, hit.score, hit.probability)
