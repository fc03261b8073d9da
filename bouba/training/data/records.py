"""Pair files -> records: what is shown and what is said of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bouba.errors import ManifestError, MediaEmpty, MediaError
from bouba.evaluation.data.lines import one_text, opened_list, some_texts
from bouba.media import load_text
from bouba.training.data.columns import Columns, choose_columns
from bouba.training.data.files import pair_files
from bouba.training.data.formats import read_table
from bouba.training.data.media import Cell, File, Media, Member

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Record:
    """One picture, one sound, or both, with every text that says what it is."""

    item: str  # records of one item stay on one side of a split; by default the medium's name
    image: Media | None
    audio: Media | None
    texts: tuple[str, ...]  # distinct; empty only for a picture with a sound
    split: str | None = None
    group: str | None = None  # records of one group are not each other's negatives


def read_records(
    path: str | Path,
    *,
    image_column: str | None = None,
    text_columns: Sequence[str] = (),
    audio_column: str | None = None,
    split: str | Sequence[str] | None = None,
    split_column: str | None = None,
    item_column: str | None = None,
    group_column: str | None = None,
    root: Path | None = None,
    note: Note = lambda text: None,
) -> list[Record]:
    """Pairs from JSON lines, CSV, TSV, Parquet or WebDataset shards: a file, a folder of shards or a pattern.

    Only this index sits in memory, about 1 KB for a picture with five captions: pictures and sounds stay where they
    are and are read by `Media.read`, so a set may be larger than memory. The texts of several columns are put
    together; rows of one picture become one record. Paths are relative to the pair file's folder, or to `root`.
    Under 1 % of the rows may lack their picture or sound: they are left out, and `note` is told.
    Raises ManifestError, with file and line, for anything that does not fit."""
    asked = Columns(image_column, audio_column, tuple(text_columns), item_column, group_column, split_column)
    index = _Index()
    for file in pair_files(path):
        table = read_table(file)
        columns = choose_columns(table.columns, asked, str(file))
        base = os.path.abspath(root or file.parent)
        for origin, row in table.rows(columns.names):
            index.add(origin, _record(origin, row, columns, base))
    records = _of_split(index.merged(), split, str(path))
    return _with_texts(_with_media(records, str(path), note), str(path), note)


class _Index:
    """Records in file order, rows of one picture (and sound) joined."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._places: dict[tuple[Media | None, Media | None], int] = {}
        self._more: dict[int, dict[str, None]] = {}  # further texts of the record at that place

    def add(self, origin: str, record: Record) -> None:
        shown = (record.image, record.audio)
        if shown == (None, None) or shown not in self._places:
            self._places[shown] = len(self._records)
            self._records.append(record)
            return
        place = self._places[shown]
        first = self._records[place]
        for what in ("split", "item", "group"):
            if getattr(first, what) != getattr(record, what):
                raise ManifestError(
                    f"{origin}: {_name(record)} has the {what} {getattr(record, what)!a:.60} here and "
                    f"{getattr(first, what)!a:.60} in a row before."
                )
        self._more.setdefault(place, dict.fromkeys(first.texts)).update(dict.fromkeys(record.texts))

    def merged(self) -> list[Record]:
        for place, texts in self._more.items():
            self._records[place] = replace(self._records[place], texts=tuple(texts))
        return self._records


def _record(origin: str, row: Mapping[str, Any], columns: Columns, base: str) -> Record:
    image = _media(row, columns.image, origin, base)
    audio = _media(row, columns.audio, origin, base)
    shown = image or audio
    return Record(
        item=_label(row, columns.item, origin) or (shown.name if shown else origin),
        image=image,
        audio=audio,
        texts=_texts(row, columns.texts, origin),
        split=_label(row, columns.split, origin),
        group=_label(row, columns.group, origin),
    )


def _media(row: Mapping[str, Any], column: str | None, origin: str, base: str) -> Media | None:
    value = row.get(column) if column else None
    if isinstance(value, Member | Cell):
        return value
    if isinstance(value, Mapping) and not value.get("bytes"):  # Hugging Face's feature, without its bytes
        value = value.get("path")
    name = one_text(value, origin, column or "")
    if name.startswith(("http://", "https://")):
        raise ManifestError(
            f"{origin}: {column} holds an address. Download the set first, with img2dataset for example."
        )
    return File(base, name) if name else None


def _label(row: Mapping[str, Any], column: str | None, origin: str) -> str | None:
    """A name that many rows share, kept once in memory."""
    value = row.get(column) if column else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return sys.intern(one_text(value, origin, column or "")) or None


def _texts(row: Mapping[str, Any], columns: Sequence[str], origin: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for column in columns:
        for text in some_texts(opened_list(row.get(column)), origin, column):
            try:
                found[_cleaned(text)] = None
            except MediaEmpty:  # nothing but control characters
                continue
            except MediaError as error:
                raise ManifestError(f"{origin}: {column}: {error}") from error
    return tuple(found)


def _cleaned(text: str) -> str:
    """As a query is, when the model is used. Printable ASCII is clean: most texts are that, and it saves minutes."""
    short = len(text) < 10_000
    return text if short and text.isascii() and text.isprintable() else load_text(text)


def _of_split(records: list[Record], split: str | Sequence[str] | None, where: str) -> list[Record]:
    if split is None:
        return records
    wanted = {split} if isinstance(split, str) else set(split)
    kept = [record for record in records if record.split in wanted]
    if not kept:
        there = ", ".join(sorted({record.split for record in records if record.split})) or "none"
        # Taking the whole file, as evaluation does, would put the same pictures into train and val.
        raise ManifestError(f"{where} has no split {split!r}; it has {there}. Leave `split` out to take all rows.")
    return kept


def _with_media(records: list[Record], where: str, note: Note) -> list[Record]:
    missing = [record for record in records if not _is_there(record)]
    if not missing:
        return records
    names = ", ".join(ascii(_name(record))[1:-1] for record in missing[:3]) + ", ..." * (len(missing) > 3)
    what = f"{len(missing)} of {len(records)} pictures or sounds are not there"
    if len(missing) * 100 >= len(records):
        folders = {media.folder for r in missing for media in (r.image, r.audio) if isinstance(media, File)}
        looked = f" They were looked for below {min(folders)}: name another root." if folders else ""
        raise ManifestError(f"{where}: {what}: {names}.{looked} Under 1 % may be missing.")
    note(f"{where}: {what} and were left out: {names}")
    absent = {id(record) for record in missing}
    return [record for record in records if id(record) not in absent]


def _is_there(record: Record) -> bool:
    media = [medium for medium in (record.image, record.audio) if medium]
    # os.path, not Path: it answers False, not ValueError, for names that no file can have.
    return bool(media) and all(os.path.isfile(m.key) for m in media if isinstance(m, File))


def _name(record: Record) -> str:
    shown = record.image or record.audio
    return shown.name if shown else record.item


def _with_texts(records: list[Record], where: str, note: Note) -> list[Record]:
    kept = [record for record in records if record.texts or (record.image and record.audio)]
    if not kept:
        raise ManifestError(f"{where}: all {len(records)} records are without a text.")
    if len(kept) < len(records):
        note(f"{where}: {len(records) - len(kept)} of {len(records)} records without a text were left out")
    return kept
