"""One model and one store: add pictures, search them, delete them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.encoders import Model, load_model
from bouba.errors import GalleryBroken, GalleryMissing, ModelMismatch, ModelMissing, QueryError, StoreError
from bouba.ingest import Report, expand, ingest, listed
from bouba.ingest.pipeline import settle_files
from bouba.media import load_image, load_text
from bouba.ranking.compose import weighted_mean
from bouba.stores import Store, open_store
from bouba.stores.ledger import Ledger
from bouba.stores.where import Where, parse_where
from bouba.types import ITEM_FIELDS, AttributeType, Hit, Item, Query, Result

if TYPE_CHECKING:
    from bouba.types import AttributeValue, ImageSource, Vectors

FORMAT = 1
MAX_K = 10_000


def open(uri: str | Path, model: Model | str | Path | None = None, *, must_exist: bool = False) -> Gallery:
    """The gallery at a place: a folder's path, or `memory://`. It is made at the first `add`.

    `model`: a model folder or a loaded Model; by default the gallery's own, for a new gallery the built-in one.
    Raises ModelMismatch if the gallery was made by another model, GalleryMissing if it `must_exist` and does not."""
    uri = str(uri)
    if "://" not in uri:
        uri = os.path.abspath(os.path.expanduser(uri))
    store = open_store(uri)
    meta = store.read_meta()
    if meta is None and must_exist:
        raise GalleryMissing(f"There is no gallery at {uri}. Make one with: bouba add FOLDER --gallery {uri}")
    if not isinstance(model, Model):
        model = _load_model(uri, meta, model)
    if meta is not None:
        _check_model(uri, meta, model)
    folder = Path(uri.removeprefix("file://")) if not uri.startswith("memory://") else None
    return Gallery(uri, open_store(uri, model.dim), model, Ledger(folder / "ledger.sqlite" if folder else None))


class Gallery:
    """A collection of pictures that can be searched. Make one with `bouba.open`."""

    def __init__(self, uri: str, store: Store, model: Model, ledger: Ledger) -> None:
        self.uri = uri
        self.model = model
        self._store = store
        self._ledger = ledger

    def add(
        self,
        sources: ImageSource | Iterable[ImageSource],
        attributes: Mapping[str, AttributeValue] | None = None,
        *,
        prune: bool = False,
        fetch: bool = False,
        image_column: str | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Report:
        """Add folders (recursive), manifests (jsonl, csv, parquet), files, URLs, bytes or PIL images.

        What is in the gallery already costs no encoding: the content hash decides. `attributes` go to every picture
        added; `prune` drops pictures whose file is gone from the folders named; URLs are read only with `fetch`;
        `progress` is called with the number of sources that are safely stored and the number of all."""
        named = listed(sources)
        entries = list(expand(named, attributes, image_column))
        if self._store.read_meta() is None:
            self._store.write_meta(_new_meta(self.model))
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress(done, len(entries))

        report = ingest(entries, self._store, self._ledger, self.model, fetch=fetch, progress=advance)
        if prune:
            for folder in named:
                if isinstance(folder, str | os.PathLike) and os.path.isdir(folder):
                    report.removed += self._prune(os.path.join(os.path.abspath(folder), ""))
        return report

    def search(
        self,
        query: Query | str | None = None,
        *,
        image: ImageSource | None = None,
        k: int = 12,
        where: str | None = None,
        text_weight: float = 1.0,
        image_weight: float = 1.0,
        fetch: bool = False,
    ) -> Result:
        """The k pictures nearest to a text, a picture, or both (the weighted mean of their unit vectors).

        `where` filters on attributes: `price < 50 and brand in ("A", "B")`; see `bouba.stores.where`. A URL as the
        picture is read only with `fetch`.
        Raises QueryError (WhereError for the filter) or MediaError (the query's text or picture)."""
        if not isinstance(query, Query):
            query = Query(query, image, text_weight, image_weight)
        if not isinstance(k, int) or not 1 <= k <= MAX_K:
            raise QueryError(f"k is {k!r}; ask for 1 to {MAX_K} results.")
        condition = self.where(where)
        vector = self.encode(query, fetch=fetch)
        found = self._store.search(vector, k, condition)
        hits = tuple(Hit(rank, score, item) for rank, (item, score) in enumerate(found, 1))
        return Result(hits, self.thumbnail)

    def encode(self, query: Query, *, fetch: bool = False) -> Vectors:
        """A query as one unit vector [dim]."""
        parts: list[Vectors] = []
        weights: list[float] = []
        if query.text is not None:
            parts.append(self.model.encode_text([load_text(query.text)])[0])
            weights.append(query.text_weight)
        if query.image is not None:
            picture = load_image(query.image, side=self.model.manifest.image.size, fetch=fetch)
            parts.append(self.model.encode_image([picture.rgb])[0])
            weights.append(query.image_weight)
        if not parts:
            raise QueryError("Nothing was asked: give a text, a picture, or both.")
        return weighted_mean(np.stack(parts), weights)

    def where(self, expression: str | None) -> Where | None:
        """A filter as a typed tree over this gallery's fields. Raises WhereError."""
        return parse_where(expression, self.fields) if expression is not None else None

    @property
    def fields(self) -> Mapping[str, AttributeType]:
        """What can be filtered on: bouba's own fields and the attributes seen so far."""
        return {**ITEM_FIELDS, **self._store.fields()}

    def items(self, where: str | None = None) -> Iterable[Item]:
        """Every item that fits the filter, in no stated order."""
        for items, _ in self._store.scan(self.where(where)):
            yield from items

    def batches(self, where: str | None = None) -> Iterable[tuple[list[Item], Vectors]]:
        """Items with their vectors, in batches."""
        return self._store.scan(self.where(where))

    def get(self, ids: Sequence[str]) -> list[Item]:
        """The items with these ids, in this order; ids that are not there are left out."""
        return self._store.get(ids)[0]

    def find(self, name: str) -> list[Item]:
        """Items whose id begins with `name` (at least 4 hex digits) or whose path it is."""
        if re.fullmatch(r"[0-9a-f]{4,32}", name):
            found = list(self.items(f'id like "{name}%"'))
            if found:
                return found
        path = name if "://" in name else os.path.abspath(name)
        rows = self._ledger.files([path])
        return self.get([row.id for row in rows.values()])

    def delete(self, ids: Sequence[str]) -> int:
        """Remove items by id; returns how many were there. The files themselves are not touched."""
        removed = self._store.delete(ids)
        self._ledger.forget_items(ids)
        return removed

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the gallery."""
        return self._store.known(ids)

    def count(self, where: str | None = None) -> int:
        return self._store.count(self.where(where))

    def thumbnail(self, item_id: str) -> bytes | None:
        """A JPEG of at most 256 px, made when the item was added; None if there is none."""
        return self._ledger.thumbnail(item_id)

    def forget_paths(self, paths: Sequence[str]) -> int:
        """These files are gone: drop them, and the items that no other file holds. Returns the items dropped."""
        rows = self._ledger.files(paths)
        self._ledger.forget_files(rows)
        return settle_files(self._store, self._ledger, [row.id for row in rows.values()])

    def forget_folder(self, folder: str) -> int:
        """The same for every file below a folder."""
        return self.forget_paths([row.path for row in self._ledger.files_under(os.path.join(folder, ""))])

    def info(self) -> dict[str, Any]:
        """JSON-ready facts: place, items, bytes on disk, model, attributes and their types."""
        return {
            "gallery": self.uri,
            "items": len(self),
            "bytes": _bytes_below(Path(self.uri.removeprefix("file://"))),
            "model": self.model.describe(),
            "attributes": {name: str(kind) for name, kind in self._store.fields().items()},
        }

    def maintain(self) -> None:
        """Refresh indexes and compact. `add` does it by itself."""
        self._store.maintain()

    def close(self) -> None:
        self._store.close()
        self._ledger.close()

    def __len__(self) -> int:
        return self._store.count()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gallery({self.uri!r}, model={self.model.name!r}, items={len(self)})"

    def _prune(self, folder: str) -> int:
        rows = self._ledger.files_under(folder)
        gone = [row.path for row in rows if not os.path.lexists(row.path)]
        if rows and len(gone) == len(rows):
            raise StoreError(
                f"Not pruned: none of the {len(rows)} files known under {folder} is there. Is the disk mounted? "
                f"To drop them all the same: bouba remove --where 'path like \"{folder}%\"'"
            )
        return self.forget_paths(gone)


def _bytes_below(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def _new_meta(model: Model) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "name": model.name,
            "version": model.version,
            "fingerprint": model.fingerprint,
            "source": model.source,
        },
    }


def _load_model(uri: str, meta: Mapping[str, Any] | None, wanted: str | Path | None) -> Model:
    if wanted is not None or meta is None:
        return load_model(wanted)
    made_by = _made_by(uri, meta)
    try:
        return load_model(made_by["source"])
    except ModelMissing as error:
        raise ModelMissing(
            f"The gallery {uri} was made by {made_by['name']} {made_by['version']}, which is no longer at "
            f"{made_by['source']}. Say where it is with --model."
        ) from error


def _check_model(uri: str, meta: Mapping[str, Any], model: Model) -> None:
    made_by = _made_by(uri, meta)
    if made_by["fingerprint"] != model.fingerprint:
        raise ModelMismatch(
            f"The gallery {uri} was made by {made_by['name']} {made_by['version']} ({made_by['fingerprint']}), and "
            f"this is {model.name} {model.version} ({model.fingerprint}): their vectors cannot be compared. Open it "
            f"without naming a model, or make another gallery: bouba add FOLDER --gallery OTHER --model {model.source}"
        )


def _made_by(uri: str, meta: Mapping[str, Any]) -> Mapping[str, str]:
    made_by = meta.get("model")
    if meta.get("format") != FORMAT or not isinstance(made_by, dict):
        raise GalleryBroken(f"{uri} was written by a newer bouba (format {meta.get('format')!r}). Update bouba.")
    return made_by
