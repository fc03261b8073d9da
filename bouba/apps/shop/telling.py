"""What the gallery is told of each picture: its attributes, by which it is filtered and found by words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bouba.apps.shop.filters import TOLD
from bouba.apps.shop.product import Product, Variant
from bouba.apps.shop.shelf import CHUNK, Shelf
from bouba.apps.shop.text import fold
from bouba.errors import AttributeTypeError
from bouba.types import AttributeType

if TYPE_CHECKING:
    from bouba import Gallery

TYPES: Mapping[str, AttributeType] = {
    **dict.fromkeys(("title", "description"), AttributeType.TEXT),
    **dict.fromkeys(("product_id", "sku", *TOLD), AttributeType.TEXTS),
    **dict.fromkeys(("price", "price_max"), AttributeType.NUMBER),
    **dict.fromkeys(("in_stock", "on_sale"), AttributeType.BOOLEAN),
}
NAMES = tuple(TYPES)
MOST_WORDS = 2_000  # characters of a description that are searched


def check_fields(gallery: Gallery) -> None:
    """Raises AttributeTypeError where pictures of the gallery have attributes by these names and of other types."""
    there = gallery.fields
    for name, wanted in TYPES.items():
        if there.get(name, wanted) != wanted:
            raise AttributeTypeError(
                f"This gallery has an attribute {name!r} that is a {there[name]}, and a shop's is a {wanted}. Import "
                "the catalogue into a gallery of its own."
            )


def tell(gallery: Gallery, shelf: Shelf) -> int:
    """Bring the attributes of pictures up to date; no picture is read or encoded. Returns how many changed.

    What was told last is known by its digest, so that only changes reach the gallery."""
    changed = 0
    labels = {(field, key): label for field, key, label, _ in shelf.vocabulary()}
    for items in _batches(shelf):
        now = {item: _attributes(shown, labels) for item, shown in _shown(shelf, items).items()}
        digests = {item: _digest(attributes) for item, attributes in now.items()}
        news = {item: now[item] for item, told in items.items() if item in now and told != digests[item]}
        if not news:
            continue
        changed += gallery.update(news)
        with shelf.db.writing() as db:
            db.executemany("UPDATE item SET told = ? WHERE id = ?", [(digests[item], item) for item in news])
    return changed


def _batches(shelf: Shelf) -> Iterator[dict[str, bytes | None]]:
    """Items with the digest of what was told of them."""
    last = ""
    while True:
        with shelf.db.reading() as db:
            rows = db.execute(
                "SELECT id, told FROM item WHERE id > ? ORDER BY id LIMIT ?", [last, 4 * CHUNK]
            ).fetchall()
        if not rows:
            return
        yield dict(rows)
        last = rows[-1][0]


def _shown(shelf: Shelf, items: Iterable[str]) -> dict[str, list[tuple[Product, tuple[Variant, ...]]]]:
    """Item -> the products that it shows, with the variants of each that it stands for."""
    owners = shelf.products_of(list(items))
    kept = shelf.kept(list({product for pairs in owners.values() for product, _ in pairs}))
    return {
        item: [(kept[one].product, kept[one].product.shown_by(source)) for one, source in pairs if one in kept]
        for item, pairs in owners.items()
    }


def _attributes(
    shown: list[tuple[Product, tuple[Variant, ...]]], labels: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """Of a picture of several products: the first one's words, and all their values."""
    variants = [(product, variant) for product, some in shown for variant in some]
    values: dict[str, dict[str, None]] = {name: {} for name in TOLD}
    for product, variant in variants:
        for name, value in product.facet_values(variant):
            if name in values:
                values[name][labels.get((name, fold(value)), value)] = None
    prices = [variant.price for _, variant in variants if variant.price is not None]
    codes = dict.fromkeys(code for _, variant in variants for code in (*variant.codes, variant.key))
    return {
        "title": shown[0][0].title if shown else None,
        "description": (shown[0][0].description[:MOST_WORDS] or None) if shown else None,
        "product_id": tuple(product.key for product, _ in shown) or None,
        "sku": tuple(codes) or None,
        **{name: tuple(told) or None for name, told in values.items()},
        "price": min(prices, default=None),
        "price_max": max(prices, default=None),
        "in_stock": any(variant.available for _, variant in variants),
        "on_sale": any(variant.was is not None for _, variant in variants),
    }


def _digest(attributes: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(attributes, sort_keys=True).encode()).digest()[:16]
