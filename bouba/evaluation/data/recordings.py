"""Recordings as queries: spoken captions, or sounds of what the pictures show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings of a set. Every one has a relevant picture; the columns are aligned."""

    paths: tuple[Path, ...] = ()
    relevant: tuple[tuple[int, ...], ...] = ()  # rising indices into the set's images
    grades: tuple[tuple[float, ...], ...] = ()
    texts: tuple[tuple[int, ...], ...] = ()  # the set's texts that ask for the same
    groups: tuple[int, ...] = ()  # equal where recordings stand and fall together: of one topic, name or picture

    def __len__(self) -> int:
        return len(self.paths)

    def only(self, rows: Sequence[int]) -> Recordings:
        return Recordings(
            tuple(self.paths[row] for row in rows),
            tuple(self.relevant[row] for row in rows),
            tuple(self.grades[row] for row in rows),
            tuple(self.texts[row] for row in rows),
            tuple(self.groups[row] for row in rows),
        )


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of a set in the making."""

    path: Path
    name: str  # as the file writes it
    asks: list[str] = field(default_factory=list)  # ids of the queries that it asks


def settled(
    drafts: Sequence[Recording],
    relevance: Mapping[str, Mapping[Path, float]],
    images: Mapping[Path, int],
    texts: Mapping[str, int],
    *,
    by_picture: bool,
) -> Recordings:
    """The recordings with a relevant picture. One that asks several queries is answered by what answers any of them.

    Those of one group have the first picture in common, or else the first query."""
    number = {qid: n for n, qid in enumerate(relevance)}
    rows = []
    for draft in drafts:
        grades: dict[int, float] = {}
        for qid in draft.asks:
            for path, grade in relevance[qid].items():
                grades[images[path]] = max(grade, grades.get(images[path], 0.0))
        if grades:
            found = tuple(sorted(grades))
            said = tuple(texts[qid] for qid in draft.asks if qid in texts)
            group = found[0] if by_picture else number[draft.asks[0]]
            rows.append((draft.path, found, tuple(grades[image] for image in found), said, group))
    return Recordings(*zip(*rows, strict=True)) if rows else Recordings()
