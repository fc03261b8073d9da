"""Keeping a Lance table fast: merge small files, build and extend indexes, drop old versions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from bouba.stores.lance.folder import KEEP_S, GalleryFolder
from bouba.stores.lance.names import column_of
from bouba.stores.lance.records import fields_of
from bouba.stores.lance.table import LanceTable
from bouba.types import AttributeType

if TYPE_CHECKING:
    import lance

INDEX_FROM_ROWS = 5000  # below, comparing with every vector is fast
ROWS_PER_PARTITION = 1600
CODE_BITS = 4  # a dimension; one bit would find 6 of 10 nearest among random vectors, four find all
TAIL_ROWS = 1000  # as many rows outside the index cost a search about 1 ms
SMALL_FILES = 20  # so many files of fewer rows than SMALL_ROWS are merged
SMALL_ROWS = 16_384
FULL_ROWS = 65_536  # files as long as this are left alone, so that no row is rewritten again and again
KEEP_VERSIONS = timedelta(seconds=KEEP_S)
INDEXED_ATTRIBUTES = 32  # each costs time at every upkeep

VECTOR_INDEX = "vector_idx"
_KINDS: dict[AttributeType, Literal["BITMAP", "LABEL_LIST"]] = {
    AttributeType.BOOLEAN: "BITMAP",
    AttributeType.TEXTS: "LABEL_LIST",
}  # others: BTREE


def maintain(table: LanceTable, folder: GalleryFolder) -> None:
    """Does what is worth doing; returns at once if another process is at it."""
    with folder.try_lock("maintain") as mine:
        if mine and folder.is_current():
            tend(table)
            folder.sweep()


def tend(table: LanceTable) -> None:
    """The same for a table that nobody else tends."""
    dataset = table.current(at_once=True)
    if dataset is None:
        return
    if _is_scattered(dataset):
        table.commit(_compact)
    if dataset.count_rows() >= INDEX_FROM_ROWS:
        table.commit(_index_vectors)
        table.commit(_index_fields)
    table.commit(_clean)


def _is_scattered(dataset: lance.LanceDataset) -> bool:
    rows = [fragment.metadata.physical_rows for fragment in dataset.get_fragments()]
    deleted = sum(rows) - dataset.count_rows()
    return sum(count < SMALL_ROWS for count in rows) >= SMALL_FILES or deleted > 0.2 * sum(rows)


def _compact(dataset: lance.LanceDataset) -> None:
    dataset.optimize.compact_files(target_rows_per_fragment=FULL_ROWS)


def _clean(dataset: lance.LanceDataset) -> None:
    dataset.cleanup_old_versions(older_than=KEEP_VERSIONS)


def _index_vectors(dataset: lance.LanceDataset) -> None:
    """RaBitQ codes in an inverted file (Gao and others, SIGMOD 2024 and 2025); a search ranks the best exactly."""
    indexes = {index.name: index for index in dataset.describe_indices()}
    partitions = max(1, dataset.count_rows() // ROWS_PER_PARTITION)
    if VECTOR_INDEX in indexes:
        covered = {number for segment in indexes[VECTOR_INDEX].segments for number in segment.fragment_ids}
        if _rows_outside(dataset, covered) < TAIL_ROWS:
            return
        statistics = dataset.stats.index_stats(VECTOR_INDEX)
        if partitions < 2 * max(part["num_partitions"] for part in statistics["indices"]):
            dataset.optimize.optimize_indices()
            return
    dataset.create_index(
        "vector", "IVF_RQ", name=VECTOR_INDEX, metric="dot", num_partitions=partitions, num_bits=CODE_BITS, replace=True
    )


def _rows_outside(dataset: lance.LanceDataset, covered: Iterable[int]) -> int:
    numbers = frozenset(covered)
    return sum(f.metadata.physical_rows for f in dataset.get_fragments() if f.fragment_id not in numbers)


def _index_fields(dataset: lance.LanceDataset) -> None:
    there = {index.name for index in dataset.describe_indices()}
    attributes = list(fields_of(dataset.schema).items())[:INDEXED_ATTRIBUTES]
    wanted: dict[str, Literal["BTREE", "BITMAP", "LABEL_LIST"]] = {"id": "BTREE"}
    wanted |= {column_of(name): _KINDS.get(kind, "BTREE") for name, kind in attributes}
    for column, kind in wanted.items():
        if f"{column}_idx" not in there:
            dataset.create_scalar_index(column, kind, name=f"{column}_idx")
