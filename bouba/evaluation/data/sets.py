"""A set to measure retrieval on, and how the records of a file become one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bouba.errors import ManifestError
from bouba.evaluation.data.lines import Record, Table
from bouba.evaluation.data.recordings import Recording, Recordings, settled

Kind = Literal["captions", "names", "topics"]

# Captions are a query each even where two are equal (LAION's CLIP_benchmark); a name is one for all its pictures.
CAPTION_COLUMNS = frozenset({"captions", "caption", "text"})
NAME_COLUMNS = frozenset({"label", "title"})


@dataclass(frozen=True, slots=True)
class LanguageTexts:
    """The queries in another language, for the same pictures."""

    texts: tuple[str, ...]
    relevant: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Pictures, queries and the relevance between them. Every query has a relevant picture; there are texts, or
    recordings, or both."""

    name: str  # the file's name
    images: tuple[Path, ...]  # distinct, in file order
    texts: tuple[str, ...]
    relevant: tuple[tuple[int, ...], ...]  # per text: rising indices into `images`
    grades: tuple[tuple[float, ...], ...]  # aligned with `relevant`, above 0; 1.0 unless qrels say otherwise
    kind: Kind  # names: class names or titles that several pictures share
    languages: Mapping[str, LanguageTexts] = field(default_factory=dict)  # "zh": from the column captions_zh
    notes: tuple[str, ...] = ()  # "3 rows without split were left out"
    query_ids: tuple[str, ...] = ()  # topic ids, else the numbers of the texts from 1
    image_ids: tuple[str, ...] = ()  # the paths as the file writes them
    recordings: Recordings = Recordings()  # noqa: RUF009  frozen


