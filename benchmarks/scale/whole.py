"""A text query from end to end: `bouba.open`, then `Gallery.search`, and where the time goes.

The items are the synthetic ones under the built-in model's name: what is found means nothing, how long it takes does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import bouba
from benchmarks.query import split
from benchmarks.scale.compare import ONE_THREAD
from benchmarks.scale.corpus import Corpus
from benchmarks.scale.stages import BULK_ROWS
from benchmarks.scale.timing import clock, rss_bytes
from bouba.errors import BoubaError
from bouba.origin import new_meta
from bouba.stores import open_store
from bouba.stores.words import Words, followed

COLOURS = ("red", "blue", "white", "old", "small")
THINGS = ("dress", "bicycle", "lamp", "dog", "boat", "house")
PLACES = ("on a beach", "in a city street", "in the forest", "on a table")
LABELS = {
    "open_s": "bouba.open, s",
    "first_s": "first search, s",
    "encode_p50": "encode, p50, ms", "encode_p95": "p95",
    "search_p50": "the store's search, p50, ms", "search_p95": "p95",
    "added_p50": "judging and words, p50, ms", "added_p95": "p95",
    "p50": "whole, p50, ms", "p95": "p95",
    "rss_mb": "memory, MB",
}  # fmt: skip


def measure(corpus: Corpus, scratch: Path) -> dict[str, Any]:
    """A gallery is filled here, and asked by a fresh process."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        filling = clock(lambda: fill(Path(folder) / "gallery", corpus)) / 1000
        command = [sys.executable, "-m", "benchmarks.scale.whole", f"{folder}/gallery"]
        asked = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD, check=True)
        return {"items": corpus.items, "fill_s": filling, **json.loads(asked.stdout.splitlines()[-1])}


def fill(place: Path, corpus: Corpus) -> None:
    """A gallery under the built-in model's name, with full text, as `add` leaves it."""
    model = bouba.load_model()
    words, store = Words(place / "words.sqlite"), open_store(str(place), corpus.rows.shape[1])
    store.write_meta(new_meta(model))
    both = followed(store, words)
    for items, rows in corpus.batches(BULK_ROWS):
        both.upsert(items, rows)
    store.maintain()
    store.close()
    words.close()


def ask(place: str) -> dict[str, float]:
    queries = [bouba.Query(text=f"a {c} {t} {p}") for c in COLOURS for t in THINGS for p in PLACES]
    started = time.perf_counter()
    gallery = bouba.open(place)
    opened = time.perf_counter()
    gallery.search(queries[0])
    first = time.perf_counter()
    with gallery:
        times = split(gallery, queries)
        return {
            "open_s": opened - started, "first_s": first - opened, **times, "rss_mb": rss_bytes(os.getpid()) / 1e6
        }  # fmt: skip


def table(measured: dict[str, Any]) -> str:
    head = f"text queries, {measured['items']:,} items"
    return "\n".join([head, *(f"{label:>30}{measured[key]:>10.2f}" for key, label in LABELS.items())])


if __name__ == "__main__":
    try:
        print(json.dumps(ask(sys.argv[1])))
    except BoubaError as problem:
        sys.exit(str(problem))
