"""The stores and indexes to choose from: the bytes that each takes for a vector, and what is published of those that
bouba has not measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from bouba.plan.curves import Range

BASE_BYTES = 150e6  # of a Python process with numpy and a store's library, before the model
SERVER_BYTES = 2e9  # of a Milvus standalone without data
RECORD = 300  # of an item beside its vector: id, path, sizes, dates
MULTIPLE = 8  # of dimensions in a stored row, which has one more than the vector: the bias that counters hubs
SECTOR = 4096  # bytes that a disk reads at once; a DiskANN node never crosses one

# Milvus' smallest cluster without its query nodes: coordinators, proxy, data and index node, etcd, MinIO and Pulsar.
# https://zilliz.com/sizing-tool
CLUSTER_MEMORY, CLUSTER_CORES = 164e9 - 4e9, 38
DISKANN = "https://proceedings.neurips.cc/paper/2019/hash/09853c7fb1d3f8ee67a61b6bf4a7f8e6-Abstract.html"

Bytes = Callable[[int], float]  # of one vector, from the length of a stored row


@dataclass(frozen=True, slots=True)
class Published:
    """Somebody else's figures."""

    p95_ms: Range
    recall: Range
    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Engine:
    """One choice."""

    store: str  # "lance"
    index: str  # "IVF_RQ"
    uri: str  # how a gallery with it is named
    memory: Bytes
    disk: Bytes
    formula: str
    base: float = BASE_BYTES
    machines: int | None = 1  # at most; None: as many as are needed
    durable: bool = True
    local_disk: bool = False  # searches read it at random
    published: Published | None = None
    embedded: bool = True

    @property
    def name(self) -> str:
        return f"{self.store} {self.index}"


def stored_length(dims: int) -> int:
    """Of a row as a gallery keeps it: the vector, its bias, and zeros up to a multiple of 8."""
    return ceil((dims + 1) / MULTIPLE) * MULTIPLE


def _links(m: int) -> int:
    """Of a graph: 4 bytes for each of 2 m in its lowest layer; the layers above are few.
    https://milvus.io/ai-quick-reference/how-much-memory-overhead-is-typically-introduced-by-indexes-like-hnsw-or-ivf-for-a-given-number-of-vectors-and-how-can-this-overhead-be-managed-or-configured"""
    return 4 * 2 * m


def _diskann_node(length: int) -> float:
    """On disk; 56 is Milvus' own degree, 1/8 and 1/10 its budgets: https://milvus.io/docs/v2.5.x/configure_knowhere.md"""
    node = 4 * length + 4 + 4 * 56  # the vector, how many neighbours, and at most 56 of them
    return SECTOR / (SECTOR // node) if node <= SECTOR else ceil(node / SECTOR) * SECTOR


ENGINES = (
    Engine(
        "memory", "exact", "memory://", lambda n: 4 * n + 5 * RECORD, lambda n: 0, "4 n + records as Python objects",
        durable=False,
    ),
    Engine(
        "lance", "IVF_RQ", "FOLDER", lambda n: n / 2 + 24, lambda n: 4.5 * n + 24 + RECORD,
        "memory n/2 + 24 (codes of 4 bits); disk 4 n + codes + records", local_disk=True,
    ),
    Engine(
        "zvec", "HNSW int8", "zvec://FOLDER", lambda n: n + _links(50), lambda n: 5 * n + _links(50) + RECORD,
        "memory n (codes) + 400 (links); disk 4 n + codes + links + records",
    ),
    Engine(
        "milvus", "HNSW", "milvus://HOST/NAME", lambda n: 4 * n + _links(24) + RECORD,
        lambda n: 2 * (4 * n + RECORD) + _links(24),
        "memory 4 n + 192 (links) + records; object store: that and the log",
        base=SERVER_BYTES, machines=None, embedded=False,
    ),
    Engine(
        "milvus", "HNSW_SQ", "milvus://HOST/NAME?index=hnsw_sq", lambda n: n + _links(24) + RECORD,
        lambda n: 5 * n + _links(24) + 2 * RECORD,
        "memory n (codes) + 192 (links) + records; object store: that and the log",
        base=SERVER_BYTES, machines=None, embedded=False,
    ),
    Engine(
        "milvus", "IVF_SQ8", "milvus://HOST/NAME?index=ivf_sq8", lambda n: n + 8 + RECORD,
        lambda n: 5 * n + 8 + 2 * RECORD, "memory n (codes) + 8 (ids) + records; object store: that and the log",
        base=SERVER_BYTES, machines=None, embedded=False,
    ),
    Engine(
        "milvus", "DISKANN", "milvus://HOST/NAME?index=diskann", lambda n: (0.125 + 0.10) * 4 * n + RECORD,
        lambda n: _diskann_node(n) + 4 * n + 2 * RECORD,
        "memory 4 n (1/8 codes + 1/10 cached nodes) + records; NVMe: a sector of 4 KiB for as many nodes as fit",
        base=SERVER_BYTES, machines=None, local_disk=True, embedded=False,
        published=Published(
            Range(3, 3, 30), Range(0.95, 0.95, 1.0),
            "a mean under 3 ms and 1-recall@1 over 95 % on a billion vectors of 128 bytes, 16 cores and 64 GB, NVMe; "
            "up to ten times that is allowed here for longer vectors and for p95",
            DISKANN,
        ),
    ),
)  # fmt: skip
