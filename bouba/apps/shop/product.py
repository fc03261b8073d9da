"""What a shop sells, as a feed says it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

FACETS = ("category", "brand", "colour", "size", "gender", "condition")  # in the order in which they are shown


MOST_FACET = 100  # characters of a value; longer ones describe, and filter nothing


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that can be put into a basket."""

    key: str  # unique in the catalogue
    price: float | None = None  # in the catalogue's currency
    was: float | None = None  # before a reduction
    stock: int | None = None  # pieces; None where the feed does not count
    available: bool = True
    options: Mapping[str, str] = field(default_factory=dict)  # colour, size, ...
    codes: tuple[str, ...] = ()  # SKU, GTIN, MPN, as written
    pictures: tuple[str, ...] = ()  # that show this one; without any, the product's


@dataclass(frozen=True, slots=True)
class Product:
    """What is shown as one result: all its variants, all its pictures."""

    key: str
    title: str
    variants: tuple[Variant, ...]
    pictures: tuple[str, ...] = ()  # paths or URLs, in their order, those of variants included
    description: str = ""
    brand: str = ""
    category: tuple[str, ...] = ()  # from wide to narrow
    gender: str = ""
    condition: str = ""
    currency: str = ""
    link: str = ""
    added: str = ""  # ISO date; empty where the feed does not tell
    related: tuple[str, ...] = ()  # keys of products that the feed says go with it
    more: Mapping[str, str] = field(default_factory=dict)  # other columns

    @property
    def digest(self) -> bytes:
        """Equal for what is equal in all that a feed says."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).digest()[:16]

    @classmethod
    def of_dict(cls, record: Mapping[str, Any]) -> Product:
        """From `asdict`, by way of JSON."""
        lists = {name: tuple(record[name]) for name in ("pictures", "category", "related")}
        return cls(**{**record, **lists, "variants": tuple(_variant(one) for one in record["variants"])})

    def facet_values(self, variant: Variant) -> list[tuple[str, str]]:
        """(field, value) of all that this variant can be filtered by."""
        own = [("category", value) for value in self.category]
        own += [("brand", self.brand), ("gender", self.gender), ("condition", self.condition)]
        own += [(name, value) for name, value in {**self.more, **variant.options}.items()]
        return [(name, value) for name, value in dict.fromkeys(own) if value and len(value) <= MOST_FACET]

    def shown_by(self, picture: str) -> tuple[Variant, ...]:
        """The variants that a picture stands for: its own, and those that have none; all where it is nobody's."""
        own = tuple(one for one in self.variants if picture in one.pictures)
        bare = tuple(one for one in self.variants if not one.pictures)
        return (*own, *bare) if own else bare or self.variants


@dataclass(frozen=True, slots=True)
class Offer:
    """New facts of a variant that is there: only what the feed has columns for."""

    key: str  # of the variant, or one of its codes
    line: int
    changes: Mapping[str, Any]  # of price, was, stock, available

    def applied(self, variant: Variant) -> Variant:
        """A count of pieces alone says also whether there are any."""
        changed = replace(variant, **self.changes)
        if "stock" in self.changes and "available" not in self.changes and changed.stock is not None:
            changed = replace(changed, available=changed.stock > 0)
        reduced = changed.was is not None and changed.price is not None and changed.was > changed.price
        return changed if reduced else replace(changed, was=None)


def _variant(record: Mapping[str, Any]) -> Variant:
    return Variant(**{**record, "codes": tuple(record["codes"]), "pictures": tuple(record["pictures"])})
