"""How fast `bouba copy` is, and how much memory it takes.

    python -m benchmarks.copying [--items N] [--json]

A gallery of random vectors as the built-in model's (512 dimensions, a row of 520 numbers), with three attributes and
no thumbnails, goes to Parquet and back by the command, a process each. A copy reads everything, writes it, reads it
back and compares; into a folder it also builds the indexes. `plain` is the same gallery read by Lance and written by
pyarrow, without items, checksums or reading back: what a copy could not be faster than.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import bouba
from bouba.origin import new_meta
from bouba.rows import Rows
from bouba.stores import open_store
from bouba.types import AttributeValue, Item

BATCH = 16_384
PLAIN = """
import sys, lance, pyarrow.parquet as pq
dataset = lance.dataset(sys.argv[1] + "/items.lance")
with pq.ParquetWriter(sys.argv[2], dataset.schema) as writer:
    for batch in dataset.to_batches(batch_size=2048):
        writer.write_batch(batch)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        # In a process of its own: a child's peak begins with what its parent holds.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(fill, place / "gallery", arguments.items).result()
        table = {
            "plain": measured("-c", PLAIN, place / "gallery", place / "plain.parquet"),
            "gallery -> Parquet": measured("-m", "bouba", "copy", place / "gallery", place / "a.parquet"),
            "Parquet -> gallery": measured("-m", "bouba", "copy", place / "a.parquet", place / "back"),
        }
    for row in table.values():
        row["items_per_s"] = round(arguments.items / row["seconds"])
    if arguments.json:
        print(json.dumps(table))
        return
    print(f"{arguments.items:,} items     {'seconds':>9} {'CPU s':>9} {'items/s':>9} {'peak MB':>9}")
    for name, row in table.items():
        times = f"{row['seconds']:>9.1f} {row['cpu_seconds']:>9.1f}"
        print(f"{name:<20} {times} {row['items_per_s']:>9,} {row['peak_mb']:>9,.0f}")


def fill(place: Path, count: int) -> None:
    model = bouba.load_model()
    length = Rows.of(None, model).length
    rng = np.random.default_rng(0)
    store = open_store(str(place), length)
    store.write_meta(new_meta(model))
    for start in range(0, count, BATCH):
        rows = rng.normal(size=(min(BATCH, count - start), length)).astype(np.float32)
        items = [made(rng, start + n) for n in range(len(rows))]
        store.upsert(items, rows / np.linalg.norm(rows, axis=1, keepdims=True))
    store.maintain()


def made(rng: np.random.Generator, n: int) -> Item:
    attributes: dict[str, AttributeValue] = {
        "title": f"A picture called {n}",
        "price": n / 100,
        "tags": ("red", "large"),
    }
    taken = datetime(2024, 5, 1, 12, 30)
    return Item(
        rng.bytes(16).hex(), f"/photos/{n:07}.jpg", 640, 480, 90_000, "image/jpeg", taken, "00ff" * 4, attributes
    )


def measured(*command: object) -> dict[str, Any]:
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[:3]} ended with {status}")
    return {
        "seconds": round(time.monotonic() - started, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
