"""A catalogue -> shelf and gallery: what is as it was costs nothing, and new prices and stock encode nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.apps.shop.feeds import Catalogue, Problem, read_feed
from bouba.apps.shop.pictures import Pictures, forget_unused
from bouba.apps.shop.product import Offer, Product, Variant
from bouba.apps.shop.shelf import CHUNK, Kept, Shelf
from bouba.apps.shop.telling import check_fields, tell
from bouba.apps.shop.text import as_code
from bouba.errors import ManifestError

if TYPE_CHECKING:
    from bouba import Gallery

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class ImportReport:
    """What an import did."""

    added: int = 0  # products
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    encoded: int = 0  # pictures
    told: int = 0  # pictures whose attributes changed
    pictures_removed: int = 0
    without_picture: int = 0  # products of the feed that can be found by words and filters alone
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        names = ("added", "updated", "unchanged", "removed", "encoded", "told", "pictures_removed", "without_picture")
        counts = {name: getattr(self, name) for name in names}
        problems = [problem.to_dict() for problem in self.problems]
        return {**counts, "seconds": round(self.seconds, 3), "problems": problems}


def import_feed(
    gallery: Gallery,
    shelf: Shelf,
    feed: Path,
    *,
    columns: Mapping[str, str] | None = None,
    images: Path | None = None,
    fetch: bool = False,
    prune: bool = False,
    progress: Progress = lambda done, total: None,
) -> ImportReport:
    """One feed, safe to repeat and to stop: the same call goes on. Relative pictures lie below `images`, by default
    beside the feed. `prune` removes products that the feed no longer has.

    Raises ManifestError for a file that is no feed; what is wrong with single rows is in the report."""
    started = time.monotonic()
    check_fields(gallery)
    catalogue = read_feed(feed, columns)
    report = ImportReport(problems=catalogue.problems)
    if catalogue.offers or not (catalogue.products or catalogue.unlisted or catalogue.problems):
        _offered(shelf, catalogue.offers, report)
    if catalogue.products or catalogue.unlisted:
        _same_currency(shelf, catalogue, feed)
        pictures = Pictures(gallery, shelf, images or feed.parent.absolute(), fetch)
        _stocked(shelf, catalogue, pictures, report, progress)
    if prune or catalogue.unlisted:
        gone = _gone(shelf, catalogue, prune, feed)
        report.removed = shelf.remove(gone)
    report.told = tell(gallery, shelf) if len(gallery) else 0
    report.pictures_removed = forget_unused(gallery, shelf) if report.removed or report.updated else 0
    report.problems.sort(key=lambda problem: problem.line)
    report.seconds = time.monotonic() - started
    return report


def _same_currency(shelf: Shelf, catalogue: Catalogue, feed: Path) -> None:
    kept = shelf.currency()
    if kept and catalogue.currency and kept != catalogue.currency and shelf.counts()["product"]:
        raise ManifestError(
            f"{feed.name} is priced in {catalogue.currency}, and this shop in {kept}: prices could not be compared. "
            "Import it into another gallery."
        )
    if catalogue.currency:
        shelf.set_currency(catalogue.currency)


def _stocked(shelf: Shelf, catalogue: Catalogue, pictures: Pictures, report: ImportReport, progress: Progress) -> None:
    """Pictures first, so that a product is never there without those that it can have."""
    products = [_named(product, pictures) for product in catalogue.products]
    taken = pictures.take((source for product in products for source in product.pictures), progress)
    report.encoded = taken.added
    for product in products:
        line = catalogue.lines.get(product.key, 0)
        reasons = (taken.failed[source] for source in product.pictures if source in taken.failed)
        report.problems += [Problem(line, product.key, f"a picture is left out: {reason}") for reason in reasons]
    report.without_picture = sum(all(source in taken.failed for source in one.pictures) for one in products)
    digests = shelf.digests()
    for start in range(0, len(products), CHUNK):
        chunk = [
            _with_kept(one, shelf) if one.key in catalogue.doubtful else one for one in products[start : start + CHUNK]
        ]
        changed = [one for one in chunk if digests.get(one.key) != one.digest]
        if changed:
            shelf.put(changed)
        report.added += sum(one.key not in digests for one in changed)
        report.updated += sum(one.key in digests for one in changed)
        report.unchanged += len(chunk) - len(changed)


def _named(product: Product, pictures: Pictures) -> Product:
    """With each picture as it is known."""
    variants = tuple(replace(one, pictures=tuple(map(pictures.named, one.pictures))) for one in product.variants)
    return replace(product, pictures=tuple(dict.fromkeys(map(pictures.named, product.pictures))), variants=variants)


def _with_kept(product: Product, shelf: Shelf) -> Product:
    """A wrong row changes nothing: variants that only such a row may have named stay as they were."""
    kept = _kept(shelf, [product.key]).get(product.key)
    if kept is None:
        return product
    there = {variant.key for variant in product.variants}
    missing = [variant for variant in kept.product.variants if variant.key not in there]
    return replace(product, variants=(*product.variants, *missing))


def _kept(shelf: Shelf, keys: Iterable[str]) -> dict[str, Kept]:
    ids = shelf.ids(list(keys))
    return {kept.product.key: kept for kept in shelf.kept(list(ids.values())).values()}


def _gone(shelf: Shelf, catalogue: Catalogue, prune: bool, feed: Path) -> list[str]:
    """Keys of products to remove. Raises ManifestError where a feed would empty the shop."""
    if not prune:
        return sorted(catalogue.unlisted)
    if not catalogue.products:
        raise ManifestError(f"Not pruned: {feed.name} has no product that could be read, and nothing would be left.")
    stays = {product.key for product in catalogue.products} | catalogue.doubtful
    return sorted((set(shelf.digests()) - stays) | catalogue.unlisted)


def _offered(shelf: Shelf, offers: list[Offer], report: ImportReport) -> None:
    """Prices and stock of variants that are there, named by their key or by a code that only they have."""
    owners = shelf.variant_owners()
    of_product: dict[int, list[Offer]] = {}
    for offer in offers:
        owner = owners.get(offer.key, owners.get(f"code:{as_code(offer.key)}"))
        if owner is None:
            report.problems.append(Problem(offer.line, offer.key, "no product of the shop has this id or code."))
        else:
            of_product.setdefault(owner, []).append(offer)
    ids = list(of_product)
    for start in range(0, len(ids), CHUNK):
        kept = shelf.kept(ids[start : start + CHUNK])
        now = [(one.product, _repriced(one.product, of_product[id])) for id, one in kept.items()]
        shelf.put([after for before, after in now if after != before])
        report.updated += sum(after != before for before, after in now)
        report.unchanged += sum(after == before for before, after in now)


def _repriced(product: Product, offers: list[Offer]) -> Product:
    by_name = {offer.key: offer for offer in offers} | {f"code:{as_code(offer.key)}": offer for offer in offers}

    own = (product.key,) if len(product.variants) == 1 else ()

    def offered(variant: Variant) -> Variant:
        codes = (*variant.codes, variant.key, *own)
        names = (variant.key, *own, *(f"code:{as_code(code)}" for code in codes))
        offer = next((by_name[name] for name in names if name in by_name), None)
        return variant if offer is None else offer.applied(variant)

    return replace(product, variants=tuple(map(offered, product.variants)))
