"""A gallery whose pictures are a shop's products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.apps import file_of
from bouba.apps.shop.answers import Answer, Found
from bouba.apps.shop.catalogue import Catalogued
from bouba.apps.shop.importing import ImportReport, import_feed
from bouba.apps.shop.parsing import Parsed, parse
from bouba.apps.shop.related import goes_with, similar
from bouba.apps.shop.searching import Ask, Searching
from bouba.apps.shop.shelf import Kept, Shelf
from bouba.apps.shop.text import as_code
from bouba.errors import GalleryMissing, QueryError

if TYPE_CHECKING:
    from types import TracebackType

    from bouba import Gallery
    from bouba.apps.shop.rules import Rules

MOST_RELATED = 50


class ShopMissing(GalleryMissing):
    """No catalogue was imported into this gallery."""


class ProductMissing(QueryError):
    """No product of this id."""


class Shop:
    """Products of a gallery. What it keeps lies in `shop.sqlite` beside the gallery, which stays the caller's to close.

    Raises QueryError for a gallery in memory, which has no place."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self._path = file_of(gallery, "shop")
        self._shelf = Shelf(self._path)
        self._catalogue = Catalogued(self._shelf)

    def import_feed(
        self,
        feed: str | Path,
        *,
        columns: Mapping[str, str] | None = None,
        images: str | Path | None = None,
        fetch: bool = False,
        prune: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> ImportReport:
        """A catalogue, or prices and stock alone. `columns` says where fields are whose names do not tell it:
        {"colour": "baseColour", "category": "masterCategory,articleType"}. Relative pictures lie below `images`, by
        default beside the feed; addresses are read only with `fetch`. `prune` drops products that are gone.

        Raises ManifestError for a file that is no feed, AttributeTypeError for a gallery whose attributes are of other
        types. Single rows and pictures that cannot be used are problems of the report."""
        folder = Path(images).absolute() if images is not None else None
        return import_feed(
            self.gallery, self._shelf, Path(feed), columns=columns, images=folder, fetch=fetch, prune=prune,
            progress=progress,
        )  # fmt: skip

    def search(self, ask: Ask | str) -> Answer:
        """Raises ShopMissing, QueryError, and for a picture MediaError."""
        asked = Ask(ask) if isinstance(ask, str) else ask
        return Searching(asked, self.gallery, self._there()).answer()

    def parse(self, sentence: str) -> Parsed:
        """How a sentence would be understood. Raises ShopMissing."""
        return parse(sentence, self._there().vocabulary)

    def product(self, key: str) -> Found:
        """By its id, or a code that it alone has. Raises ShopMissing, ProductMissing."""
        kept = self._kept(key)
        return Found(kept, tuple(variant.key for variant in kept.product.variants))

    def similar(self, key: str, limit: int = 12) -> list[Found]:
        """Products that look like one. Raises as `product` does."""
        return similar(self._kept(key), self.gallery, self._there(), _checked(limit))

    def goes_with(self, key: str, limit: int = 12) -> list[Found]:
        """Products of other kinds that go with one. Raises as `product` does."""
        return goes_with(self._kept(key), self.gallery, self._there(), _checked(limit))

    @property
    def rules(self) -> Rules:
        """Raises ShopMissing."""
        return self._there().rules

    @property
    def is_there(self) -> bool:
        """Whether a catalogue was imported."""
        return self._path.exists()

    def info(self) -> dict[str, Any]:
        """JSON-ready facts. Raises ShopMissing."""
        catalogue = self._there()
        counts = self._shelf.counts()
        return {
            "gallery": self.gallery.uri,
            "products": counts["product"],
            "variants": counts["variant"],
            "pictures": counts["picture"],
            "without_picture": len(catalogue.bare()),
            "currency": catalogue.currency,
            "fields": {name: count for name, count in sorted(catalogue.sizes.items())},
            "rules": len(catalogue.rules.all()),
        }

    def close(self) -> None:
        if self.is_there:
            self._catalogue.rules.flush()
        self._shelf.close()

    def __enter__(self) -> Shop:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _there(self) -> Catalogued:
        if not self.is_there:
            raise ShopMissing(f"No catalogue was imported into {self.gallery.uri}: bouba shop import FEED.")
        return self._catalogue

    def _kept(self, key: str) -> Kept:
        catalogue = self._there()
        plain = key.encode(errors="replace").decode()
        ids = list(self._shelf.ids([plain]).values())
        if not ids:
            ids = list(dict.fromkeys(product for product, _ in self._shelf.coded([as_code(plain)])))
        if len(ids) != 1:
            raise ProductMissing(f"{plain[:80]!r} is the id or code of {len(ids) or 'no'} products.")
        return catalogue.kept(ids)[ids[0]]


def _checked(limit: int) -> int:
    if not 1 <= limit <= MOST_RELATED:
        raise QueryError(f"limit is {limit}; ask for 1 to {MOST_RELATED} products.")
    return limit
