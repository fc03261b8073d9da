"""A new collection: its fields and its vector index, made only of what this server has, and looked at afterwards."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bouba.errors import StoreError
from bouba.stores.milvus.connection import CALL_S, Connection
from bouba.stores.milvus.keys import MAX_KEY
from bouba.stores.milvus.records import MAX_PIECES

if TYPE_CHECKING:
    from pymilvus import MilvusClient

    from bouba.stores.milvus.address import IndexName

MAX_DIM = 32_768
FILTERED = 4  # a filter leaves few of the rows that a search passes, so it looks so many times as wide
MAX_WIDTH = 32_768  # that servers take
NEEDED_VERSION = (2, 3, 4)  # the first with arrays
# Before, an upsert took the partition from another field than the key (github.com/milvus-io/milvus/pull/30773).
PLACES_UPSERTS = (2, 3, 10)


@dataclass(frozen=True, slots=True)
class Index:
    """A kind of vector index: how it is built, since which server, and how wide a search for k looks."""

    type: str
    build: Mapping[str, int | str]
    since: tuple[int, ...] = (2, 3)
    width: str = ""  # the search parameter that says how far to look
    least: int = 0
    per_hit: float = 0.0
    in_files: bool = True  # whether Milvus Lite 3 can build it; it takes any name
    needs_trial: bool = False  # whether a server that cannot build it may say that it did

    def search(self, hits: int, *, filtered: bool) -> dict[str, int]:
        """The parameters of a search for so many hits."""
        if not self.width:
            return {}
        width = max(self.least, round(self.per_hit * hits)) * (FILTERED if filtered else 1)
        return {self.width: max(hits, min(width, MAX_WIDTH))}


# M and efConstruction: https://milvus.io/docs/hnsw.md; nlist: 4 x the root of a segment's 250,000 rows.
INDEXES: Mapping[IndexName, Index] = {
    "flat": Index("FLAT", {}),
    "hnsw": Index("HNSW", {"M": 24, "efConstruction": 200}, width="ef", least=512, per_hit=4.0),
    "hnsw_sq": Index(
        "HNSW_SQ", {"M": 24, "efConstruction": 200, "sq_type": "SQ8"}, (2, 5), width="ef", least=160, per_hit=2.0
    ),
    "ivf_flat": Index("IVF_FLAT", {"nlist": 1024}, width="nprobe", least=96),
    "ivf_sq8": Index("IVF_SQ8", {"nlist": 1024}, width="nprobe", least=96),
    "diskann": Index("DISKANN", {}, width="search_list", least=128, per_hit=2.0, in_files=False, needs_trial=True),
}
BY_TYPE = {index.type: index for index in INDEXES.values()}
AUTO: IndexName = "hnsw"
TRIAL_ROWS, TRIAL_DIM, TRIAL_S = 1_500, 32, 20.0  # a server leaves fewer than 1,024 rows without an index


def create(connection: Connection, name: str, dim: int) -> None:
    """An empty collection with its index, which the server begins to load. One that is there already is kept.

    Raises StoreError for a server that is too old, an index that it lacks, or too long vectors."""
    version = connection.version
    index = _chosen(connection, version)
    if not 2 <= dim <= MAX_DIM:
        raise StoreError(f"{connection.address}: Milvus keeps vectors of 2 to {MAX_DIM:,} numbers, not of {dim:,}.")
    partitions = connection.address.is_file or version >= PLACES_UPSERTS
    tenants = None if not connection.address.tenant else partitions
    if index.needs_trial:
        _try_out(connection, index)
    connection.call(lambda client: _create(client, name, dim, tenants))
    made = connection.call(lambda client: _index(client, name, index))
    if made != index.type:
        connection.call(lambda client: client.drop_collection(name, timeout=CALL_S))
        raise StoreError(
            f"{connection.address}: asked for the index {index.type}, the server made {made or 'none'}. "
            "Choose another one: ?index=hnsw."
        )
    load(connection, name)


def load(connection: Connection, name: str) -> None:
    """Begins it; a read waits for the end."""
    connection.call(lambda client: client.load_collection(name, timeout=CALL_S, _async=True))


def _chosen(connection: Connection, version: tuple[int, ...]) -> Index:
    address = connection.address
    index = INDEXES[AUTO if address.index == "auto" else address.index]
    if address.is_file:
        if not index.in_files:
            raise StoreError(f"{address}: Milvus Lite has no {index.type} index. Use ?index=hnsw, or a server.")
        return index
    shown = ".".join(map(str, version))
    if version < NEEDED_VERSION:
        raise StoreError(f"{address}: the server is Milvus {shown}; bouba needs 2.3.4 or newer.")
    if version < index.since:
        raise StoreError(f"{address}: Milvus {shown} has no {index.type} index. Use ?index=hnsw, or a newer server.")
    return index


def _create(client: MilvusClient, name: str, dim: int, tenants: bool | None) -> None:
    """`tenants`: whether a tenant's rows have a partition of their own; None where there are no tenants."""
    if client.has_collection(name, timeout=CALL_S):
        return
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("pk", DataType.VARCHAR, max_length=MAX_KEY, is_primary=True)
    schema.add_field(
        "record", DataType.ARRAY, element_type=DataType.VARCHAR, max_length=65_535, max_capacity=MAX_PIECES
    )
    schema.add_field("facts", DataType.JSON)
    schema.add_field("mark", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    if tenants is not None:
        schema.add_field("tenant", DataType.VARCHAR, max_length=64, is_partition_key=tenants)
    client.create_collection(name, schema=schema, num_shards=1, consistency_level="Session", timeout=CALL_S)


def _index(client: MilvusClient, name: str, index: Index) -> str:
    """The type that the server then says it has."""
    wanted: Any = client.prepare_index_params()
    wanted.add_index("vector", index_type=index.type, metric_type="IP", params=dict(index.build))
    try:
        client.create_index(name, wanted, sync=False, timeout=CALL_S)
    except Exception as problem:
        if "exist" not in str(problem):  # another process was quicker; what it made is looked at
            raise
    described = client.describe_index(name, "vector", timeout=CALL_S)
    return str(described["index_type"]) if described else ""


def _try_out(connection: Connection, index: Index) -> None:
    """Lets the server build it over a few rows. Some take the name, call it finished, and never build it."""
    name = f"bouba_trial_{uuid.uuid4().hex[:12]}"
    try:
        connection.call(lambda client: _create(client, name, TRIAL_DIM, None))
        rows = np.random.default_rng(0).normal(size=(TRIAL_ROWS, TRIAL_DIM)).astype(np.float32)
        item = {"record": [], "facts": {}, "mark": 0}
        batch = [{"pk": str(n), "vector": row, **item} for n, row in enumerate(rows)]
        connection.call(lambda client: client.upsert(name, batch, timeout=CALL_S))
        connection.call(lambda client: _index(client, name, index))
        connection.call(lambda client: client.flush(name, timeout=CALL_S))
        deadline = time.monotonic() + TRIAL_S
        while time.monotonic() < deadline:
            found = connection.call(lambda client: client.describe_index(name, "vector", timeout=CALL_S))
            if found and int(found["indexed_rows"]) >= TRIAL_ROWS:
                return
            time.sleep(0.2)
    finally:
        connection.call(lambda client: client.drop_collection(name, timeout=CALL_S))
    raise StoreError(
        f"{connection.address}: the server takes the index {index.type}, but has not built it over {TRIAL_ROWS:,} rows "
        f"within {TRIAL_S:.0f} s. Use ?index=hnsw, or set the server up for it."
    )
