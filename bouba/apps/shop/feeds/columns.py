"""What the columns of feeds are called: Shopify's export, Google's product data specification, and plain names.

Shopify: https://help.shopify.com/manual/products/import-export/using-csv. Google:
https://support.google.com/merchants/answer/7052112. Names are compared by their letters and digits alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bouba.errors import ManifestError

NAMES: Mapping[str, str] = {
    "group": "handle urlhandle itemgroupid groupid parentid parentsku",
    "id": "id offerid productid itemid",
    "sku": "variantsku sku",
    "title": "title name productname producttitle",
    "description": "bodyhtml description body longdescription",
    "brand": "vendor brand manufacturer",
    "category": "category categories productcategory googleproductcategory",
    "type": "producttype type",
    "gender": "gender googleshoppinggender targetgender sex",
    "colour": "colour color basecolour basecolor",
    "size": "size",
    "price": "price variantprice regularprice",
    "sale_price": "saleprice",
    "sale_dates": "salepriceeffectivedate",
    "was": "variantcompareatprice compareatprice compareat wasprice listprice rrp msrp",
    "currency": "currency currencycode",
    "stock": "variantinventoryqty inventoryquantity stock quantity qty inventory stockquantity",
    "policy": "variantinventorypolicy continuesellingwhenoutofstock",
    "availability": "availability available instock",
    "gtin": "gtin variantbarcode barcode ean upc isbn",
    "mpn": "mpn",
    "images": "imagelink image imagesrc productimageurl images imageurl imagepath picture pictures photo",
    "more_images": "additionalimagelink additionalimagelinks additionalimages",
    "variant_images": "variantimage variantimageurl",
    "link": "link producturl url",
    "status": "status",
    "published": "published publishedononlinestore",
    "added": "added created createdat dateadded publishedat",
    "condition": "condition googleshoppingcondition",
    "related": "related relatedproducts goeswith boughttogether complementaryproducts",
    "variants": "variants",
}
OPTIONS = 3  # Shopify's
_BY_NAME = {name: field for field, names in NAMES.items() for name in names.split()}
# Columns of an export that say nothing about what a product is.
_NOISE = re.compile(
    "variant|seo|googleshopping|giftcard|costperitem|image|included|price|shipping|tax|customlabel|promotion|excluded|"
    "unitprice|option|weight|adwords|ads|mobilelink|canonical|identifier|installment|subscription|loyalty|minhandling|"
    "maxhandling|tags|split"
)


def columns(names: Iterable[str], chosen: Mapping[str, str]) -> Columns:
    """`chosen`: field -> the feed's column, or several with commas. Raises ManifestError for unknown names."""
    there = list(names)
    if unknown := sorted(set(chosen) - set(NAMES)):
        raise ManifestError(f"{unknown[0]!r} is no field of a product; there are: {', '.join(sorted(NAMES))}.")
    own = {field: [name.strip() for name in named.split(",")] for field, named in chosen.items()}
    if gone := [name for named in own.values() for name in named if there and name not in there]:
        raise ManifestError(f"The feed has no column {gone[0]!r}; it has: {', '.join(there[:60])}.")
    found: dict[str, list[str]] = {}
    for name in there:
        if (field := _BY_NAME.get(_plain(name))) and field not in own:
            found.setdefault(field, []).append(name)
    found |= own
    used = {name for named in found.values() for name in named}
    options = {n: (_one(there, f"option{n}name"), _one(there, f"option{n}value")) for n in range(1, OPTIONS + 1)}
    more = [name for name in there if name not in used and not _NOISE.search(_plain(name))]
    return Columns(found, {pair for pair in options.values() if pair[0] and pair[1]}, more)


class Columns:
    """Where a feed keeps what."""

    def __init__(self, found: Mapping[str, list[str]], options: set[tuple[str, str]], more: list[str]) -> None:
        self._found, self._options, self._more = found, sorted(options), more

    def has(self, field: str) -> bool:
        return field in self._found

    @property
    def option_names(self) -> list[str]:
        """The columns that name a product's options."""
        return [name for name, _ in self._options]

    def text(self, cells: Mapping[str, Any], field: str) -> str:
        """The first of the field's columns that is filled."""
        return next(iter(self.texts(cells, field)), "")

    def texts(self, cells: Mapping[str, Any], field: str) -> list[str]:
        """All that stands in the field's columns."""
        return [text for name in self._found.get(field, ()) for text in _texts(cells.get(name))]

    def value(self, cells: Mapping[str, Any], field: str) -> Any:
        """As it stands: numbers and booleans of JSON stay what they are."""
        filled = (cells[name] for name in self._found.get(field, ()) if cells.get(name) not in (None, ""))
        return next(filled, None)

    def options(self, cells: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
        """Shopify's: the options' names stand in a product's first row alone, which `names` has kept."""
        told = ((names.get(name, ""), cells.get(value)) for name, value in self._options)
        return {_BY_NAME.get(_plain(name), name.strip().lower()): str(value) for name, value in told if name and value}

    def more(self, cells: Mapping[str, Any]) -> dict[str, str]:
        """Other columns, as text."""
        told = ((name, ", ".join(_texts(cells.get(name)))) for name in self._more)
        return {name.strip()[:60]: text[:200] for name, text in told if text}


def _one(names: list[str], plain: str) -> str:
    return next((name for name in names if _plain(name) == plain), "")


def _plain(name: str) -> str:
    """Without a prefix as `g:`, and without what Shopify puts in brackets: where a metafield is kept."""
    return re.sub(r"[\W_]+", "", re.sub(r"\(.*?\)", "", name).rpartition(":")[2].casefold())


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if value is None or isinstance(value, dict):
        return []
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return [] if not text or text.casefold() in ("na", "n/a", "none", "null", "-") else [text]
