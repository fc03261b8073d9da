"""Keeping a Lance table fast: merge small files, build and extend indexes, drop old versions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from bouba.stores.lance.folder import KEEP_S, GalleryFolder
from bouba.stores.lance.names import column_of
from bouba.stores.lance.records import fields_of
from bouba.stores.lance.settings import CODE_BITS, INDEX_FROM_ROWS, partitions
from bouba.stores.lance.table import LanceTable
from bouba.types import AttributeType

if TYPE_CHECKING:
    import lance

TAIL_ROWS = 1000  # as many rows outside the index cost a search about 1 ms
TAIL_SHARE = 200  # and at most so small a part of the rows is left outside, since an extension rewrites the index
SMALL_FILES = 20  # so many files of fewer rows than SMALL_ROWS are merged
SMALL_ROWS = 16_384
MEDIUM_FILES = 8  # so many files of more rows, but not full ones, are merged
FULL_ROWS = 65_536  # a full file in a gallery of few; twice as many when it has doubled
FULL_FILES = 4  # of a gallery, at least: a search reads its candidates' vectors from each file apart, which takes time
KEEP_VERSIONS = timedelta(seconds=KEEP_S)
INDEXED_ATTRIBUTES = 32  # each costs time at every upkeep

VECTOR_INDEX = "vector_idx"
CODES = "bouba.codes"  # where the table keeps it
SAMPLE, FEW_VALUES = 2_000, 50  # a text that has so few values among so many rows is a class
_KINDS: dict[AttributeType | None, Literal["BITMAP", "LABEL_LIST"]] = {
    AttributeType.BOOLEAN: "BITMAP",
    AttributeType.TEXTS: "LABEL_LIST",
}  # others: BTREE


def maintain(table: LanceTable, folder: GalleryFolder, codes: int | None = None) -> None:
    """Does what is worth doing; returns at once if another process is at it."""
    with folder.try_lock("maintain") as mine:
        if mine and folder.is_current():
            tend(table, codes)
            folder.sweep()


def tend(table: LanceTable, codes: int | None = None) -> None:
    """The same for a table that nobody else tends. `codes`: bits a dimension of the index from now on."""
    dataset = table.current(at_once=True)
    if dataset is None:
        return
    if codes is not None and codes != _wanted_bits(dataset):
        table.commit(lambda newest: newest.update_config({CODES: str(codes)}))
    if _is_scattered(dataset):
        table.commit(_compact)
    if dataset.count_rows() >= INDEX_FROM_ROWS:
        table.commit(_index_vectors)
        table.commit(_index_fields)
    table.commit(_clean)


def is_due(dataset: lance.LanceDataset, codes: int | None) -> bool:
    """Whether there is more to do than to look. Cheap: asked after commits."""
    if dataset.count_rows() < INDEX_FROM_ROWS:
        return _is_scattered(dataset)
    if codes is not None and codes != _wanted_bits(dataset):
        return True
    return _is_scattered(dataset) or _vector_work(dataset) is not None or bool(_fields_to_index(dataset))


def _is_scattered(dataset: lance.LanceDataset) -> bool:
    return _length_of_files(dataset) is not None


def _length_of_files(dataset: lance.LanceDataset) -> int | None:
    """Rows a file that smaller ones are to be merged into; None where there are not too many of them.

    In two steps, and full files are left alone, so that a row is rewritten a few times, and then once a doubling."""
    rows = [fragment.metadata.physical_rows for fragment in dataset.get_fragments()]
    deleted = sum(rows) - dataset.count_rows()
    full = FULL_ROWS
    while full * 2 * FULL_FILES <= sum(rows):
        full *= 2
    if sum(count < SMALL_ROWS for count in rows) >= SMALL_FILES:
        return FULL_ROWS
    # Half full is enough: else all would be rewritten at once when what is full grows.
    medium = sum(SMALL_ROWS <= count < full // 2 for count in rows)
    return full if medium >= MEDIUM_FILES or deleted > 0.2 * sum(rows) else None


def _compact(dataset: lance.LanceDataset) -> None:
    if length := _length_of_files(dataset):
        dataset.optimize.compact_files(target_rows_per_fragment=length)


def _clean(dataset: lance.LanceDataset) -> None:
    dataset.cleanup_old_versions(older_than=KEEP_VERSIONS)


def _index_vectors(dataset: lance.LanceDataset) -> None:
    """RaBitQ codes in an inverted file (Gao and others, SIGMOD 2024 and 2025); a search ranks the best exactly."""
    work = _vector_work(dataset)
    if work is None:
        return
    names = [index.name for index in dataset.describe_indices() if index.name != VECTOR_INDEX]
    if names:
        dataset.optimize.optimize_indices(index_names=names)
    if work == "train":
        parts, bits = partitions(dataset.count_rows()), _wanted_bits(dataset)
        dataset.create_index(
            "vector", "IVF_RQ", name=VECTOR_INDEX, metric="dot", num_partitions=parts, num_bits=bits, replace=True
        )
    else:
        # Into one: a search reads as many partitions of each segment as of one that holds all.
        segments = sum(len(index.segments) for index in dataset.describe_indices() if index.name == VECTOR_INDEX)
        dataset.optimize.optimize_indices(index_names=[VECTOR_INDEX], num_indices_to_merge=segments)


def _vector_work(dataset: lance.LanceDataset) -> Literal["train", "extend"] | None:
    """New rows are sorted into the partitions that are there, until twice as many would be right."""
    indexes = [index for index in dataset.describe_indices() if index.name == VECTOR_INDEX]
    if not indexes or indexes[0].details["compression"]["num_bits"] != _wanted_bits(dataset):
        return "train"
    segments = indexes[0].segments
    covered = {number for segment in segments for number in segment.fragment_ids}
    if _rows_outside(dataset, covered) < max(TAIL_ROWS, dataset.count_rows() // TAIL_SHARE):
        return None
    statistics = dataset.stats.index_stats(VECTOR_INDEX)
    there = max(part["num_partitions"] for part in statistics["indices"])
    return "extend" if partitions(dataset.count_rows()) < 2 * there else "train"


def _wanted_bits(dataset: lance.LanceDataset) -> int:
    """Of a dimension in the vector index: kept with the table, so that every process builds the same."""
    return int(dataset.config().get(CODES, CODE_BITS))


def _rows_outside(dataset: lance.LanceDataset, covered: Iterable[int]) -> int:
    numbers = frozenset(covered)
    return sum(f.metadata.physical_rows for f in dataset.get_fragments() if f.fragment_id not in numbers)


def _index_fields(dataset: lance.LanceDataset) -> None:
    for column, kind in _fields_to_index(dataset).items():
        few = kind is AttributeType.TEXT and _has_few_values(dataset, column)
        dataset.create_scalar_index(column, "BITMAP" if few else _KINDS.get(kind, "BTREE"), name=f"{column}_idx")


def _has_few_values(dataset: lance.LanceDataset, column: str) -> bool:
    """A bitmap a value answers `kind = "shoe"` many times faster than a tree, and would suit no titles."""
    values = dataset.sample(min(SAMPLE, dataset.count_rows()), columns=[column])[column]
    return len(values.unique()) <= FEW_VALUES


def _fields_to_index(dataset: lance.LanceDataset) -> dict[str, AttributeType | None]:
    """Columns that have no index and are to have one, with the types of the attributes in them."""
    there = {index.name for index in dataset.describe_indices()}
    attributes = list(fields_of(dataset.schema).items())[:INDEXED_ATTRIBUTES]
    wanted = {"id": None, **{column_of(name): kind for name, kind in attributes}}
    return {column: kind for column, kind in wanted.items() if f"{column}_idx" not in there}
