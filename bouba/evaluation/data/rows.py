"""JSON lines, CSV and TSV: a row is a picture with its captions, or with one of them, or with its recordings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bouba.errors import ManifestError
from bouba.evaluation.data.lines import Record, Table, csv_lines, json_lines, one_text, opened_list, some_texts
from bouba.ingest.manifest import IMAGE_COLUMNS

# The first of these that a file has holds its queries.
TEXT_COLUMNS = ("captions", "caption", "text", "title", "description", "label")
AUDIO_COLUMNS = tuple("audio audio_path audio_file sound wav".split())
_LANGUAGE = re.compile(r"captions_([a-z]{2,3}(?:-[a-z0-9]+)?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Columns:
    image: str
    text: str | None
    audio: str | None
    languages: Mapping[str, str]  # "zh" -> "captions_zh"


def read_rows(path: Path, text_column: str | None) -> Table:
    """Raises ManifestError for a row without a picture, and for a text that is none."""
    is_json = path.suffix.lower() not in {".csv", ".tsv"}
    rows = list(json_lines(path) if is_json else csv_lines(path))
    if not rows:
        raise ManifestError(f"{path} holds no rows.")
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    image = column_of(columns, IMAGE_COLUMNS)
    if image is None:
        raise ManifestError(f"{_none_of(path, columns)} names the pictures: call it {' or '.join(IMAGE_COLUMNS[:3])}.")
    text = column_of(columns, (text_column,) if text_column else TEXT_COLUMNS)
    audio = column_of(columns, AUDIO_COLUMNS)
    if text is None and (text_column or audio is None):
        wanted = text_column or " or ".join(TEXT_COLUMNS)
        raise ManifestError(f"{_none_of(path, columns)} is called {wanted}. Name the one with the texts.")
    languages = {m[1].lower(): c for c in columns if c != text and (m := _LANGUAGE.fullmatch(c))}
    chosen = _Columns(image, text, audio, languages)
    return Table(text or "", tuple(_record(origin, row, chosen) for origin, row in rows))


def column_of(columns: Iterable[str], candidates: Sequence[str]) -> str | None:
    """The first candidate that is there, in its own or any other casing."""
    columns = list(columns)
    lower = {c.lower(): c for c in reversed(columns)}
    return next((c if c in columns else lower[c.lower()] for c in candidates if c.lower() in lower), None)


def _none_of(path: Path, columns: Sequence[str]) -> str:
    return f"{path}: none of its columns ({', '.join(map(str, columns))})"


def _record(origin: str, row: Mapping[str, Any], columns: _Columns) -> Record:
    picture = one_text(row.get(columns.image), origin, columns.image)
    if not picture:
        raise ManifestError(f"{origin}: no picture under {columns.image!r}.")

    def texts(column: str | None) -> tuple[str, ...]:
        return some_texts(opened_list(row.get(column)), origin, column) if column else ()

    return Record(
        origin,
        picture,
        texts(columns.text),
        _split(row, origin),
        {code: found for code, column in columns.languages.items() if (found := texts(column))},
        texts(columns.audio),
    )


def _split(row: Mapping[str, Any], origin: str) -> str | None:
    return one_text(row.get("split"), origin, "split") or None
