"""The nearest items to a vector, by whichever way is cheapest: through the index, or exactly among the few that fit."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.stores.lance.settings import partitions
from bouba.stores.lance.sql import where_sql

if TYPE_CHECKING:
    import lance
    import pyarrow as pa

    from bouba.stores.where.tree import Where
    from bouba.types import Vectors

REFINE = 3  # times k candidates of the index that are compared exactly
SPARE = 4  # further hits asked of the index, so that ties at the end are settled by id
FEW = 2_000  # items that fit a filter: comparing with them all costs no more than the index, and misses none
RARE = 0.01  # a filter that fewer fit: the nearest lie in many partitions, of each of which it takes few rows
PROBES, FILTERED, RARELY_FILTERED = 4.0, 6.0, 10.0  # partitions read, in roots of the number of partitions
FEWEST_PROBES = 32
AMPLE = 4 * REFINE  # times k: so many items in the partitions read are enough to choose from
ALL_CORES = -1
KNOWN_S = 60.0  # how long the number of items that fit a filter is taken to stay about the same
KNOWN = 256  # filters


class Nearest:
    """Safe from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, float]] = {}  # of filters: how many items fit, and when that was counted

    def search(self, dataset: lance.LanceDataset, query: Vectors, k: int, where: Where | None) -> pa.Table:
        """At least the k nearest, with their vectors, in no order that counts."""
        from bouba.stores.lance.records import item_columns

        condition = where_sql(where) if where is not None else None
        fitting = self._count(dataset, condition) if condition is not None else None
        rows, wanted = dataset.count_rows(), k + SPARE
        way = _way(rows, fitting, wanted)
        while True:
            table = dataset.to_table(
                columns=[*item_columns(dataset.schema), "vector", "_distance"],
                nearest={"column": "vector", "q": query, "k": wanted, "metric": "dot", **way},
                filter=condition,
                prefilter=True,
            )
            distances = np.sort(table["_distance"].to_numpy())
            if len(distances) < wanted and way.pop("nprobes", None):
                way["minimum_nprobes"] = rows  # what fits lies elsewhere than what is near: read everything
            elif len(distances) < wanted or distances[-1] - distances[k - 1] >= 1e-6:
                return table
            else:
                wanted *= 4  # a run of equal pictures: ask on until it ends, or nothing is left

    def _count(self, dataset: lance.LanceDataset, condition: str) -> int:
        """About how many items fit: only the way of the search depends on it. Half a million take 20 ms to count."""
        now = time.monotonic()
        with self._lock:
            held = self._known.get(condition)
        if held is not None and now - held[1] < KNOWN_S:
            return held[0]
        count = int(dataset.count_rows(filter=condition))
        with self._lock:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[condition] = count, now
        return count


def _way(rows: int, fitting: int | None, wanted: int) -> dict[str, Any]:
    if fitting is not None and fitting <= FEW:
        return {"use_index": False}
    read = probes(rows, fitting)
    there = (rows if fitting is None else fitting) * min(1.0, read / partitions(rows))
    # Left to itself, the engine reads on when it has enough already.
    bound = {"nprobes": read} if there >= AMPLE * wanted else {"minimum_nprobes": read}
    return {**bound, "refine_factor": REFINE, "query_parallelism": ALL_CORES}


def probes(rows: int, fitting: int | None) -> int:
    """How many partitions a search reads at least, of a gallery with so many items, of which so many fit its filter.

    It reads on where they may hold too few. A query from another modality lies far from all items, so
    that its nearest are spread over more partitions than an item's own neighbours."""
    factor = PROBES if fitting is None else FILTERED if fitting >= RARE * rows else RARELY_FILTERED
    return max(FEWEST_PROBES, math.ceil(factor * math.sqrt(partitions(rows))))
