"""A shopper's question -> products: filters read from the sentence, pictures and words ranked by the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bouba.apps.shop.answers import Answer, Facet, Found
from bouba.apps.shop.catalogue import Catalogued
from bouba.apps.shop.filters import Filter, relaxations, where
from bouba.apps.shop.folding import Folded, folded
from bouba.apps.shop.parsing import Parsed, parse
from bouba.apps.shop.product import FACETS
from bouba.apps.shop.ruling import ruled
from bouba.apps.shop.text import as_code, words
from bouba.errors import QueryError
from bouba.types import Query

if TYPE_CHECKING:
    from bouba import Gallery
    from bouba.types import ImageSource, Result

MOST_LIMIT, MOST_OFFSET, MOST_FILTERS = 100, 1_000, 30
LONGEST_WORD = 60  # characters of one that may be misspelt: of a longer one nothing is near
SHORTEST_CODE = 3  # characters
CODE_PIECES = 4  # of a sentence that may make up one code
FACET_VALUES = 50
MORE_FACETS = (2, 40)  # values of another column from which and up to which it is one to filter by


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked. Raises QueryError for limits that are none."""

    text: str = ""
    image: ImageSource | None = None
    filters: tuple[Filter, ...] = ()
    limit: int = 24
    offset: int = 0
    exact: bool = False  # the sentence as it is: no filters read, nothing corrected
    facets: bool = True
    relax: bool = True
    fetch: bool = False  # an address as the picture may be read
    text_weight: float = 1.0
    image_weight: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST_LIMIT or not 0 <= self.offset <= MOST_OFFSET:
            raise QueryError(f"Ask for 1 to {MOST_LIMIT} products, from place 0 to {MOST_OFFSET:,} on.")
        if len(self.filters) > MOST_FILTERS:
            raise QueryError(f"{len(self.filters)} filters; the limit is {MOST_FILTERS}.")


