"""What somebody looked for and taught by examples, kept under a name, to be asked for again or beside other parts.

Concepts are kept in the gallery's description, so that every store has them and a migration takes them along. Each is
its recipe (a text, the ids of liked and disliked items) and the vector that this gave. The vector stays as it is while
the gallery grows or loses the examples; where another model made it, it is made anew from what is left of the recipe.

Threads and processes that save at once all succeed, and what is saved while a migration is under way goes along.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.errors import GalleryBroken, GalleryMissing, QueryError
from bouba.media import load_text
from bouba.query.encode import Encoded
from bouba.query.examples import check_examples, steered

if TYPE_CHECKING:
    from bouba.query import Answering
    from bouba.stores import Store
    from bouba.types import Vectors

KEY = "concepts"  # of the gallery's description
MAX_CONCEPTS = 100  # a gallery; 3 to 10 KB each in a description that is read whole
MAX_NAME_CHARACTERS = 60
MAX_TEXT_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Concept:
    """What is looked for under a name: the recipe."""

    name: str
    text: str | None
    like: tuple[str, ...]  # ids of items
    unlike: tuple[str, ...]
    saved: str  # ISO 8601, UTC

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        lists = {"like": list(self.like), "unlike": list(self.unlike)}
        return {"name": self.name, "text": self.text, **lists, "saved": self.saved}


class Concepts:
    """The named concepts of a gallery: `gallery.concepts`."""

    def __init__(self, now: Answering) -> None:
        self._now = now

    def save(
        self, name: str, text: str | None = None, *, like: Iterable[str] = (), unlike: Iterable[str] = ()
    ) -> Concept:
        """Keep a text, ids of items to be like and ids of items to be unlike; one of the same name is replaced.

        Names are compared without regard to case. Raises QueryError for a name that is none, for ids that are not
        there or stand on both sides, where neither text nor liked item is given, and over the limits; MediaEmpty and
        MediaTooLarge for the text; GalleryMissing before anything was added."""
        concept = Concept(
            checked_name(name),
            None if text is None else load_text(text, MAX_TEXT_CHARACTERS),
            tuple(dict.fromkeys(like)),
            tuple(dict.fromkeys(unlike)),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if self._now.store.read_meta() is None:
            raise GalleryMissing("The gallery is empty: add pictures before a concept is saved.")
        check_examples(concept.like, concept.unlike, self._now)
        vector = base64.b64encode(self._made(concept).astype("<f4").tobytes()).decode()
        record = {**concept.to_dict(), "model": self._now.model.fingerprint, "vector": vector}
        _change(self._now.store, lambda records: _with(records, record))
        return concept

    def names(self) -> list[str]:
        """As they are looked for, in lower case; damaged ones too."""
        return sorted(self._records())

    def list(self) -> list[Concept]:
        """All of them, by name. Raises GalleryBroken where what is kept of one is damaged."""
        return [_concept(record) for _, record in sorted(self._records().items())]

    def get(self, name: str) -> Concept:
        """Raises QueryError where none has this name, GalleryBroken where what is kept of it is damaged."""
        return _concept(self._record(name))

    def remove(self, name: str) -> None:
        """Raises QueryError where none has this name."""
        _change(self._now.store, lambda records: _without(records, _found(name, records)))

    def encoded(self, name: str) -> Encoded:
        """A concept as part of a query.

        Raises what `get` raises, and QueryError where another model made it and too little of its recipe is left."""
        record = self._record(name)
        concept = _concept(record)
        there = self._now.store.known([*concept.like, *concept.unlike])
        like, unlike = (tuple(id for id in ids if id in there) for ids in (concept.like, concept.unlike))
        left = replace(concept, like=like, unlike=unlike)
        anew = record["model"] != self._now.model.fingerprint
        if anew and left.text is None and not left.like:
            raise QueryError(
                f"The concept {concept.name!r} was saved with another model than the gallery has now, and none of the "
                "pictures that it is like is left. Save it anew, with a text or with pictures that are there."
            )
        vector = self._made(left) if anew else _vector(record, self._now.model.dim)
        notes = _notes(concept, left, anew)
        if concept.text is None:
            return Encoded(vector, "image", notes=notes)
        return Encoded(vector, "text", len(concept.text.split()), notes=notes)

    def _records(self) -> Mapping[str, Any]:
        return _kept(self._now.store.read_meta() or {})

    def _record(self, name: str) -> Any:
        records = self._records()
        return records[_found(name, records)]

    def _made(self, concept: Concept) -> Vectors:
        start = None if concept.text is None else self._now.model.encode_text([concept.text])[0]
        return steered(start, concept.like, concept.unlike, self._now).vector


def checked_name(name: str) -> str:
    """As it is kept. Raises QueryError for what is no name."""
    clean = " ".join(unicodedata.normalize("NFC", name).split()) if isinstance(name, str) else ""
    if not clean or len(clean) > MAX_NAME_CHARACTERS or not clean.isprintable() or clean.startswith("-"):
        raise QueryError(
            f"{name!r:.80} is no name of a concept: 1 to {MAX_NAME_CHARACTERS} letters, digits, signs and spaces, not "
            "beginning with a hyphen."
        )
    return clean


def _concept(record: Any) -> Concept:
    try:
        name, text, saved = (record[key] for key in ("name", "text", "saved"))
        like, unlike = (tuple(map(str, record[key])) for key in ("like", "unlike"))
        if not isinstance(record["model"], str) or not isinstance(text, str | None):
            raise TypeError("the model or the text is none")
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(record, error) from error
    return Concept(str(name), text, like, unlike, str(saved))


def _vector(record: Mapping[str, Any], dim: int) -> Vectors:
    try:
        vector = np.frombuffer(base64.b64decode(record["vector"], validate=True), "<f4").astype(np.float32)
        if vector.shape != (dim,) or not abs(float(np.linalg.norm(vector)) - 1) < 1e-3:
            raise ValueError(f"{len(vector)} numbers are no vector of length 1 in {dim} dimensions")
    except (KeyError, TypeError, ValueError) as error:  # binascii.Error is a ValueError
        raise _damaged(record, error) from error
    return vector


def _damaged(record: Any, error: Exception) -> GalleryBroken:
    name = record.get("name") if isinstance(record, dict) else None
    return GalleryBroken(
        f"What the gallery keeps of the concept {name!r} is damaged ({type(error).__name__}: {error}). "
        "Save it anew, or drop it: bouba concept remove NAME"
    )


def _notes(whole: Concept, left: Concept, anew: bool) -> tuple[str, ...]:
    """Of examples that are gone: they are missed where the vector has to be made anew."""
    examples = len(whole.like) + len(whole.unlike)
    gone = examples - len(left.like) - len(left.unlike)
    if not anew or not gone:
        return ()
    return (f"The concept {whole.name!r} does without {gone} of its {examples} examples, which are no longer there.",)


def _kept(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    records = meta.get(KEY, {})
    if not isinstance(records, dict):
        raise GalleryBroken("The gallery's description holds something else than concepts under 'concepts'.")
    return records


def _found(name: str, records: Mapping[str, Any]) -> str:
    """The key of a concept."""
    key = checked_name(name).casefold()
    if key not in records:
        there = ", ".join(sorted(records)) or "none yet"
        raise QueryError(f"No concept is called {name!r}; there are: {there:.300}. Save one: bouba concept save NAME")
    return key


def _with(records: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    after = {**records, record["name"].casefold(): record}
    if len(after) > max(MAX_CONCEPTS, len(records)):
        raise QueryError(
            f"The gallery has {len(records)} concepts, which is the limit. Drop one: bouba concept remove NAME"
        )
    return after


def _without(records: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {other: record for other, record in records.items() if other != key}


def _change(store: Store, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    store.update_meta(lambda meta: {**meta, KEY: change(_kept(meta))})
