"""TREC's files: qrels (judgements), runs (answers) and topics (queries).

Ids are separated by white space there: white space and `%` in an id are written percent-encoded, and decoded again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from bouba.errors import ManifestError
from bouba.evaluation.data.lines import json_lines, one_text, opened_list, some_texts, text_lines
from bouba.evaluation.data.rows import AUDIO_COLUMNS, column_of
from bouba.ingest.manifest import IMAGE_COLUMNS

if TYPE_CHECKING:
    from bouba.evaluation.data.sets import EvaluationSet

# Query id -> document id -> grade or score: the shape that pytrec_eval and ranx take.
Judgements = Mapping[str, Mapping[str, float]]

_UNSAFE = re.compile(r"[\s%]")
_ID_COLUMNS = ("id", "qid", "_id", "query_id")
_TOPIC_COLUMNS = ("text", "query", "title", "caption")


def read_qrels(path: Path) -> dict[str, dict[str, float]]:
    """`qid iter docid grade` a line (trec.nist.gov/data/qrels_eng); the second field is not used."""
    return _read(path, fields=4, value=3, what="qid iter docid grade")


def read_run(path: Path) -> dict[str, dict[str, float]]:
    """`qid Q0 docid rank score tag` a line, best first by score; the rank is not used, as in trec_eval."""
    run = _read(path, fields=6, value=4, what="qid Q0 docid rank score tag")
    return {qid: dict(sorted(scores.items(), key=lambda pair: -pair[1])) for qid, scores in run.items()}


def _read(path: Path, fields: int, value: int, what: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for origin, line in text_lines(path):
        cells = line.split()
        if len(cells) != fields:
            raise ManifestError(f"{origin} has {len(cells)} fields, not the {fields} of '{what}'.")
        number, document = _number(cells[value], origin), unquote(cells[2])
        documents = found.setdefault(unquote(cells[0]), {})
        if documents.setdefault(document, number) != number:
            grades = f"{documents[document]:g} before, {number:g} here"
            raise ManifestError(f"{origin}: query {cells[0]} has {cells[2]} a second time: {grades}.")
    if not found:
        raise ManifestError(f"{path} holds no lines of '{what}'.")
    return found


def _number(cell: str, origin: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ManifestError(f"{origin}: {cell[:60]!a} is not a number.")
    return number


def write_qrels(path: Path, judgements: Judgements) -> None:
    """Whole grades are written as whole numbers, which is all that trec_eval reads."""
    _write(
        path,
        (
            f"{_quoted(qid)} 0 {_quoted(document)} {int(grade) if grade == int(grade) else repr(float(grade))}\n"
            for qid, grades in judgements.items()
            for document, grade in grades.items()
        ),
    )


def write_run(path: Path, run: Judgements, tag: str = "bouba") -> None:
    """Answers of each query by falling score, those of equal score in the order given; ranks count from 1."""
    _write(
        path,
        (
            f"{_quoted(qid)} Q0 {_quoted(document)} {rank} {float(score)!r} {_quoted(tag)}\n"
            for qid, scores in run.items()
            for rank, (document, score) in enumerate(sorted(scores.items(), key=lambda pair: -pair[1]), 1)
        ),
    )


def _write(path: Path, lines: Iterable[str]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
    except OSError as error:
        raise ManifestError(f"{path} cannot be written: {error.strerror or error}.") from error


def _quoted(name: str) -> str:
    if not name:
        raise ManifestError("A query, picture or run without an id cannot be written in TREC's format.")
    return _UNSAFE.sub(lambda match: quote(match[0]), name)


def judgements_of(data: EvaluationSet) -> dict[str, dict[str, float]]:
    """What is relevant in a set, as qrels: queries by their ids, pictures by their paths as the file writes them."""
    return {
        qid: {data.image_ids[image]: grade for image, grade in zip(images, grades, strict=True)}
        for qid, images, grades in zip(data.query_ids, data.relevant, data.grades, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Topic:
    """What is looked for, as a text, as recordings, or both."""

    text: str  # empty where only recordings ask
    audio: tuple[str, ...] = ()  # as written: relative to the file's folder, or absolute


def read_topics(path: Path) -> dict[str, Topic] | None:
    """Topics by id, from `qid<TAB>text` lines or JSON lines `{"id", "text", "audio"}`, where `audio` is a recording or
    a list of them; None for a file with pictures."""
    suffix = path.suffix.lower()
    if suffix in {".tsv", ".txt"}:
        return _unless_pictures(path, _tab_topics)
    return _unless_pictures(path, _json_topics) if suffix in {".jsonl", ".ndjson"} else None


_Topics = Iterable[tuple[str, str, Topic]]  # origin, id, topic


def _unless_pictures(path: Path, reader: Callable[[Path], _Topics | None]) -> dict[str, Topic] | None:
    found = reader(path)
    if found is None:
        return None
    topics: dict[str, Topic] = {}
    for origin, qid, topic in found:
        if not qid or not (topic.text or topic.audio):
            raise ManifestError(f"{origin} has no {'text' if qid else 'id'}: a topic has an id, and a text or audio.")
        if qid in topics:
            raise ManifestError(f"{origin}: a second topic has the id {qid}.")
        topics[qid] = topic
    if not topics:
        raise ManifestError(f"{path} holds no topics.")
    return topics


def _tab_topics(path: Path) -> _Topics | None:
    lines = list(text_lines(path))
    if lines and column_of(lines[0][1].split("\t"), IMAGE_COLUMNS) is not None:
        return None
    cells = [(origin, line.partition("\t")) for origin, line in lines]
    return [(origin, qid.strip(), Topic(one_text(text, origin, "text"))) for origin, (qid, _, text) in cells]


def _json_topics(path: Path) -> _Topics | None:
    rows = list(json_lines(path))
    if rows and column_of(rows[0][1], IMAGE_COLUMNS) is not None:
        return None
    return [(origin, _json_id(row, origin), _json_topic(row, origin)) for origin, row in rows]


def _json_id(row: Mapping[str, object], origin: str) -> str:
    value = row.get(column_of(row, _ID_COLUMNS) or "id")
    number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if number else one_text(value, origin, "id")


def _json_topic(row: Mapping[str, object], origin: str) -> Topic:
    text = one_text(row.get(column_of(row, _TOPIC_COLUMNS) or "text"), origin, "text")
    return Topic(text, some_texts(opened_list(row.get(column_of(row, AUDIO_COLUMNS) or "audio")), origin, "audio"))
