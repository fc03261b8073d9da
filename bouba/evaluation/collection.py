"""A set judged inside a gallery: its pictures stand among all the others there, with the vectors that are stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import QueryError
from bouba.evaluation.data import EvaluationSet, LanguageTexts, Recordings
from bouba.evaluation.embeddings import Embeddings
from bouba.gallery import Gallery
from bouba.ingest.reading import content_id
from bouba.media import read_source

if TYPE_CHECKING:
    from bouba.evaluation.embeddings import Change
    from bouba.types import Vectors


class StoredEmbeddings(Embeddings):
    """Pictures as the gallery has them; texts and changed pictures through its model."""

    def __init__(self, gallery: Gallery, cache: Path, advance: Callable[[int], None] = lambda count: None) -> None:
        super().__init__(gallery.model, cache, advance)
        self.items: list[str] = []
        self._row: dict[Path, int] = {}
        blocks = []
        for items, vectors in gallery.batches():
            self._row |= {place_of(item.path, item.id): len(self.items) + n for n, item in enumerate(items)}
            self.items += [item.id for item in items]
            blocks.append(vectors)
        self._stored = np.concatenate(blocks) if blocks else np.empty((0, gallery.model.dim), np.float32)

    @property
    def places(self) -> tuple[Path, ...]:
        return tuple(self._row)

    def pictures(self, paths: Sequence[Path], change: tuple[str, Change] | None = None) -> Vectors:
        if change is not None:
            return super().pictures(paths, change)
        return np.asarray(self._stored[[self._row[path] for path in paths]], np.float32)


def place_of(path: str, item_id: str) -> Path:
    """A picture that came as bytes has no path; its id stands for it."""
    return Path(path or item_id)


def within(data: EvaluationSet, embeddings: StoredEmbeddings) -> EvaluationSet:
    """The set with all the gallery's pictures as items. Pictures are recognised by content; queries whose pictures are
    not there are left out with a note. Raises QueryError where none is."""
    row = {item: n for n, item in enumerate(embeddings.items)}
    found = [row.get(content_id(read_source(path))) for path in data.images]
    kept = [n for n, images in enumerate(data.relevant) if any(found[image] is not None for image in images)]
    recordings = _recordings(data.recordings, found, {n: row for row, n in enumerate(kept)})
    if not kept and not len(recordings):
        raise QueryError(f"None of the {len(data.images)} pictures of {data.name} is in the gallery: add them first.")
    moved = [_moved(data.relevant[n], data.grades[n], found) for n in kept]
    missing = sum(image is None for image in found)
    notes = (*data.notes, f"{missing:,} of {len(found):,} pictures are not in the gallery") if missing else data.notes
    return replace(
        data,
        images=embeddings.places,
        image_ids=tuple(embeddings.items),
        texts=tuple(data.texts[n] for n in kept),
        query_ids=tuple(data.query_ids[n] for n in kept) if data.query_ids else (),
        relevant=tuple(relevant for relevant, _ in moved),
        grades=tuple(grades for _, grades in moved),
        languages={code: _language(texts, found) for code, texts in data.languages.items()},
        notes=notes,
        recordings=recordings,
    )


def _recordings(all_: Recordings, found: Sequence[int | None], texts: Mapping[int, int]) -> Recordings:
    kept = all_.only([n for n, images in enumerate(all_.relevant) if any(found[image] is not None for image in images)])
    moved = [_moved(relevant, grades, found) for relevant, grades in zip(kept.relevant, kept.grades, strict=True)]
    return replace(
        kept,
        relevant=tuple(relevant for relevant, _ in moved),
        grades=tuple(grades for _, grades in moved),
        texts=tuple(tuple(texts[text] for text in own if text in texts) for own in kept.texts),
    )


def _moved(
    images: Sequence[int], grades: Sequence[float], found: Sequence[int | None]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    there: Mapping[int, float] = {
        row: grade for image, grade in zip(images, grades, strict=True) if (row := found[image]) is not None
    }
    ordered = sorted(there.items())
    return tuple(row for row, _ in ordered), tuple(grade for _, grade in ordered)


def _language(texts: LanguageTexts, found: Sequence[int | None]) -> LanguageTexts:
    pairs = [
        (text, _moved(images, [1.0] * len(images), found)[0])
        for text, images in zip(texts.texts, texts.relevant, strict=True)
    ]
    kept = [(text, images) for text, images in pairs if images]
    return LanguageTexts(tuple(text for text, _ in kept), tuple(images for _, images in kept))
