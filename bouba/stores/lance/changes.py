"""What a commit does to the rows of a Lance table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bouba.stores.batch import new_fields
from bouba.stores.lance.records import columns_for, fields_of, to_table
from bouba.stores.lance.sql import IDS_AT_ONCE, ids_sql

if TYPE_CHECKING:
    import lance

    from bouba.types import Item, Vectors


def merge_rows(dataset: lance.LanceDataset, items: Sequence[Item], vectors: Vectors) -> None:
    fresh = new_fields(items, fields_of(dataset.schema))
    if fresh:
        dataset.add_columns(columns_for(fresh))
    merge = dataset.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    merge.execute(to_table(items, vectors, dataset.schema))


def delete_rows(dataset: lance.LanceDataset, ids: Sequence[str]) -> int:
    """One commit for any number of ids."""
    chunks = (ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE))
    condition = " OR ".join(map(ids_sql, chunks))
    there = bool(ids) and dataset.count_rows(filter=condition) > 0
    return int(dataset.delete(condition)["num_deleted_rows"]) if there else 0
