"""What is measured of one store, each stage in a process of its own, so that memory and first times are its own.

python -m benchmarks.scale.stages STAGE URI FOLDER ITEMS QUERIES prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from benchmarks.scale.corpus import DEEP, FILTERS, Corpus, made
from benchmarks.scale.timing import Numbers, clock, meanwhile, percentiles, rss_bytes
from benchmarks.scale.vectors import ROW
from bouba.stores import Store, open_store
from bouba.stores.where import Where, parse_where
from bouba.types import ITEM_FIELDS

if TYPE_CHECKING:
    from benchmarks.scale.corpus import Questions

BULK_ROWS = 16_384
COMMIT_ROWS = 512  # as many as `bouba add` writes at a time
COMMITS = 20
WARM = 10


def fill(uri: str, corpus: Corpus) -> Numbers:
    """A gallery as `add` leaves it, in large commits."""
    store = open_store(uri, ROW)
    store.write_meta({"scale": corpus.items})
    inserting = 0.0
    batches = tqdm(corpus.batches(BULK_ROWS), "fill", -(-corpus.items // BULK_ROWS), leave=False)
    for items, rows in batches:
        inserting += clock(partial(store.upsert, items, rows)) / 1000
    indexing = clock(store.maintain) / 1000
    store.close()
    return {"insert_s": inserting, "index_s": indexing, "build_s": inserting + indexing}


def serve(uri: str, corpus: Corpus) -> dict[str, Any]:
    """What a process that only answers sees."""
    questions = corpus.questions()
    before = rss_bytes(os.getpid())
    started = time.perf_counter()
    store = open_store(uri)
    store.search(questions.rows[0], 10)
    first = time.perf_counter() - started
    measured: dict[str, Any] = {"open_and_first_query_s": first}
    fields = {**ITEM_FIELDS, **store.fields()}
    for name, (text, _) in FILTERS.items():
        where = parse_where(text, fields) if text else None
        for k in (10, DEEP):
            answers = _answers(store, questions, name, k, where)
            measured |= answers
    # What Python and numpy take is no store's doing, but memory all the same.
    return {**measured, "rss_mb": rss_bytes(os.getpid()) / 1e6, "rss_before_mb": before / 1e6}


def _answers(store: Store, questions: Questions, name: str, k: int, where: Where | None) -> Numbers:
    for question in questions.rows[:WARM]:
        store.search(question, k, where)
    times: list[float] = []
    found: list[list[str]] = []
    for question in questions.rows:
        started = time.perf_counter()
        hits = store.search(question, k, where)
        times.append((time.perf_counter() - started) * 1000)
        found.append([hit.item.id for hit in hits])
    prefix = f"{name}_" if name else ""
    key = "" if k == 10 else f"top{k}_"
    recall = questions.recall(name, found, k)
    return {f"{prefix}recall@{k}": recall, **percentiles(times, f"{prefix}{key}")}


def change(uri: str, corpus: Corpus) -> Numbers:
    """Small commits alone, beside searches, and upkeep beside searches."""
    store = open_store(uri)
    questions = cycle(corpus.questions().rows)
    first = corpus.items

    def ask() -> None:
        store.search(next(questions), 10)

    def commit() -> None:
        nonlocal first
        numbers = range(first, first + COMMIT_ROWS)
        store.upsert(made(numbers), np.array(corpus.rows[first : first + COMMIT_ROWS]))
        first += COMMIT_ROWS

    for _ in range(WARM):
        ask()
    alone = [clock(commit) for _ in range(COMMITS)]
    with meanwhile(ask) as asked:
        beside = [clock(commit) for _ in range(COMMITS)]
    with meanwhile(ask) as tended:
        upkeep = clock(store.maintain) / 1000
        time.sleep(0.2)
    after = [clock(ask) for _ in range(50)]
    store.close()
    return {
        "inserts_per_s": COMMIT_ROWS * 1000 / float(np.median(alone)),
        "inserts_per_s_while_searching": COMMIT_ROWS * 1000 / float(np.median(beside)),
        "insert_ms": float(np.median(alone)) / COMMIT_ROWS,
        "p50_ms_while_inserting": float(np.median(asked)),
        "upkeep_s": upkeep,
        "p50_ms_during_upkeep": float(np.median(tended)),
        "max_ms_during_upkeep": float(np.max(tended)),
        "p50_ms_after": float(np.median(after)),
    }


SPARE = 2 * COMMITS * COMMIT_ROWS  # rows that `change` adds
STAGES = {"fill": fill, "serve": serve, "change": change}


def main() -> None:
    stage, uri, folder, items, queries = sys.argv[1:]
    measured: Mapping[str, Any] = STAGES[stage](uri, Corpus(Path(folder), int(items), int(queries)))
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
