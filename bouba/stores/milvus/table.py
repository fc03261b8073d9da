"""The rows of one collection. Every request is small enough for a server's limits, and may be asked twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from bouba.errors import StoreUnavailable
from bouba.stores.milvus.connection import CALL_S, PATIENCE_S, Connection, NotLoaded, TooBig
from bouba.stores.milvus.filters import Condition
from bouba.stores.milvus.keys import Keys, tenant_key
from bouba.stores.milvus.records import bytes_of
from bouba.stores.milvus.schema import BY_TYPE, load

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from bouba.types import Vectors

    Row = Mapping[str, Any]

KEYS_AT_ONCE = 1000
SEND_BYTES = 16_000_000  # of 64 MB, what a server takes in one message
FETCH_ROWS, FETCH_BYTES = 16_000, 16_000_000  # of 16,384 rows and 64 MB
RECORD_BYTES = 1000  # of a usual row, beside its vector
LOAD_S = 600.0

WITH_ITEM, WITH_VECTOR = ("pk", "record"), ("pk", "record", "vector")
T = TypeVar("T")


class Table:
    def __init__(self, connection: Connection, collection: str, dim: int) -> None:
        self.collection, self.dim = collection, dim
        self._connection = connection
        tenant = connection.address.tenant
        self.tenant = tenant_key(tenant) if tenant else ""
        self.keys = Keys(tenant)
        self._mutex = threading.Lock()
        self._loaded = False
        # What "session" does not see by itself: all that was written before, and deletions, of which old servers do
        # not say when they happened.
        self._unseen, self._seen = 1, 0
        self._index_type = ""

    def upsert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows that fit into one message are added together, or none of them."""
        for batch in _by_bytes(rows):
            self._connection.call(partial(_upsert, collection=self.collection, rows=batch))

    def delete(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), KEYS_AT_ONCE):
            chosen = self.keys.among(ids[start : start + KEYS_AT_ONCE])
            self._connection.call(partial(_delete, collection=self.collection, expression=chosen))
        with self._mutex:
            self._unseen += 1

    def by_id(self, ids: Sequence[str], fields: Sequence[str], *, strong: bool = False) -> Iterator[Row]:
        """In any order."""
        step = min(KEYS_AT_ONCE, self._fetched_at_once(fields))
        for start in range(0, len(ids), step):
            yield from self._chosen(ids[start : start + step], fields, strong)

    def _chosen(self, ids: Sequence[str], fields: Sequence[str], strong: bool) -> list[Row]:
        try:
            return self._query(self.keys.among(ids), fields, {}, strong)
        except TooBig:
            if len(ids) == 1:
                raise
            half = len(ids) // 2
            return [*self._chosen(ids[:half], fields, strong), *self._chosen(ids[half:], fields, strong)]

    def count(self, where: Condition) -> int:
        rows = self._query(self._scoped(where.expression), ["count(*)"], {}, False)
        return int(rows[0]["count(*)"])

    def scan(self, where: Condition, fields: Sequence[str], *, strong: bool = False) -> Iterator[list[Row]]:
        """Everything that fulfils the condition, sorted by primary key, in pages of any length."""
        last, limit = "", self._fetched_at_once(fields)
        # As pymilvus' own iterator asks: only then is a page certain to hold the least keys. Milvus Lite wants to be
        # told more, which on a server would take away the say on consistency.
        paging = {"reduce_stop_for_best": "True", **({"iterator": "True"} if self._connection.address.is_file else {})}
        while True:
            behind = f'pk > "{last}"' + (f" and {where.expression}" if where.expression else "")
            try:
                found = self._query(self._scoped(behind), fields, {**paging, "limit": limit}, strong)
            except TooBig:
                if limit == 1:
                    raise
                limit = max(1, limit // 4)
                continue
            rows = sorted(found, key=lambda row: str(row["pk"]))
            if not rows:
                return
            yield rows
            last = str(rows[-1]["pk"])

    def nearest(self, query: Vectors, hits: int, where: Condition) -> tuple[list[Row], float]:
        """The nearest rows with their vectors, and the engine's least score among them.

        Fewer than asked for where there are no more, or where the index did not look further."""
        fields = list(WITH_VECTOR) if hits <= self._fetched_at_once(WITH_VECTOR) else ["pk"]
        index, expression = BY_TYPE.get(self.index_type), self._scoped(where.expression)
        width = index.search(hits, filtered=bool(expression)) if index else {}
        found = self._read(
            lambda client, level: client.search(
                self.collection,
                data=[query],
                anns_field="vector",
                filter=expression,
                limit=hits,
                output_fields=fields,
                search_params={"metric_type": "IP", "params": width},
                consistency_level=level,
                timeout=CALL_S,
            ),
            strong=False,
        )[0]
        rows: list[Row] = [hit["entity"] for hit in found]
        least = min((float(hit["distance"]) for hit in found), default=0.0)
        if fields == ["pk"]:
            rows = list(self.by_id([self.keys.id(row["pk"]) for row in rows], WITH_VECTOR))
        return rows, least

    @property
    def index_type(self) -> str:
        if not self._index_type:
            described = self._connection.call(
                lambda client: client.describe_index(self.collection, "vector", timeout=CALL_S)
            )
            self._index_type = str((described or {}).get("index_type", ""))
        return self._index_type

    def flush(self) -> None:
        """Has what was written indexed, which a server begins now and Milvus Lite does at once."""
        self._connection.call(lambda client: client.flush(self.collection, timeout=LOAD_S))

    def _query(self, expression: str, fields: Sequence[str], options: Mapping[str, Any], strong: bool) -> list[Row]:
        return self._read(
            lambda client, level: client.query(
                self.collection,
                filter=expression,
                output_fields=list(fields),
                consistency_level=level,
                timeout=CALL_S,
                **options,
            ),
            strong,
        )

    def _read(self, ask: Callable[[MilvusClient, str], T], strong: bool) -> T:
        """Waits until the collection is in the server's memory, also where somebody released it meanwhile."""
        unseen = self._unseen
        chosen = self._connection.address.consistency
        strong = strong or (chosen == "session" and self._seen < unseen)
        level = "Strong" if strong else chosen.capitalize()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if not self._loaded:
                self._wait_until_loaded()
            try:
                answer = self._connection.call(lambda client: ask(client, level))
            except NotLoaded:
                if time.monotonic() > deadline:
                    raise
                self._loaded = False
                time.sleep(0.1)
                continue
            if strong:
                self._seen = max(self._seen, unseen)
            return answer

    def _wait_until_loaded(self) -> None:
        deadline, pause = time.monotonic() + LOAD_S, 0.02
        with self._mutex:
            while not self._loaded:
                found = self._connection.call(lambda client: client.get_load_state(self.collection, timeout=CALL_S))
                state = found["state"].name
                if state == "Loaded":
                    self._loaded = True
                    return
                if state == "NotLoad":
                    load(self._connection, self.collection)
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"{self._connection.address}: Milvus has been loading the collection for {LOAD_S:.0f} s. Has "
                        "the machine enough memory?"
                    )
                time.sleep(pause)
                pause = min(1.2 * pause, 0.5)

    def _scoped(self, expression: str) -> str:
        if not self.tenant:
            return expression
        return f'tenant == "{self.tenant}"' + (f" and {expression}" if expression else "")

    def _fetched_at_once(self, fields: Sequence[str]) -> int:
        row = 4 * self.dim * ("vector" in fields) + RECORD_BYTES * ("record" in fields) + 64
        return max(1, min(FETCH_ROWS, FETCH_BYTES // row))


def _upsert(client: MilvusClient, collection: str, rows: list[Mapping[str, Any]]) -> None:
    client.upsert(collection, rows, timeout=CALL_S)


def _delete(client: MilvusClient, collection: str, expression: str) -> None:
    client.delete(collection, filter=expression, timeout=CALL_S)


def _by_bytes(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    batch: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        size += bytes_of(row)
        if batch and size > SEND_BYTES:
            yield batch
            batch, size = [], bytes_of(row)
        batch.append(row)
    if batch:
        yield batch
