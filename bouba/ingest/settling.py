"""What becomes of items whose files changed, moved or went."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bouba.ingest.reading import file_state
from bouba.media.blob import is_bucket
from bouba.media.packed import container_of

if TYPE_CHECKING:
    from bouba.stores import Store
    from bouba.stores.ledger import FileRow, Ledger


def settle_files(store: Store, ledger: Ledger, ids: Sequence[str]) -> int:
    """After files of these items changed or went: delete the items that no file holds any more, and point the others
    at a file that does. Returns how many were deleted."""
    if not ids:
        return 0
    held: dict[str, list[str]] = {}
    for row in ledger.files_of(ids):
        held.setdefault(row.id, []).append(row.path)
    orphans = [i for i in dict.fromkeys(ids) if i not in held]
    removed = store.delete(orphans)
    ledger.forget_items(orphans)
    items, rows = store.get(list(held))
    astray = [n for n, item in enumerate(items) if item.path and item.path not in held[item.id]]
    if astray:
        store.upsert([replace(items[n], path=min(held[items[n].id])) for n in astray], rows[astray])
    return removed


def is_there(path: str) -> bool:
    """Whether a file is there, or, for what lies in a tar or Parquet file or in a bucket, may well be."""
    return os.path.exists(path) or is_bucket(path) or _within_web(path) or container_of(path) is not None


def is_gone(row: FileRow, rows: dict[str, FileRow]) -> bool:
    """Whether a file of this machine is not there any more, or was in a packed file that was rewritten without it;
    `rows` are those of its folder by path."""
    if os.path.lexists(row.path):
        return False
    packed = container_of(row.path)
    if packed is None:
        return True
    now = rows.get(packed)  # a row stands for a file that was read to its end
    state = file_state(packed)
    return now is not None and (now.size, now.mtime_ns) == state != (row.size, row.mtime_ns)


def _within_web(path: str) -> bool:
    return "://" in path and any(f"{suffix}/" in path.lower() for suffix in (".tar", ".parquet"))
