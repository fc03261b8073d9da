"""Groups of pictures in a gallery that show the same, and what they cost. Nothing is ever deleted.

A group has a leader, the picture with the most pixels, and whatever is a copy of it (`bouba.ranking.diversity`). What
is only a copy of a copy is no member, so a chain of small changes does not glue unlike pictures.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.errors import QueryError
from bouba.gallery import Gallery, parts
from bouba.ingest.reading import file_state
from bouba.ingest.settling import is_there
from bouba.ingest.sources import is_url
from bouba.query.folding import fold_items
from bouba.ranking.diversity import MAX_BITS, Words, hash_words, telling
from bouba.ranking.hamming import MOST_BITS, connected
from bouba.sheet import Cell, save_rows
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.stores.ledger import FileRow, Ledger
    from bouba.types import Vectors

Progress = Callable[[int, int], None]
SHEET_GROUPS, SHEET_COPIES = 50, 6  # on one picture
_BLOCK = 5_000  # items whose files are looked up at once


@dataclass(frozen=True, slots=True)
class Copy:
    """One item of a group, and every file that holds its bytes; none for a picture that came as bytes."""

    item: Item
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one picture, the one to keep first: of most pixels, then of most bytes."""

    copies: tuple[Copy, ...]

    @property
    def files(self) -> int:
        """How many there are; a picture that came as bytes counts as one."""
        return sum(max(1, len(copy.files)) for copy in self.copies)

    @property
    def savable_bytes(self) -> int:
        """On this machine's disks, if all files but the first went."""
        sizes = [copy.item.bytes for copy in self.copies for file in copy.files if not is_url(file)]
        keeper = self.copies[0]
        kept = keeper.item.bytes if keeper.files and not is_url(keeper.files[0]) else 0
        return sum(sizes) - kept

    def to_dict(self) -> dict[str, Any]:
        return {
            "files": self.files,
            "savable_bytes": self.savable_bytes,
            "items": [
                {
                    "id": copy.item.id,
                    "width": copy.item.width,
                    "height": copy.item.height,
                    "bytes": copy.item.bytes,
                    "files": list(copy.files),
                }
                for copy in self.copies
            ],
        }