class Searching:
    """One question to one shop."""

    def __init__(self, ask: Ask, gallery: Gallery, catalogue: Catalogued) -> None:
        text = " ".join(ask.text.encode(errors="replace").decode().split())
        self.ask, self.gallery, self.catalogue, self.shelf = ask, gallery, catalogue, catalogue.shelf
        self.parsed = parse(text, catalogue.vocabulary, exact=ask.exact)
        self.notes: list[str] = []

    def answer(self) -> Answer:
        """Raises QueryError, and what `Gallery.search` raises."""
        asked = (*self.parsed.filters, *self.ask.filters)
        filters, relaxed = self._relaxed(asked)
        total = self.shelf.count(filters)
        wanted = self.ask.offset + self.ask.limit
        found = self._found(filters, wanted)
        products, coded = self._coded_first(found.products)
        matches = found.matches + coded if self._ranks else len(products)
        rules = self.catalogue.rules.running(set(words(self.parsed.sentence)), self._categories(filters))
        shown = ruled(products, matches, rules, lambda keys: self._allowed(keys, filters), bool(self.parsed.order))
        self.catalogue.rules.count(shown.used)
        page = shown.products[self.ask.offset : wanted]
        likely = found.found or coded > 0
        if self._ranks and not likely and page:
            self.notes.append("Nothing in the shop clearly matches; these come nearest.")
        return Answer(
            tuple(page),
            total,
            shown.matches if likely else 0,
            self.parsed,
            self.ask.filters,
            tuple(relaxed),
            likely,
            (*self.notes, *found.notes, *self._about_money()),
            self._facets(filters) if self.ask.facets else (),
            shown.used,
            self.catalogue.currency,
        )

    @property
    def _ranks(self) -> bool:
        """Whether there is anything to rank by."""
        return bool(self.parsed.looked_for) or self.ask.image is not None

    def _relaxed(self, asked: Sequence[Filter]) -> tuple[list[Filter], list[Filter]]:
        """The filters that are kept, and those let go of because no product fits all."""
        if not asked or not self.ask.relax or self.shelf.count(asked):
            return list(asked), []
        for dropped in relaxations(asked):
            kept = [one for one in asked if one not in dropped]
            if self.shelf.count(kept):
                said = ", ".join(one.label(self.catalogue.currency) for one in dropped)
                self.notes.append(f"No product has all of that. Let go of: {said}.")
                return kept, dropped
        return list(asked), []

    def _found(self, filters: Sequence[Filter], wanted: int) -> Folded:
        by_filters = not self._ranks or (self.parsed.order and not self.parsed.words and self.ask.image is None)
        if by_filters or not len(self.gallery):
            return (
                self._by_words(Folded(found=not self._ranks), filters)
                if self._ranks and not by_filters
                else self._listed(filters, wanted)
            )
        found = self._by_words(self._ranked(filters, wanted), filters)
        if not self.parsed.order:
            return found
        likely = found.products[: found.matches]
        return replace(found, products=sorted(likely, key=self._order_key))

    def _ranked(self, filters: Sequence[Filter], wanted: int) -> Folded:
        ask, text = self.ask, self.parsed.looked_for or None
        query = Query(text, ask.image, text_weight=ask.text_weight, image_weight=ask.image_weight)
        condition = where(filters, self.gallery.fields, self.catalogue.vocabulary.labels)

        exact = ask.exact or any(len(word) > LONGEST_WORD for word in (text or "").split())

        def fetch(count: int) -> Result:
            return self.gallery.search(query, k=count, where=condition, exact=exact, fetch=ask.fetch)

        return folded(fetch, self.shelf, self.catalogue.kept, filters, wanted)

    def _by_words(self, found: Folded, filters: Sequence[Filter]) -> Folded:
        """With the products that no picture shows and whose title has all the words, after those that match."""
        said = set(words(self.parsed.looked_for))
        ids = [one for one, title in self.catalogue.bare() if said and said <= title]
        fits = self.shelf.fits(filters, ids)
        kept = self.catalogue.kept(list(fits))
        bare = [Found(kept[one], tuple(keys), why=("words",)) for one, keys in fits.items() if one in kept]
        if not bare:
            return found
        head, tail = found.products[: found.matches], found.products[found.matches :]
        return Folded([*head, *bare, *tail], found.matches + len(bare), True, found.notes)

    def _listed(self, filters: Sequence[Filter], wanted: int) -> Folded:
        """By price, or the newest first."""
        ids = self.shelf.ordered(filters, self.parsed.order, wanted + 200)  # so that rules have something to move
        fits, kept = self.shelf.fits(filters, ids), self.catalogue.kept(ids)
        products = [Found(kept[one], tuple(fits[one])) for one in ids if one in kept and one in fits]
        return Folded(products, len(products))

    def _order_key(self, one: Found) -> tuple[bool, float | str]:
        prices = [v.price for v in one.product.variants if v.key in one.variants and v.price is not None]
        if self.parsed.order == "new":
            return False, "".join(chr(255 - ord(c)) for c in one.kept.added)
        return not prices, min(prices, default=0.0) if self.parsed.order == "price" else -max(prices, default=0.0)

    def _coded_first(self, products: list[Found]) -> tuple[list[Found], int]:
        """What the sentence names by a code stands first, whatever it looks like; and how many."""
        named = self.shelf.coded(list(_codes(self.parsed)))
        fits = self.shelf.fits(self.ask.filters, [product for product, _ in named])
        variants: dict[int, list[str]] = {}
        for product, key in named:
            if key in fits.get(product, ()):
                variants.setdefault(product, []).append(key)
        kept = self.catalogue.kept(list(variants))
        first = [Found(kept[one], tuple(keys), why=("code",)) for one, keys in variants.items() if one in kept]
        return [*first, *(one for one in products if one.kept.id not in variants)], len(first)

    def _allowed(self, keys: Sequence[str], filters: Sequence[Filter]) -> list[Found]:
        """Those of some products that are there and fit."""
        ids = self.shelf.ids(keys)
        fits = self.shelf.fits(filters, list(ids.values()))
        kept = self.catalogue.kept(list(fits))
        return [Found(kept[ids[key]], tuple(fits[ids[key]])) for key in keys if ids.get(key) in kept]

    def _categories(self, filters: Sequence[Filter]) -> set[str]:
        return {key for one in filters if one.field == "category" and one.op == "is" for key in one.sought}

    def _facets(self, filters: Sequence[Filter]) -> tuple[Facet, ...]:
        """Counts of products that fit; of a field that was chosen from, as if nothing had been chosen there."""
        chosen = set(self.ask.filters)

        def beside(name: str) -> list[Filter]:
            return [one for one in filters if one.field != name or one not in chosen]

        fewest, most = MORE_FACETS
        more = sorted(
            name for name, count in self.catalogue.sizes.items() if name not in FACETS and fewest <= count <= most
        )
        facets = [Facet(name, tuple(self.shelf.facet(name, beside(name), FACET_VALUES))) for name in (*FACETS, *more)]
        prices = Facet("price", range=self.shelf.price_range(beside("price")))
        return (*([prices] if prices.range else []), *(facet for facet in facets if facet.values))

    def _about_money(self) -> list[str]:
        here, said = self.catalogue.currency, self.parsed.currency
        return [f"Prices here are in {here}: {said} was read as {here}."] if here and said and here != said else []


def _codes(parsed: Parsed) -> list[str]:
    """What may be a code in the words that no filter was made of: with a digit in it, or the one word that there is."""
    pieces = parsed.words.split()
    found = [as_code(parsed.sentence)] if len(parsed.sentence.split()) == 1 else []
    for size in range(min(CODE_PIECES, len(pieces)), 0, -1):
        for start in range(len(pieces) - size + 1):
            code = as_code("".join(pieces[start : start + size]))
            found += [code] if any(c.isdigit() for c in code) else []
    return [code for code in dict.fromkeys(found) if len(code) >= SHORTEST_CODE]
