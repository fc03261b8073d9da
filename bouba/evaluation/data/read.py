"""One call from a file of any known format to an EvaluationSet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bouba.errors import ManifestError
from bouba.evaluation.data.documents import read_document
from bouba.evaluation.data.lines import Table
from bouba.evaluation.data.recordings import Recording
from bouba.evaluation.data.rows import read_rows
from bouba.evaluation.data.sets import Draft, EvaluationSet, draft_pairs, finish
from bouba.evaluation.data.trec import Topic, read_qrels, read_topics

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")


def read_set(
    path: Path,
    *,
    split: str | None = None,
    text_column: str | None = None,
    image_root: Path | None = None,
    qrels: Path | None = None,
    extra_positives: Path | None = None,
) -> EvaluationSet:
    """Pictures and queries from JSON lines, CSV, TSV, Karpathy's or COCO's JSON, or TREC topics with `qrels`.

    A file without splits is judged whole. Picture paths are relative to the file's folder, or to `image_root`, as are
    those of topics' recordings; recordings in a column `audio` lie beside the file.
    `qrels` grade pairs: with topics they name all pictures; with pairs, where a query's id is its number from 1 in this
    set, they overrule grade 1 for the pairs they judge, and grade 0 takes a pair away. `extra_positives`, as JSON lines
    {"image", "caption"} or as qrels, adds right pairs that the file does not know of (Chun et al., ECCV Caption, 2022).
    Fewer than 1 % missing pictures or recordings are left out with a note; more are an error.
    Raises ManifestError, with file and line, for anything that does not fit."""
    path, base = Path(path), Path(image_root) if image_root else Path(path).parent
    judged = read_qrels(qrels) if qrels else {}
    topics = read_topics(path) if qrels else None
    if topics is None:
        draft = draft_pairs(_table(path, text_column), path.name, base, split, path.parent)
    else:
        draft = _draft_topics(topics, judged, base)
    if qrels and (unknown := _grade(draft, judged, base)):
        _note_unknown(draft, qrels, unknown, sum(map(len, judged.values())))
    if extra_positives:
        _add_positives(draft, extra_positives, base)
    _leave_out_missing(draft, path, base)
    return finish(draft, path.name)


def _table(path: Path, text_column: str | None) -> Table:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ManifestError(f"{path}: pairs are read from {', '.join(SUFFIXES)}; topics (.tsv, .jsonl) need qrels too.")
    document = read_document(path) if suffix == ".json" else None
    return document or read_rows(path, text_column)


def _draft_topics(topics: Mapping[str, Topic], judged: Mapping[str, Mapping[str, float]], base: Path) -> Draft:
    return Draft(
        images={base / document: document for documents in judged.values() for document in documents},
        texts={qid: topic.text for qid, topic in topics.items() if topic.text},
        relevance={qid: {} for qid in topics},
        kind="topics",
        recordings=[Recording(base / a, a, [qid]) for qid, topic in topics.items() for a in topic.audio],
    )


def _grade(draft: Draft, judged: Mapping[str, Mapping[str, float]], base: Path) -> int:
    """Overrule the draft's grades; returns how many judgements are about queries or pictures that it has not."""
    unknown = 0
    for qid, documents in judged.items():
        for document, grade in documents.items():
            image = base / document
            if qid not in draft.relevance or image not in draft.images:
                unknown += 1
            elif grade > 0:
                draft.relevance[qid][image] = grade
            else:
                draft.relevance[qid].pop(image, None)
    return unknown


def _note_unknown(draft: Draft, source: Path, unknown: int, total: int) -> None:
    if unknown == total:
        raise ManifestError(
            f"{source}: none of its {total} pairs is about a query and a picture of this set. Pictures are named by "
            "path as in the set; queries by topic id, by number from 1, or by their text."
        )
    draft.notes.append(f"{unknown} of {total} pairs in {source.name} are about other queries or pictures")


def _add_positives(draft: Draft, source: Path, base: Path) -> None:
    if source.suffix.lower() in SUFFIXES:
        total, unknown = _add_pairs(draft, _extra_pairs(source, base))
    else:
        extra = read_qrels(source)
        right = {qid: {d: grade for d, grade in documents.items() if grade > 0} for qid, documents in extra.items()}
        total, unknown = sum(map(len, right.values())), _grade(draft, right, base)
    if unknown:
        _note_unknown(draft, source, unknown, total)


def _extra_pairs(source: Path, base: Path) -> list[tuple[str, Path]]:
    records = read_rows(source, None).records
    return [(text, base / record.image) for record in records for text in record.texts]


def _add_pairs(draft: Draft, pairs: Iterable[tuple[str, Path]]) -> tuple[int, int]:
    """Every query with such a text gets the picture, at grade 1 unless it is graded. Returns pairs, unknown pairs."""
    queries: dict[str, list[str]] = {}
    for qid, text in draft.texts.items():
        queries.setdefault(text, []).append(qid)
    total = unknown = 0
    for text, image in pairs:
        total += 1
        if text not in queries or image not in draft.images:
            unknown += 1
            continue
        for qid in queries[text]:
            draft.relevance[qid].setdefault(image, 1.0)
    return total, unknown


def _leave_out_missing(draft: Draft, path: Path, base: Path) -> None:
    # os.path, not Path: it answers False, not ValueError, for names that no file can have.
    missing = [image for image in draft.images if not os.path.isfile(image)]
    if missing:
        names = [draft.images[image] for image in missing]
        draft.notes.append(_missing_few("pictures", names, len(draft.images), path, base, "the image root"))
        draft.images = {image: name for image, name in draft.images.items() if image not in set(missing)}
        draft.relevance = {
            qid: {image: grade for image, grade in grades.items() if image in draft.images}
            for qid, grades in draft.relevance.items()
        }
    if lost := [recording for recording in draft.recordings if not os.path.isfile(recording.path)]:
        names = [recording.name for recording in lost]
        draft.notes.append(_missing_few("recordings", names, len(draft.recordings), path, lost[0].path.parent))
        draft.recordings = [recording for recording in draft.recordings if recording not in lost]


def _missing_few(what: str, names: Sequence[str], total: int, path: Path, base: Path, root: str = "") -> str:
    """The note about files that are not there. Raises ManifestError where they are 1 % or more."""
    first = ", ".join(ascii(name)[1:-1] for name in names[:3])
    if len(names) * 100 >= total:
        way = f"; name another folder as {root}" if root else ""
        raise ManifestError(
            f"{path}: {len(names)} of its {total} {what} are not there: {first}{', ...' * (len(names) > 3)}. "
            f"They were looked for below {base}{way}. Under 1 % may be missing."
        )
    return f"{len(names)} of {total} {what} are not there and were left out: {first}"
