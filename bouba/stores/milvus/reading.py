"""Searching and counting: what the server can say exactly it says, the rest is looked at here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bouba.stores import Found
from bouba.stores.batch import best_first
from bouba.stores.milvus.connection import Refused
from bouba.stores.milvus.filters import UNSURE, Condition, condition
from bouba.stores.milvus.records import to_item, to_matrix
from bouba.stores.milvus.table import WITH_ITEM, WITH_VECTOR
from bouba.stores.where.truth import fits

if TYPE_CHECKING:
    from bouba.stores.milvus.table import Row, Table
    from bouba.stores.where.tree import Where
    from bouba.types import Item, Vectors

MAX_HITS = 16_000  # of 16,384, what a server gives in one search
SPARE = 4  # further hits asked of the index, so that ties at the end are settled by id


class Reader:
    """`json_in`: whether the server knows `in` for what stands in JSON."""

    def __init__(self, table: Table, *, json_in: bool) -> None:
        self._table, self._json_in = table, json_in

    def search(self, query: Vectors, k: int, where: Where | None) -> list[Found]:
        asked, wanted = self._condition(where), k + SPARE
        while wanted <= MAX_HITS:
            try:
                rows, least = self._table.nearest(query, wanted, asked)
            except Refused:
                if asked == UNSURE:
                    raise
                asked = UNSURE
                continue
            found = self._ranked(rows, query, k, where)
            # Beyond the engine's last hit there is none that is better, or equal and of a lesser id.
            if len(found) == k and found[-1].score > least + 1e-6 * max(1.0, abs(least)):
                return found
            if len(rows) < wanted:  # that is all; or the index did not look far enough for so many
                complete = len(found) == k or len(rows) >= self._table.count(asked)
                return found if complete else self._ranked_of_all(query, k, where)
            wanted = MAX_HITS if wanted < MAX_HITS < 4 * wanted else 4 * wanted
        return self._ranked_of_all(query, k, where)

    def count(self, where: Where | None) -> int:
        asked = self._condition(where)
        if asked.exact:
            try:
                return self._table.count(asked)
            except Refused:
                pass
        return sum(len(page) for page in self.pages(where, WITH_ITEM))

    def pages(self, where: Where | None, fields: Sequence[str]) -> Iterator[list[tuple[Item, Row]]]:
        """All that fits the filter, with its row."""
        try:
            yield from self._looked_at(self._condition(where), where, fields)
        except Refused:  # of the first page: the others ask the same
            yield from self._looked_at(UNSURE, where, fields)

    def _looked_at(
        self, asked: Condition, where: Where | None, fields: Sequence[str]
    ) -> Iterator[list[tuple[Item, Row]]]:
        for rows in self._table.scan(asked, fields):
            yield self._fitting(rows, where)

    def _ranked(self, rows: Sequence[Row], query: Vectors, k: int, where: Where | None) -> list[Found]:
        pairs = self._fitting(rows, where)
        matrix = to_matrix([row for _, row in pairs], self._table.dim)
        best = best_first([item.id for item, _ in pairs], matrix, query, k)
        return [Found(pairs[row][0], score, matrix[row]) for row, score in best]

    def _ranked_of_all(self, query: Vectors, k: int, where: Where | None) -> list[Found]:
        """For more than a search of the engine can give: everything is compared here."""
        best: list[Found] = []
        for page in self.pages(where, WITH_VECTOR):
            items = [*(one.item for one in best), *(item for item, _ in page)]
            fresh = to_matrix([row for _, row in page], self._table.dim)
            matrix = np.concatenate([*(one.row[None] for one in best), fresh])
            ranked = best_first([item.id for item in items], matrix, query, k)
            best = [Found(items[row], score, matrix[row]) for row, score in ranked]
        return best

    def _fitting(self, rows: Sequence[Row], where: Where | None) -> list[tuple[Item, Row]]:
        pairs = ((to_item(row, self._table.keys), row) for row in rows)
        return [(item, row) for item, row in pairs if fits(where, item)]

    def _condition(self, where: Where | None) -> Condition:
        return condition(where, self._table.keys, json_in=self._json_in)
