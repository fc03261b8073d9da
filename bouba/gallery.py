"""One model and one store: add pictures, search them, delete them."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bouba.concepts import Concepts
from bouba.encoders import Model, load_model
from bouba.errors import GalleryMissing, StoreError
from bouba.ingest import Listing, Report, Setup, describe, expand, ingest, is_gone, listed, settle_files, who_reads
from bouba.narrow import narrowed
from bouba.origin import check_dims, check_model, kept, new_meta, own_model
from bouba.query import Answering, Encoded, Listener, encode_query, with_examples
from bouba.query.searching import Room, Wish, whole
from bouba.query.searching import search as searched
from bouba.rows import Rows
from bouba.stores import Store, Superseded, open_store
from bouba.stores.ledger import Ledger
from bouba.stores.place import Place
from bouba.stores.where import Where, parse_where
from bouba.stores.words import Words, followed
from bouba.types import ITEM_FIELDS, AttributeType, Item, Query, Question, Result

if TYPE_CHECKING:
    from bouba.types import AttributeValue, AudioSource, ImageSource, Vectors

_T = TypeVar("_T")


def open(
    uri: str | Path, model: Model | str | Path | None = None, *, must_exist: bool = False, dims: int | None = None
) -> Gallery:
    """The gallery at a place: a folder's path, or `memory://`. It is made at the first `add`.

    `model`: a model folder or a loaded Model; by default the gallery's own, for a new gallery the built-in one.
    `dims`: how many dimensions of the model's vectors a new gallery keeps, all by default: see docs/scale.md.
    Raises ModelMismatch if the gallery was made by another model or keeps another number of dimensions, GalleryMissing
    if it `must_exist` and does not, QueryError for a number of dimensions that the model cannot have."""
    place, store, ledger = parts(uri)
    meta = store.read_meta()
    if meta is None and must_exist:
        raise GalleryMissing(
            f"There is no gallery at {place.uri}. Make one with: bouba add FOLDER --gallery {place.uri}"
        )
    if not isinstance(model, Model):
        model = own_model(place.uri, meta) if model is None and meta is not None else load_model(model)
    model = narrowed(model, dims) if meta is None else kept(model, meta)
    rows = Rows.of(meta, model)
    if meta is not None:
        check_dims(place.uri, model, dims)
        check_model(place.uri, meta, model)
        return Gallery(place, store, model, ledger, rows)
    return Gallery(place, open_store(place, rows.length), model, ledger, rows)


def parts(at: Gallery | str | Path) -> tuple[Place, Store, Ledger]:
    """The place of a gallery, its store and its ledger; nothing is made there, and no model is needed."""
    if isinstance(at, Gallery):
        return at._place, at._store, at._ledger
    place = Place.of(at)
    return place, open_store(place), Ledger(_beside(place, "ledger.sqlite"))


def _beside(place: Place, name: str) -> Path | None:
    return place.folder / name if place.folder is not None else None


class Gallery:
    """A collection of pictures that can be searched. Make one with `bouba.open`.

    Where another process migrates it to another model, `search`, `add` and all that reads or writes items go on
    with the new one; a search never compares vectors of two models."""

    def __init__(self, place: Place, store: Store, model: Model, ledger: Ledger, rows: Rows) -> None:
        self._place = place
        self._generation = Answering(model, store, rows)  # replaced as a whole
        self._ledger = ledger
        self._taking_up = threading.Lock()
        self._run_by: Callable[[Model], Model] = lambda model: model
        self._listener = Listener()
        self._words = Words(_beside(place, "words.sqlite"))

    @property
    def uri(self) -> str:
        """Its place, without passwords."""
        return self._place.uri

    @property
    def model(self) -> Model:
        """The model of `batches` and of the last search or change."""
        return self._generation.model

    @property
    def folder(self) -> Path | None:
        """Where this machine keeps what belongs to it, beside a store that may be elsewhere; None for memory://."""
        return self._place.folder

    def run_by(self, wrap: Callable[[Model], Model]) -> None:
        """Have its model, and the next ones after migrations, run by what `wrap` makes of it, which gives the same
        vectors."""
        now, self._run_by = self._generation, wrap
        self._generation = Answering(wrap(now.model), now.store, now.rows)

    @property
    def _store(self) -> Store:
        return self._current().store

    def _current(self) -> Answering:
        """Model, store and rows, which belong together: to be asked for once in each operation."""
        if self._generation.store.successor() is not None:
            with self._taking_up:
                while (store := self._generation.store.successor()) is not None:
                    meta = store.read_meta() or {}
                    model = own_model(self.uri, meta)
                    check_model(self.uri, meta, model)
                    self._generation = Answering(self._run_by(model), store, Rows.of(meta, model))
        return self._generation

    def _write(self, change: Callable[[Answering], _T]) -> _T:
        """A change, begun again if the gallery is migrated under it: in the old generation it would be lost."""
        while True:
            try:
                return change(self._current())
            except Superseded:
                continue

    def add(
        self,
        sources: ImageSource | Iterable[ImageSource],
        attributes: Mapping[str, AttributeValue] | None = None,
        *,
        prune: bool = False,
        fetch: bool = False,
        image_column: str | None = None,
        workers: int | None = None,
        ray: str | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Report:
        """Add folders (recursive), manifests (jsonl, csv, parquet), shards (tar, parquet), files, URLs, buckets
        (s3://, gs://, hf://), bytes or PIL images; see docs/corpus.md.

        What is in the gallery already costs no encoding: the content hash decides. `attributes` go to every picture
        added; `prune` drops pictures whose file is gone from the folders named; addresses are read only with `fetch`;
        `progress` is called with the number of sources that are safely stored and the number of all, 0 for unknown.
        Threads of this process read and encode, or as many processes as `workers` says, or those of the Ray cluster at
        `ray` (an address, or "local")."""
        named = listed(sources)

        def run(now: Answering) -> Report:
            listing = Listing(expand(named, attributes, image_column, fetch))
            if now.store.read_meta() is None:
                now.store.write_meta(new_meta(now.model))
            store = followed(now.store, self._words)
            model = partial(_loaded, now.model.source, now.model.dim)
            setup = Setup(model, now.model.fingerprint, _beside(self._place, "ledger.sqlite"), fetch)
            reads = who_reads(setup, workers, ray)
            return ingest(
                listing, store, self._ledger, now.model, now.rows, fetch=fetch, progress=progress, reads=reads
            )

        # A file object cannot be read a second time.
        again = not any(hasattr(source, "read") for source in named)
        report = self._write(run) if again else run(self._current())
        if prune:
            for folder in named:
                if isinstance(folder, str | os.PathLike) and os.path.isdir(folder):
                    report.removed += self._prune(os.path.join(os.path.abspath(folder), ""))
        return report

    def search(
        self,
        query: Question | str | None = None,
        *,
        image: ImageSource | None = None,
        audio: AudioSource | None = None,
        concept: str | None = None,
        like: Sequence[str] = (),
        unlike: Sequence[str] = (),
        k: int = 12,
        where: str | None = None,
        fetch: bool = False,
        min_probability: float | None = None,
        raw: bool = False,
        exact: bool = False,
        diverse: bool = False,
    ) -> Result:
        """The k pictures nearest to a text, a picture, a recording (speech or a sound), a `concept` by its name, or the
        mean of several; a `Query` gives them weights. Ids of items to be `like` and `unlike` turn the query.
        `Query("beach") & ~Query("people") | Query(image=photo)` is a question of several parts, each judged on its own;
        a text that rules something out ("a beach without people") is taken for one, and a clear slip of spelling is
        corrected, unless `exact`; `Result.notes` tells.

        `where` filters on attributes: `price < 50 and brand in ("A", "B")`; see `bouba.stores.where`. A URL as the
        picture or the recording is read only with `fetch`. `min_probability` leaves out what is less likely a match;
        near-duplicates are one hit, that of the best of them; `diverse` chooses hits that are unlike among three
        times as many; `raw` ranks by cosine alone, with no say on what matches, and folds nothing.
        Raises QueryError (WhereError for the filter), MediaError (the query's text, picture or recording), ModelMissing
        (no sound tower, or no speech recogniser)."""
        question = whole(query, Query(None, image, audio, concept=concept, like=tuple(like), unlike=tuple(unlike)))
        now = self._current()
        wish = Wish(k, _condition(where, now.store), min_probability, raw, exact, diverse)
        encode = partial(self._encoded, now=now, fetch=fetch)
        return searched(question, wish, Room(now, self._words, self.thumbnail, encode))

    def encode(self, query: Query, *, fetch: bool = False) -> Vectors:
        """A query as one unit vector [dim]."""
        return self._encoded(query, self._current(), fetch).vector

    def _encoded(self, query: Query, now: Answering, fetch: bool) -> Encoded:
        concept = None if query.concept is None else Concepts(now).encoded(query.concept)
        encode = partial(encode_query, query, now.model, self._listener, concept=concept, fetch=fetch)
        return with_examples(query, now, encode)

    @property
    def concepts(self) -> Concepts:
        """What is kept under names, to be searched for again: `bouba.concepts`."""
        return Concepts(self._current())

    def where(self, expression: str | None) -> Where | None:
        """A filter as a typed tree over this gallery's fields. Raises WhereError."""
        return _condition(expression, self._store)

    @property
    def fields(self) -> Mapping[str, AttributeType]:
        """What can be filtered on: bouba's own fields and the attributes seen so far."""
        return {**ITEM_FIELDS, **self._store.fields()}

    def items(self, where: str | None = None) -> Iterable[Item]:
        """Every item that fits the filter, in no stated order."""
        for items, _ in self._store.scan(self.where(where)):
            yield from items

    def batches(self, where: str | None = None) -> Iterator[tuple[list[Item], Vectors]]:
        """Items with their vectors, which are of `model`, in batches."""
        now = self._generation
        for items, rows in now.store.scan(_condition(where, now.store)):
            yield items, now.rows.vectors(rows)

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
        removed = self._write(lambda now: followed(now.store, self._words).delete(ids))
        self._ledger.forget_items(ids)
        return removed

    def update(self, attributes: Mapping[str, Mapping[str, AttributeValue | None]]) -> int:
        """Set attributes by item id, None to take one away; the others stay, and no picture is read or encoded. Returns
        how many items changed; ids that are not there are passed over.

        Raises AttributeTypeError where a value does not fit, before anything is changed."""
        return self._write(lambda now: describe(followed(now.store, self._words), attributes))

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
        ids = [row.id for row in rows.values()]
        return self._write(lambda now: settle_files(followed(now.store, self._words), self._ledger, ids))

    def forget_folder(self, folder: str) -> int:
        """The same for every file below a folder."""
        return self.forget_paths([row.path for row in self._ledger.files_under(os.path.join(folder, ""))])

    def info(self) -> dict[str, Any]:
        """JSON-ready facts: place, items, bytes on disk, model, attributes and their types."""
        now = self._current()
        return {
            "gallery": self.uri,
            "items": now.store.count(),
            "bytes": _bytes_below(self._place.folder) if self._place.folder is not None else 0,
            "model": now.model.describe(),
            "attributes": {name: str(kind) for name, kind in now.store.fields().items()},
        }

    def maintain(self) -> None:
        """Refresh indexes and compact. `add` does it by itself."""
        self._store.maintain()

    def close(self) -> None:
        self._generation.store.close()
        self._ledger.close()
        self._words.close()

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
        known = {row.path: row for row in rows}
        gone = [row.path for row in rows if is_gone(row, known)]
        if rows and len(gone) == len(rows):
            raise StoreError(
                f"Not pruned: none of the {len(rows)} files known under {folder} is there. Is the disk mounted? "
                f"To drop them all the same: bouba remove --where 'path like \"{folder}%\"'"
            )
        return self.forget_paths(gone)


def _loaded(source: str, dims: int) -> Model:
    """The same model in another process, one of many, which has one core for it."""
    model = load_model(source)
    alone = replace(model.settings, image=replace(model.settings.image, threads=1))
    return narrowed(Model(model.folder, model.source, alone), dims)


def _condition(expression: str | None, store: Store) -> Where | None:
    return parse_where(expression, {**ITEM_FIELDS, **store.fields()}) if expression is not None else None


def _bytes_below(folder: Path) -> int:
    """Of a folder that other processes may be changing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total