@dataclass(slots=True)
class Draft:
    """A set in the making: relevance may still be added, taken away and graded."""

    images: dict[Path, str]  # path -> as the file writes it
    texts: dict[str, str]  # query id -> text
    relevance: dict[str, dict[Path, float]]  # query id -> grades above 0; also of queries that only recordings ask
    kind: Kind
    languages: dict[str, list[tuple[str, Path]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)


def draft_pairs(table: Table, name: str, base: Path, split: str | None, recorded: Path | None = None) -> Draft:
    """Records of one split, those of one picture merged, as captions or as names. Pictures lie below `base`, recordings
    below `recorded`."""
    records, notes = _of_split(table.records, name, split)
    records, blank = _that_ask(records, name, table.column)
    by_image: dict[Path, list[Record]] = {}
    for record in records:
        by_image.setdefault(base / record.image, []).append(record)
    pairs = [(text, path) for path, own in by_image.items() for record in own for text in record.texts]
    kind = _kind(table.column, pairs)
    queries = _numbered(pairs, kind)
    draft = Draft(
        images={path: own[0].image for path, own in by_image.items()},
        texts={qid: text for qid, (text, _) in zip(queries, pairs, strict=True)},
        relevance={qid: {} for qid in queries},
        kind=kind,
        languages=_languages(by_image) if kind == "captions" else {},
        notes=[*notes, *blank],
    )
    for qid, (_, path) in zip(queries, pairs, strict=True):
        draft.relevance[qid][path] = 1.0
    _add_recordings(draft, by_image, iter(queries), recorded or base)
    return draft


def _numbered(pairs: Sequence[tuple[str, Path]], kind: Kind) -> list[str]:
    """The query id of every pair, from 1: a caption is a query of its own, a name the same one every time."""
    keys = [text if kind == "names" else str(n) for n, (text, _) in enumerate(pairs)]
    number = {key: str(n) for n, key in enumerate(dict.fromkeys(keys), 1)}
    return [number[key] for key in keys]


def _add_recordings(
    draft: Draft, by_image: Mapping[Path, Sequence[Record]], queries: Iterator[str], base: Path
) -> None:
    """A recording asks what its rows' texts ask; in a row without text it asks for the row's picture."""
    found: dict[Path, Recording] = {}
    wordless: dict[Path, str] = {}
    for image, record in ((image, record) for image, own in by_image.items() for record in own):
        texts = [next(queries) for _ in record.texts]
        for name in record.audio:
            recording = found.setdefault(base / name, Recording(base / name, name))
            if not texts:
                qid = wordless.setdefault(base / name, str(len(draft.relevance) + 1))
                draft.relevance.setdefault(qid, {})[image] = 1.0
            recording.asks.extend(qid for qid in texts or [qid] if qid not in recording.asks)
    draft.recordings = list(found.values())


def _of_split(records: Sequence[Record], name: str, split: str | None) -> tuple[Sequence[Record], list[str]]:
    there = sorted({r.split for r in records if r.split})
    if split is None:
        return records, []
    if not there:
        return records, [f"{name} names no splits: it is judged whole"]
    if split not in there:
        raise ManifestError(f"{name} has no split {split!r}; it has {', '.join(there)}.")
    without = sum(r.split is None for r in records)
    notes = [f"{without} row{'s' * (without > 1)} without split {'were' if without > 1 else 'was'} left out"]
    return [r for r in records if r.split == split], notes if without else []


def _that_ask(records: Sequence[Record], name: str, column: str) -> tuple[Sequence[Record], list[str]]:
    kept = [r for r in records if r.texts or r.audio]
    wanted = " and ".join(filter(None, [column, "audio" if not column or any(r.audio for r in records) else ""]))
    if not kept:
        raise ManifestError(f"{name}: {wanted} is empty for all {len(records)} pictures.")
    blank = len(records) - len(kept)
    return kept, [f"{blank} of {len(records)} rows without {wanted} were left out"] if blank else []


def _kind(column: str, pairs: Sequence[tuple[str, Path]]) -> Kind:
    column = column.lower()
    if column in CAPTION_COLUMNS or column.startswith("captions_"):
        return "captions"
    shared = any(len(paths) > 1 for paths in _grouped(pairs).values())
    return "names" if column in NAME_COLUMNS or shared else "captions"


def _grouped(pairs: Sequence[tuple[str, Path]]) -> dict[str, list[Path]]:
    groups: dict[str, dict[Path, None]] = {}
    for text, path in pairs:
        groups.setdefault(text, {})[path] = None
    return {text: list(paths) for text, paths in groups.items()}


def _languages(by_image: Mapping[Path, Sequence[Record]]) -> dict[str, list[tuple[str, Path]]]:
    found: dict[str, list[tuple[str, Path]]] = {}
    for path, records in by_image.items():
        for record in records:
            for code, texts in record.languages.items():
                found.setdefault(code, []).extend((text, path) for text in texts)
    return found


def finish(draft: Draft, name: str) -> EvaluationSet:
    """The set, without queries that nothing is relevant to: their metrics are undefined (trec_eval skips them too)."""
    kept = [qid for qid in draft.texts if draft.relevance[qid]]
    index = {path: number for number, path in enumerate(draft.images)}
    numbers = {qid: number for number, qid in enumerate(kept)}
    recordings = settled(draft.recordings, draft.relevance, index, numbers, by_picture=draft.kind == "captions")
    _note_bare(draft, name, len(kept), len(recordings))
    graded = [sorted((index[path], grade) for path, grade in draft.relevance[qid].items()) for qid in kept]
    return EvaluationSet(
        name=name,
        images=tuple(draft.images),
        texts=tuple(draft.texts[qid] for qid in kept),
        relevant=tuple(tuple(image for image, _ in row) for row in graded),
        grades=tuple(tuple(grade for _, grade in row) for row in graded),
        kind=draft.kind,
        languages={code: _settled(pairs, index) for code, pairs in sorted(draft.languages.items())},
        notes=tuple(draft.notes),
        query_ids=tuple(kept),
        image_ids=tuple(draft.images.values()),
        recordings=recordings,
    )


def _note_bare(draft: Draft, name: str, texts: int, recordings: int) -> None:
    total = len(draft.texts) + len(draft.recordings)
    if not texts and not recordings:
        raise ManifestError(f"{name}: nothing is left to judge: none of its {total} queries has a picture.")
    for left, all_, what in ((texts, len(draft.texts), "queries"), (recordings, len(draft.recordings), "recordings")):
        if bare := all_ - left:
            draft.notes.append(f"{bare} of {all_} {what} without a relevant picture were left out")


def _settled(pairs: Sequence[tuple[str, Path]], index: Mapping[Path, int]) -> LanguageTexts:
    kept = [(text, (index[path],)) for text, path in pairs if path in index]
    return LanguageTexts(tuple(text for text, _ in kept), tuple(images for _, images in kept))