def find_duplicates(
    gallery: Gallery,
    where: str | None = None,
    *,
    max_bits: int = MAX_BITS,
    progress: Progress = lambda done, total: None,
) -> list[Group]:
    """All groups of at least two files among the items that fit the filter, those of most files first.

    `max_bits` is how many of the 64 bits of two perceptual hashes may differ. Files that are gone or changed since they
    were added are left out; names of one file (links) count once. Takes some hundred bytes an item, and 4 KB more
    for each that has another one near by hash. Raises QueryError, WhereError."""
    if not 0 <= max_bits <= MOST_BITS:
        raise QueryError(f"The distance is {max_bits!r}; hashes may differ in 0 to {MOST_BITS} of their 64 bits.")
    total = 2 * gallery.count(where)  # each is looked at twice
    prints = _read_prints(gallery, where, lambda done: progress(done // 2, total // 2))
    clusters = _clusters(prints, max_bits)
    near = {prints.ids[row] for rows in clusters for row in rows}
    twice = _with_more_files(parts(gallery)[2], prints.ids)
    known = _read_items(gallery, where, near, twice, lambda done: progress((total // 2 + done) // 2, total // 2))
    groups = [
        group for rows in clusters for group in _folded([prints.ids[row] for row in rows], known, gallery, max_bits)
    ]
    groups += [[known.items[id]] for id in sorted(twice - near) if id in known.items]
    return _largest_first(_with_files(groups, parts(gallery)[2]))


@dataclass(frozen=True, slots=True)
class _Prints:
    """What the first look at a gallery keeps of every item."""

    ids: list[str]
    words: Words


@dataclass(frozen=True, slots=True)
class _Known:
    """Of the items that may be in a group: all of them, and the vectors [n, dim] of those that need comparing."""

    items: dict[str, Item]
    rows: dict[str, int]
    vectors: Vectors


def _read_prints(gallery: Gallery, where: str | None, advance: Callable[[int], None]) -> _Prints:
    ids: list[str] = []
    words: list[Words] = []
    for items, _ in gallery.batches(where):
        ids += [item.id for item in items]
        words.append(hash_words([item.phash for item in items]))
        advance(len(ids))
    return _Prints(ids, np.concatenate(words) if words else np.empty(0, np.uint64))


def _clusters(prints: _Prints, max_bits: int) -> list[list[int]]:
    """Rows that hashes connect, two or more at a time: no group reaches beyond one."""
    clear = np.flatnonzero(telling(prints.words))
    distinct, which = np.unique(prints.words[clear], return_inverse=True)
    labels = connected(distinct, max_bits)[which]
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    return [clear[rows].tolist() for rows in np.split(order, starts[1:]) if len(rows) > 1]


def _with_more_files(ledger: Ledger, ids: Sequence[str]) -> set[str]:
    """Those items whose bytes several files hold."""
    counts = Counter(row.id for rows in _file_rows(ledger, ids) for row in rows)
    return {id for id, files in counts.items() if files > 1}


def _file_rows(ledger: Ledger, ids: Sequence[str]) -> Iterator[list[FileRow]]:
    for start in range(0, len(ids), _BLOCK):
        yield ledger.files_of(ids[start : start + _BLOCK])


def _read_items(
    gallery: Gallery, where: str | None, near: set[str], twice: set[str], advance: Callable[[int], None]
) -> _Known:
    items: dict[str, Item] = {}
    rows: dict[str, int] = {}
    vectors: list[Vectors] = []
    done = 0
    for batch, matrix in gallery.batches(where):
        items |= {item.id: item for item in batch if item.id in near or item.id in twice}
        wanted = [n for n, item in enumerate(batch) if item.id in near and item.id not in rows]
        rows |= {batch[n].id: len(rows) + place for place, n in enumerate(wanted)}
        vectors.append(matrix[wanted])
        done += len(batch)
        advance(done)
    return _Known(items, rows, np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32))


def _folded(ids: Iterable[str], known: _Known, gallery: Gallery, max_bits: int) -> list[list[Item]]:
    """The groups of one cluster, each with its leader first; items that went meanwhile are left out."""
    items = sorted((known.items[id] for id in ids if id in known.rows), key=_keep_first)
    vectors = known.vectors[[known.rows[item.id] for item in items]]
    groups = fold_items(items, vectors, gallery.thumbnail, max_bits=max_bits)
    return [[items[row] for row in rows] for rows in groups]


def _keep_first(item: Item) -> tuple[int, int, str]:
    return (-item.width * item.height, -item.bytes, item.id)


def save_groups(groups: Sequence[Group], thumbnail: Callable[[str], bytes | None], path: Path) -> None:
    """The first groups as one picture, a row each, the one to keep at the left. Raises StoreUnavailable."""
    save_rows([_cells(group, thumbnail) for group in groups[:SHEET_GROUPS]], path, _summary(groups))


def _cells(group: Group, thumbnail: Callable[[str], bytes | None]) -> list[Cell]:
    cells = []
    for copy in group.copies[:SHEET_COPIES]:
        item, more = copy.item, len(copy.files) - 1
        head = f"{item.width} x {item.height}" + (f"   in {more + 1} files" if more > 0 else "")
        cells.append(Cell(thumbnail(item.id), head, copy.files[0] if copy.files else item.id))
    if (left := len(group.copies) - SHEET_COPIES) > 0:
        cells[-1] = replace(cells[-1], head=f"{cells[-1].head}   and {left} more")
    return cells


def _summary(groups: Sequence[Group]) -> str:
    shown = f", the first {SHEET_GROUPS}" if len(groups) > SHEET_GROUPS else ""
    return f"{len(groups):,} groups{shown}"


def _with_files(groups: Sequence[Sequence[Item]], ledger: Ledger) -> Iterator[Group]:
    ids = [item.id for items in groups for item in items]
    rows: dict[str, list[FileRow]] = {}
    for block in _file_rows(ledger, ids):
        for row in block:
            rows.setdefault(row.id, []).append(row)
    for items in groups:
        seen: set[tuple[int, int]] = set()
        copies = [Copy(item, _files(item, rows.get(item.id, []), seen)) for item in items]
        group = Group(tuple(copy for copy in copies if copy.files or not copy.item.path))
        if group.files > 1:
            yield group


def _files(item: Item, rows: Sequence[FileRow], seen: set[tuple[int, int]]) -> tuple[str, ...]:
    """The item's own path first, then the others by name; `seen` are the files, by device and number, of its group."""
    unchanged = [row.path for row in rows if row.path and file_state(row.path) == (row.size, row.mtime_ns)]
    paths = sorted(unchanged, key=lambda path: (path != item.path, path))
    if not rows and item.path:
        paths = [item.path] if is_url(item.path) or is_there(item.path) else []
    return tuple(path for path in paths if is_url(path) or _is_new(path, seen))


def _is_new(path: str, seen: set[tuple[int, int]]) -> bool:
    try:
        stat = os.stat(path)
    except OSError:
        return is_there(path)  # within a tar or Parquet file, or in a bucket, where one path is one picture
    key = (stat.st_dev, stat.st_ino)
    new = key not in seen
    seen.add(key)
    return new


def _largest_first(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (-group.files, -group.savable_bytes, group.copies[0].item.id))
