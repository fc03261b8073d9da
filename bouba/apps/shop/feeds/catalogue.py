"""Rows of a feed -> products with their variants. A row that is wrong changes nothing and is reported; the others are
taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bouba.apps.shop.feeds.columns import Columns, columns
from bouba.apps.shop.feeds.rows import Row, rows
from bouba.apps.shop.feeds.values import available, category, date, pictures, prices, published, stock
from bouba.apps.shop.product import Offer, Product, Variant
from bouba.apps.shop.text import plain
from bouba.errors import ManifestError

MOST_TITLE, MOST_DESCRIPTION = 500, 5_000  # characters


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be taken."""

    line: int
    product: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return {"line": self.line, "product": self.product, "reason": self.reason}


@dataclass(slots=True)
class Catalogue:
    """All that a feed says. A feed without titles has `offers` for what is there, and no products."""

    products: list[Product] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    unlisted: set[str] = field(default_factory=set)  # keys of products that are not to be shown: drafts
    doubtful: set[str] = field(default_factory=set)  # keys of products of which a row was wrong
    lines: dict[str, int] = field(default_factory=dict)  # key -> where the product begins
    problems: list[Problem] = field(default_factory=list)
    currency: str = ""


def read_feed(path: Path, chosen: Mapping[str, str] | None = None) -> Catalogue:
    """`chosen` says which columns hold a field where their names do not: {"colour": "baseColour"}.

    Raises ManifestError for a file that is no feed, or without a column that is needed."""
    if not path.is_file():
        raise ManifestError(f"There is no feed {path}.")
    taken = list(rows(path))
    names = list(dict.fromkeys(name for row in taken for name in row.cells))
    found = columns(names, chosen or {})
    if not any(found.has(one) for one in ("id", "group", "sku")):
        said = next((row.wrong for row in taken if row.wrong), "")
        raise ManifestError(
            f"{path.name}: no column holds ids (id, handle, sku); there are: {', '.join(names[:60]) or 'none'}."
            + (f" Line {taken[0].line}: {said}." if said else " Name one: --column id=COLUMN.")
        )
    catalogue = Catalogue()
    if found.has("title"):
        _products(taken, found, catalogue)
    else:
        _offers(taken, found, catalogue)
    return catalogue


@dataclass(slots=True)
class _Draft:
    """A product whose rows are being read."""

    product: Product
    variants: dict[str, Variant] = field(default_factory=dict)
    pictures: dict[str, None] = field(default_factory=dict)
    option_names: dict[str, str] = field(default_factory=dict)
    listed: bool = True


def _products(taken: Iterable[Row], found: Columns, catalogue: Catalogue) -> None:
    drafts: dict[str, _Draft] = {}
    currencies: Counter[str] = Counter()
    owners: dict[str, str] = {}  # of variants
    for row in taken:
        key = _key(row, found)
        try:
            if row.wrong:
                raise ValueError(row.wrong)
            _take(row, key, found, drafts, currencies, owners)
            catalogue.lines.setdefault(key, row.line)
        except ValueError as error:
            catalogue.problems.append(Problem(row.line, key, f"{error}."))
            catalogue.doubtful.add(key)
    catalogue.currency = currencies.most_common(1)[0][0] if currencies else ""
    for key, draft in drafts.items():
        _finish(key, draft, catalogue)


def _key(row: Row, found: Columns) -> str:
    return next((text for one in ("group", "id", "sku") if (text := found.text(row.cells, one))), "")[:200]


def _take(
    row: Row, key: str, found: Columns, drafts: dict[str, _Draft], currencies: Counter[str], owners: dict[str, str]
) -> None:
    """Raises ValueError with the reason for which the row is not taken; then nothing was changed."""
    cells = row.cells
    if not key:
        raise ValueError("no id")
    nested = found.value(cells, "variants")
    if nested is not None and (not isinstance(nested, list) or not all(isinstance(one, dict) for one in nested)):
        raise ValueError("variants is no list of objects")
    first = drafts.get(key)
    draft = first or _Draft(_described(cells, key, found))
    names = {**draft.option_names, **{n: str(cells[n]) for n in found.option_names if cells.get(n)}}
    shown = pictures(found.texts(cells, "images") + found.texts(cells, "more_images"))
    made = []
    for number, one in enumerate(nested or [{}]):
        own = columns(one, {}) if one else found
        variant, mark = _variant(one or cells, key, own, names, number if nested else len(draft.variants), shown)
        if nested:
            variant = _filled(variant, one, cells, own, found)
        made.append((variant, mark))
    only_picture = first is not None and not nested and not _sells(cells, found)
    for variant, _ in [] if only_picture else made:
        if variant.key in draft.variants or owners.get(variant.key, key) != key:
            raise ValueError(f"the variant {variant.key!r} stands in the feed twice")
    draft.option_names = names
    draft.listed = draft.listed and published(found.text(cells, "status"), found.text(cells, "published"))
    for variant, mark in [] if only_picture else made:
        draft.variants[variant.key] = variant
        owners[variant.key] = key
        currencies.update([mark] if mark else [])
        shown += [one for one in variant.pictures if one not in shown]
    draft.pictures |= dict.fromkeys(shown)
    draft.product = replace(draft.product, currency=draft.product.currency or next((m for _, m in made if m), ""))
    drafts[key] = draft


