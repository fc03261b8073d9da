"""What is kept in memory of a shelf, until a change of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from bouba.apps.shop.rules import Rules
from bouba.apps.shop.shelf import Kept, Shelf
from bouba.apps.shop.text import words
from bouba.apps.shop.vocabulary import Vocabulary, doubted

MOST_KEPT = 20_000  # products
MOST_TITLES = 20_000  # by which brands are told from words


class _Edition:
    """Of one state of the shelf."""

    def __init__(self, shelf: Shelf, number: int) -> None:
        self.number, self.currency = number, shelf.currency()
        values = shelf.vocabulary()
        self.sizes = Counter(field for field, *_ in values)  # field -> values
        brands = {key for field, key, *_ in values if field == "brand"}
        titles = [(id, set(words(title))) for id, title in shelf.titles(MOST_TITLES)] if brands else []
        said = set().union(*(title for _, title in titles)) if titles else set()
        holding = {key: shelf.holding("brand", key) for key in brands if set(words(key)) <= said}
        self.vocabulary = Vocabulary(values, doubted(values, titles, holding))
        self.kept: dict[int, Kept] = {}
        self.bare: list[tuple[int, set[str]]] | None = None


class Catalogued:
    """A shelf with its vocabulary and the products that were asked for lately. Safe for threads."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.rules = Rules(shelf.db)
        self._lock = threading.Lock()
        self._edition: _Edition | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        return self._now().vocabulary

    @property
    def currency(self) -> str:
        return self._now().currency

    @property
    def sizes(self) -> Mapping[str, int]:
        """Field -> how many values it has."""
        return self._now().sizes

    def kept(self, ids: Sequence[int]) -> dict[int, Kept]:
        edition = self._now()
        known = edition.kept
        found = {id: known[id] for id in ids if id in known}
        if missing := [id for id in dict.fromkeys(ids) if id not in found]:
            read = self.shelf.kept(missing)
            found |= read
            if len(known) + len(read) > MOST_KEPT:
                edition.kept = {}
            edition.kept.update(read)
        return found

    def bare(self) -> list[tuple[int, set[str]]]:
        """Products that no picture shows, with the words of their titles and brands."""
        edition = self._now()
        if edition.bare is None:
            edition.bare = [(id, set(words(f"{title} {brand}"))) for id, title, brand in self.shelf.without_pictures()]
        return edition.bare

    def _now(self) -> _Edition:
        number = self.shelf.edition()
        with self._lock:
            if self._edition is None or self._edition.number != number:
                self._edition = _Edition(self.shelf, number)
            return self._edition
