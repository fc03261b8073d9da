"""The graph index: zvec's HNSW over int8 codes, whose best are compared by their float32 vectors ("refiner").

HNSW: Malkov and Yashunin, 2016. What is written is searched at once, by comparing with every vector of the part that
has no graph yet; `tend` makes a graph of it. Where a condition leaves less than a tenth, zvec compares with all that is
left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bouba.stores.zvec.engine import engine, searching
from bouba.stores.zvec.facts import FACTS, OWN, SLOTS
from bouba.stores.zvec.records import chunks

if TYPE_CHECKING:
    import zvec

    from bouba.types import Vectors

LINKS = 32  # of a node, twice that on the lowest level; with 16, the graph of a million misses one of ten
BUILD_CANDIDATES = 300
CANDIDATES = 200  # of a search among 100,000 rows
CANDIDATES_A_DECADE = 540  # more, for ten times as many rows
CANDIDATES_A_HIT = 4  # at least
COMPARED_A_HIT = 4  # by their float32 vectors: as many as are asked for would read all of them into memory, for nothing
MOST_CANDIDATES = 2000  # beyond, all rows are compared: zvec's limit is 2,048, and the graph gives no more anyway
AT_ONCE = 1000  # rows; zvec takes 1,024
TAIL_ROWS = 10_000  # rows without a graph: as many cost a search about 1 ms
TAIL_SHARE = 0.1  # of all: joining them to the graph costs a third of building it anew
REMOVED_SHARE = 0.35  # zvec itself does nothing below 0.3
VECTOR = "vector"


class VectorIndex:
    """zvec's table of numbered rows. Searches run while it is written to and tended."""

    def __init__(self, path: Path, dim: int, memory_mb: int | None) -> None:
        zvec = engine(memory_mb)
        self.is_new = not path.exists()
        option = zvec.CollectionOption(enable_mmap=memory_mb is None)
        if self.is_new:
            self._table = zvec.create_and_open(str(path), _schema(dim), option)
        else:
            self._table = zvec.open(str(path), option)

    def put(self, rows: Sequence[int], facts: Sequence[Mapping[str, Any]], vectors: Vectors) -> None:
        """Add or replace by row."""
        from zvec import Doc

        for some in chunks(range(len(rows)), AT_ONCE):
            docs = [Doc(str(rows[n]), vectors={VECTOR: vectors[n]}, fields=dict(facts[n])) for n in some]
            for status in self._table.upsert(docs):
                if not status.ok():
                    raise RuntimeError(status.message())

    def remove(self, rows: Sequence[int]) -> None:
        """Those that are not there are passed over."""
        for some in chunks(map(str, rows), AT_ONCE):
            self._table.delete(some)

    def nearest(self, query: Vectors, wanted: int, condition: str | None, among: int) -> tuple[list[int], list[float]]:
        """Rows and their inner products with the query, best first: as many as wanted, or as there are.

        `among`: about how many rows there are."""
        from zvec import HnswQueryParam, Query

        ef = _candidates(wanted, among)
        how = HnswQueryParam(
            ef=min(ef, MOST_CANDIDATES),
            is_linear=ef > MOST_CANDIDATES,
            is_using_refiner=True,
            scale_factor=COMPARED_A_HIT,
        )
        asked = Query(VECTOR, vector=query, param=how)
        with searching:
            found = self._table.query(asked, topk=wanted, filter=condition, output_fields=[])
        return [int(one.id) for one in found], [one.score for one in found]

    def tend(self, removed: int) -> bool:
        """Makes a graph of what has none, without what was removed since, if that is worthwhile; whether it was."""
        stats = self._table.stats
        tail = round(stats.doc_count * (1 - stats.index_completeness[VECTOR]))
        worthwhile = tail >= max(TAIL_ROWS, TAIL_SHARE * stats.doc_count)
        worthwhile |= removed >= max(TAIL_ROWS, REMOVED_SHARE * (stats.doc_count + removed))
        if worthwhile:
            self._table.optimize()
        return bool(worthwhile)

    def flush(self) -> None:
        self._table.flush()

    def close(self) -> None:
        self._table.close()


def _candidates(wanted: int, among: int) -> int:
    """How many the graph is asked for, so that of ten nearest 97 in 100 are among them: more in a larger graph."""
    decades = math.log10(max(among, 100_000) / 100_000)
    return max(round(CANDIDATES + CANDIDATES_A_DECADE * decades), CANDIDATES_A_HIT * wanted)


def _schema(dim: int) -> zvec.CollectionSchema:
    from zvec import (
        CollectionSchema,
        DataType,
        FieldSchema,
        HnswIndexParam,
        InvertIndexParam,
        MetricType,
        QuantizeType,
        VectorSchema,
    )

    ranges = InvertIndexParam(enable_range_optimization=True)
    numbers = [FieldSchema(n, DataType.DOUBLE, nullable=True, index_param=ranges) for n in (*OWN, *SLOTS)]
    facts = FieldSchema(FACTS, DataType.ARRAY_STRING, nullable=True, index_param=InvertIndexParam())
    graph = HnswIndexParam(MetricType.IP, LINKS, BUILD_CANDIDATES, QuantizeType.INT8)
    vector = VectorSchema(VECTOR, DataType.VECTOR_FP32, dim, graph)
    return CollectionSchema("items", [facts, *numbers], [vector])