def _described(cells: Mapping[str, Any], key: str, found: Columns) -> Product:
    """Raises ValueError for a product without a title."""
    title = found.text(cells, "title")
    if not title:
        raise ValueError("no title")
    return Product(
        key,
        title[:MOST_TITLE],
        (),
        description=plain(found.text(cells, "description"))[:MOST_DESCRIPTION],
        brand=found.text(cells, "brand")[:100],
        category=category(found.texts(cells, "category"), found.texts(cells, "type")),
        gender=found.text(cells, "gender")[:40],
        condition=found.text(cells, "condition")[:40],
        link=found.text(cells, "link")[:2000],
        added=date(found.text(cells, "added")),
        related=tuple(
            part for text in found.texts(cells, "related") for part in text.replace(";", ",").split(",") if part
        ),
        more=found.more(cells),
    )


def _variant(
    cells: Mapping[str, Any], key: str, found: Columns, names: Mapping[str, str], number: int, shown: list[str]
) -> tuple[Variant, str]:
    """And the currency that its price names. Raises ValueError."""
    price, was, mark = prices(cells, found)
    pieces = stock(found.value(cells, "stock"))
    options = {one: found.text(cells, one)[:100] for one in ("colour", "size") if found.text(cells, one)}
    options |= found.options(cells, names)
    own = pictures(found.texts(cells, "variant_images"))
    grouped = bool(found.text(cells, "group")) and not found.option_names
    codes = [found.text(cells, one) for one in ("sku", "id", "gtin", "mpn") if one != "id" or not found.has("sku")]
    variant_key = (found.text(cells, "id") if grouped or not found.has("group") else "") or found.text(cells, "sku")
    return Variant(
        (variant_key or (key if not number else f"{key}#{number + 1}"))[:200],
        price,
        was,
        pieces,
        available(found.value(cells, "availability"), found.text(cells, "policy"), pieces),
        options,
        tuple(dict.fromkeys(code[:100] for code in codes if code)),
        tuple(own or (shown if grouped else ())),
    ), mark


def _filled(
    variant: Variant, one: Mapping[str, Any], cells: Mapping[str, Any], own: Columns, found: Columns
) -> Variant:
    """A variant inside of a product's JSON has what is not said of it from the product."""
    price, was, _ = prices(cells, found)
    if not own.has("price"):
        variant = replace(variant, price=price, was=was)
    if not own.has("stock") and not own.has("availability"):
        pieces = stock(found.value(cells, "stock"))
        there = available(found.value(cells, "availability"), found.text(cells, "policy"), pieces)
        variant = replace(variant, stock=pieces, available=there)
    options = {name: found.text(cells, name) for name in ("colour", "size") if found.text(cells, name)}
    return replace(
        variant,
        options={**options, **variant.options, **own.more(one)},
        pictures=tuple(pictures(own.texts(one, "images") + list(variant.pictures))),
    )


def _sells(cells: Mapping[str, Any], found: Columns) -> bool:
    """Whether a row of a product is a variant of it, and not one more picture."""
    return any(found.text(cells, one) for one in ("sku", "price", "size", "colour", "gtin")) or bool(
        found.options(cells, dict.fromkeys(found.option_names, "option"))
    )


def _finish(key: str, draft: _Draft, catalogue: Catalogue) -> None:
    """A product of one currency; its variants' own pictures stay theirs only where others have others."""
    if not draft.listed:
        catalogue.unlisted.add(key)
        return
    if draft.product.currency and draft.product.currency != catalogue.currency:
        line = catalogue.lines[key]
        reason = f"priced in {draft.product.currency}, and this catalogue is in {catalogue.currency}"
        catalogue.problems.append(Problem(line, key, f"{reason}: prices cannot be compared."))
        catalogue.doubtful.add(key)
        return
    variants = tuple(draft.variants.values())
    if len({one.pictures for one in variants}) == 1:
        variants = tuple(replace(one, pictures=()) for one in variants)
    catalogue.products.append(replace(draft.product, variants=variants, pictures=tuple(draft.pictures), currency=""))


def _offers(taken: Iterable[Row], found: Columns, catalogue: Catalogue) -> None:
    """Of a feed of prices and stock alone."""
    if not any(found.has(one) for one in ("price", "sale_price", "stock", "availability")):
        raise ManifestError("The feed has neither titles nor prices nor stock: there is nothing to import in it.")
    seen: set[str] = set()
    for row in taken:
        key = next((text for one in ("id", "sku", "gtin", "group") if (text := found.text(row.cells, one))), "")
        try:
            if row.wrong or not key or key in seen:
                raise ValueError(row.wrong or ("no id" if not key else "this id stands in the feed twice"))
            catalogue.offers.append(Offer(key, row.line, _changes(row.cells, found)))
            seen.add(key)
        except ValueError as error:
            catalogue.problems.append(Problem(row.line, key, f"{error}."))


def _changes(cells: Mapping[str, Any], found: Columns) -> dict[str, Any]:
    """Empty cells change nothing. Raises ValueError."""
    changes: dict[str, Any] = {}
    if found.value(cells, "price") is not None or found.value(cells, "sale_price") is not None:
        changes["price"], changes["was"], _ = prices(cells, found)
    if (pieces := stock(found.value(cells, "stock"))) is not None:
        changes["stock"] = pieces
    if (said := found.value(cells, "availability")) is not None:
        changes["available"] = available(said, "", changes.get("stock"))
    return changes
