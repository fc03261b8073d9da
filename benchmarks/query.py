"""How long a question takes.

    python -m benchmarks.query [--data FOLDER] [--json]

In process, at 7,000 and 100,000 items: p50 and p95 of text, picture and sound queries (clips of 5 s), split into
encoding, the store's search, and what judging the answer adds. The items are vectors of real photos, each repeated with
noise around it (cosine about 0.8 to the photo) until there are enough. Then whole processes: `bouba --help`, and a cold
`bouba search`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import bouba
from benchmarks.sets import DEFAULT_DATA
from bouba.ingest.reading import content_id
from bouba.rows import Rows
from bouba.stores import open_store
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

SIZES = (7_000, 100_000)
QUERIES = 200
REPEATS = 5  # of a whole process
BATCH = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/ and sounds/")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    pairs = [pair for pair in _rows(arguments.data / "flickr8k/pairs.jsonl") if pair["split"] == "val"][: 2 * QUERIES]
    photos = [arguments.data / "flickr8k" / pair["image"] for pair in pairs]
    clips = [arguments.data / "sounds" / row["audio"] for row in _rows(arguments.data / "sounds/clips.jsonl")][:QUERIES]
    texts = [pair["captions"][0] for pair in pairs[:QUERIES]]
    model = bouba.load_model()
    seeds = model.encode_image([Image.open(photo).convert("RGB") for photo in photos])
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for size in SIZES:
            place = Path(scratch) / f"{size}.gallery"
            fill(place, model, seeds, size)
            with bouba.open(place) as gallery:
                rows[f"text, {size:,} items"] = split(gallery, [bouba.Query(text=text) for text in texts])
                rows[f"picture, {size:,} items"] = split(gallery, [bouba.Query(image=p) for p in photos[:QUERIES]])
                sounds = [bouba.Query(audio=clip, audio_as="sound") for clip in clips]
                rows[f"sound, {size:,} items"] = split(gallery, sounds)
        processes = {"bouba --help": whole(["--help"])} | {
            f"bouba search, cold, {size:,} items": whole(["search", texts[0], "-g", f"{scratch}/{size}.gallery"])
            for size in SIZES
        }
    if arguments.json:
        print(json.dumps({"in_process_ms": rows, "whole_process_s": processes}))
        return
    parts = {"encode": "encode_", "store": "search_", "judging": "added_", "whole": ""}
    print(f"{'in process, ms':<24}" + "".join(f"{f'{name} p50':>13}{'p95':>7}" for name in parts))
    for name, row in rows.items():
        cells = (f"{row[f'{part}p50']:>13.1f}{row[f'{part}p95']:>7.1f}" for part in parts.values())
        print(f"{name:<24}" + "".join(cells))
    print(f"\n{'whole process, s':<36} {'median of ' + str(REPEATS):>12}")
    for name, seconds in processes.items():
        print(f"{name:<36} {seconds:>12.2f}")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def fill(place: Path, model: bouba.Model, seeds: Vectors, size: int) -> None:
    """A gallery of `size` items around the seed vectors, indexed as `add` leaves it."""
    with bouba.open(place, model) as gallery:
        gallery.add([])
    rng = np.random.default_rng(0)
    rows = Rows.of(None, model)
    store = open_store(str(place), rows.length)
    noise_length = 0.75 / np.sqrt(model.dim)
    for start in range(0, size, BATCH):
        count = min(BATCH, size - start)
        vectors = seeds[rng.integers(0, len(seeds), count)]
        vectors = vectors + rng.normal(0, noise_length, vectors.shape).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        names = [f"/photos/{start + n}.jpg" for n in range(count)]
        items = [Item(content_id(name.encode()), name, 640, 480, 90_000, "image/jpeg") for name in names]
        store.upsert(items, rows.pack(vectors))
    store.maintain()
    store.close()


def split(gallery: bouba.Gallery, queries: Sequence[bouba.Query]) -> dict[str, float]:
    """Milliseconds: encode alone, the whole search by cosine alone (less encoding: the store), the whole search; its
    difference to the search by cosine is what probabilities, hub correction and all else cost."""
    for query in queries[:5]:
        gallery.search(query)
        gallery.search(query, raw=True)
    timed = [
        (
            _timed(lambda q=query: gallery.encode(q)),  # type: ignore[misc]
            _timed(lambda q=query: gallery.search(q, raw=True)),  # type: ignore[misc]
            _timed(lambda q=query: gallery.search(q)),  # type: ignore[misc]
        )
        for query in queries
    ]
    encode, raw, both = np.array(timed).T
    return {
        f"{name}p{percent}": float(np.percentile(values, percent))
        for name, values in (("encode_", encode), ("search_", raw - encode), ("added_", both - raw), ("", both))
        for percent in (50, 95)
    }


def whole(arguments: list[str]) -> float:
    """Median seconds of a process from start to exit."""
    command = [sys.executable, "-m", "bouba", *arguments]
    call: Callable[[], Any] = lambda: subprocess.run(command, check=True, capture_output=True)  # noqa: E731
    return float(np.median([_timed(call) for _ in range(REPEATS)])) / 1000


def _timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
