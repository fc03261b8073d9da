"""What a shop answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bouba.apps.shop.filters import Filter
from bouba.apps.shop.parsing import Parsed
from bouba.apps.shop.product import Product, Variant
from bouba.apps.shop.shelf import Kept


@dataclass(frozen=True, slots=True)
class Found:
    """A product of an answer."""

    kept: Kept
    variants: tuple[str, ...] = ()  # keys of those that fit the filters, the one that matched best first
    item: str | None = None  # the picture that matched
    score: float | None = None  # its cosine
    probability: float | None = None
    why: tuple[str, ...] = ()  # "code", "pinned", "boosted", ...

    @property
    def product(self) -> Product:
        return self.kept.product

    def to_dict(self) -> dict[str, Any]:
        product, item = self.product, self.item or self.kept.first_item
        pictures = list(dict.fromkeys([*([item] if item else []), *self.kept.items.values()]))
        record = {
            "id": product.key,
            "title": product.title,
            "brand": product.brand,
            "category": list(product.category),
            "link": product.link,
            "item": item,
            "pictures": pictures,
            "price": _range(product.variants),
            "in_stock": any(one.available for one in product.variants),
            "variants": [_variant(one, one.key in self.variants, self.kept) for one in self._ordered()],
            "why": list(self.why),
        }
        judged = {"score": self.score, "probability": self.probability}
        return record | {name: round(value, 4) for name, value in judged.items() if value is not None}

    def _ordered(self) -> list[Variant]:
        """Those that fit first, the best one before all."""
        place = {key: n for n, key in enumerate(self.variants)}
        return sorted(self.product.variants, key=lambda one: place.get(one.key, len(place)))

    def in_full(self) -> dict[str, Any]:
        """With all that is known of the product."""
        product = self.product
        more = {"description": product.description, "gender": product.gender, "condition": product.condition}
        return {
            **self.to_dict(),
            **more,
            "added": self.kept.added,
            "more": dict(product.more),
            "related": list(product.related),
        }


@dataclass(frozen=True, slots=True)
class Facet:
    """Values of a field with how many products have each."""

    field: str
    values: tuple[tuple[str, int], ...] = ()
    range: tuple[float, float] | None = None  # of prices

    def to_dict(self) -> dict[str, Any]:
        if self.range:
            return {"field": self.field, "min": self.range[0], "max": self.range[1]}
        return {"field": self.field, "values": [{"value": value, "count": count} for value, count in self.values]}


@dataclass(frozen=True, slots=True)
class Answer:
    """Products, best first, and how the question was taken."""

    products: tuple[Found, ...]
    total: int  # products that fit the filters
    matches: int  # how many, from the first on, are likely asked for; more may follow on later pages
    parsed: Parsed
    filters: tuple[Filter, ...] = ()  # given beside the sentence
    relaxed: tuple[Filter, ...] = ()  # let go of, as nothing had all that was asked
    found: bool = True  # whether a picture or the words really match; never False for filters alone
    notes: tuple[str, ...] = ()
    facets: tuple[Facet, ...] = ()
    rules: tuple[int, ...] = ()  # that changed the order
    currency: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "found": self.found,
            "total": self.total,
            "matches": self.matches,
            "words": self.parsed.words,
            "looked_for": self.parsed.looked_for,
            "order": self.parsed.order,
            "currency": self.currency,
            "chips": [chip.to_dict(self.currency) for chip in self.parsed.chips],
            "filters": [{**one.to_dict(), "label": one.label(self.currency)} for one in self.filters],
            "relaxed": [{**one.to_dict(), "label": one.label(self.currency)} for one in self.relaxed],
            "notes": list(self.notes),
            "rules": list(self.rules),
            "facets": [facet.to_dict() for facet in self.facets],
            "products": [one.to_dict() for one in self.products],
        }


def _range(variants: tuple[Variant, ...]) -> dict[str, float] | None:
    prices = [one.price for one in variants if one.price is not None]
    return {"min": min(prices), "max": max(prices)} if prices else None


def _variant(one: Variant, fits: bool, kept: Kept) -> dict[str, Any]:
    item = next((kept.items[source] for source in one.pictures if source in kept.items), None)
    return {
        "id": one.key,
        "options": dict(one.options),
        "price": one.price,
        "was": one.was,
        "stock": one.stock,
        "available": one.available,
        "item": item,
        "fits": fits,
    }
