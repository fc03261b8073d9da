"""The questions that are asked of a server."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.load import Load, flood, steady
from benchmarks.serving.server import Server, serving

CLIENTS = (1, 8, 32, 128)
WARM_S = 2.0
TURNS = 2  # of each kind of server, in alternation, so that what else the machine does hits both
OVERLOAD = 4
SETTLING = 0.1  # of the samples of memory: caches fill first
RESTARTS = 3

Requests = Mapping[str, Sequence[bytes]]


def scaling(place: Path, requests: Requests, seconds: float) -> dict[str, dict[str, Any]]:
    """Of each kind of question, at each number of clients."""
    rows: dict[str, dict[str, Any]] = {}
    with serving(place) as server:
        for kind, asked in requests.items():
            steady(server.port, asked, 8, WARM_S)
            rows[kind] = {str(n): steady(server.port, asked, n, seconds).to_dict() for n in CLIENTS}
    return rows


def batching(place: Path, requests: Requests, seconds: float, clients: int = 32) -> dict[str, dict[str, float]]:
    """What batches gain: throughput with them, without, and the ratio."""
    found: dict[str, dict[str, list[float]]] = {kind: {"with": [], "without": []} for kind in requests}
    for _ in range(TURNS):
        for way, options in (("with", ()), ("without", ("--no-batching",))):
            with serving(place, *options) as server:
                for kind, asked in requests.items():
                    steady(server.port, asked, 8, WARM_S)
                    found[kind][way].append(steady(server.port, asked, clients, seconds).per_second)
    means = {kind: {way: statistics.mean(rates) for way, rates in ways.items()} for kind, ways in found.items()}
    return {kind: {**ways, "ratio": ways["with"] / ways["without"]} for kind, ways in means.items()}


def overload(place: Path, asked: Sequence[bytes], minutes: float) -> dict[str, Any]:
    """Four times as many requests as it can answer: what it says, and what its memory does."""
    with serving(place) as server:
        steady(server.port, asked, 8, WARM_S)
        capacity = steady(server.port, asked, 32, max(WARM_S, 5.0)).per_second
        load = flood(server.port, asked, OVERLOAD * capacity, 60 * minutes, server.rss)
        return {"capacity_per_second": capacity, "minutes": minutes, "sent": sum(load.statuses.values()),
                "unsent": load.unsent, **load.to_dict(), **memory(load)}  # fmt: skip


def memory(load: Load) -> dict[str, float]:
    """Of samples a second apart, but the first ones: a flat line has a slope near 0 and a ratio near 1."""
    settled = load.rss_mb[int(len(load.rss_mb) * SETTLING) :] or [float("nan")]
    slope = np.polyfit(np.arange(len(settled)) / 60, settled, 1)[0] if len(settled) > 1 else 0.0
    least, most = min(settled), max(settled)
    return {
        "rss_mb_first": settled[0], "rss_mb_last": settled[-1], "rss_mb_min": least, "rss_mb_max": most,
        "rss_max_by_min": most / least, "rss_mb_a_minute": float(slope),
    }  # fmt: skip


def restarts(place: Path, asked: Sequence[bytes]) -> dict[str, Any]:
    """Killed under load, and started again: seconds until it is ready, and until a first answer."""
    ready, answered = [], []
    server = Server(place)
    try:
        server.wait()
        for _ in range(RESTARTS):
            steady(server.port, asked, 8, 1.0)
            server.kill()
            server = Server(place)
            ready.append(server.wait())
            first = steady(server.port, asked, 1, 0.001)
            answered.append(ready[-1] + max(first.times_ms, default=float("nan")) / 1000)
    finally:
        server.stop()
    return {"ready_s": max(ready), "first_answer_s": max(answered), "restarts": RESTARTS}
