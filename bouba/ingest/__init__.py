"""Folders, files, manifests and shards into a store: walk, hash, skip, decode ahead, encode, commit, report."""

from __future__ import annotations

from collections.abc import Callable

from bouba.errors import QueryError
from bouba.ingest.ahead import Reading, Reads, by_threads
from bouba.ingest.describing import describe
from bouba.ingest.encoding import Setup
from bouba.ingest.listing import Listing
from bouba.ingest.pipeline import ingest
from bouba.ingest.report import Failure, Report
from bouba.ingest.settling import is_gone, settle_files
from bouba.ingest.sources import expand, listed

__all__ = [
    "Failure", "Listing", "Report", "Setup", "describe", "expand", "ingest", "is_gone", "listed", "settle_files",
    "who_reads",
]  # fmt: skip


def who_reads(setup: Setup, workers: int | None, ray: str | None) -> Callable[[Reading], Reads]:
    """Threads of this process; as many `workers`, which are processes of this machine; or those of a Ray cluster."""
    if workers is not None and workers < 1:
        raise QueryError(f"{workers} workers cannot add anything; at least 1 is needed.")
    if ray is not None:
        from bouba.ingest.cluster import by_ray

        return by_ray(ray, workers, setup)
    if workers is not None:
        from bouba.ingest.workers import by_processes

        return by_processes(workers, setup)
    return by_threads
