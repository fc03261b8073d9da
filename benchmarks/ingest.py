"""How fast `add` is beside what it is made of.

    python -m benchmarks.ingest [--photos FOLDER] [--large N] [--json]
    python -m benchmarks.ingest --workers 2 [--photos FOLDER] [--json]

Three rates over the same files in one run: decode only (read, decode, resize, in the workers that `add` uses), encode
only (the image tower on prepared pixels, in the batches that `add` uses), and `Gallery.add` into a new gallery, which
also hashes, makes thumbnails and perceptual hashes, and commits. The three take turns over parts of the files, so that
a machine whose speed drifts treats them alike. Decoder and encoder share the cores here, so the limit is
1 / (1/decode + 1/encode). The large photos are the first small ones, upscaled to 4000 x 3000 and saved as JPEG.

With `--workers N` another question: `add` by threads of one process beside `add` by 1 to N processes, and over the same
photos in tar shards; all take turns over new galleries, and starting the processes counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

import bouba
from bouba.ingest.pipeline import ENCODE_BATCH
from bouba.media import load_image

if TYPE_CHECKING:
    from bouba.types import Pixels

WORKERS = max(2, os.cpu_count() or 1)  # as `add` has them
PART = 192  # files that each step takes before the next has its turn
COMPARED = 960  # files that threads and processes are compared by
TURNS = 2
MEASURED = 2_000  # files at least; fewer are measured again, into a new gallery
DEFAULT_PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "flickr8k" / "images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=DEFAULT_PHOTOS, help="a folder of small photos")
    parser.add_argument("--large", type=int, default=192, help="how many 12-megapixel photos to make")
    parser.add_argument("--workers", type=int, metavar="N", help="compare threads with up to N processes")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.workers:
        show_workers(by_workers(arguments.photos, arguments.workers), arguments.json)
        return
    small = sorted(p for p in arguments.photos.iterdir() if p.suffix == ".jpg")
    model = bouba.load_model()
    with tempfile.TemporaryDirectory() as scratch:
        large = upscaled(small[: arguments.large], Path(scratch) / "large")
        model.encode_image([Image.new("RGB", (8, 8))])  # the session is loaded before anything is timed
        table = {
            "small": rates(small, model, Path(scratch) / "small.gallery"),
            "12 megapixels": rates(large, model, Path(scratch) / "large.gallery"),
        }
        again = unchanged(arguments.photos, Path(scratch) / "small.gallery")
    if arguments.json:
        print(json.dumps({**table, "unchanged": again}))
        return
    print(f"{'photos/s':<14} {'files':>6} {'decode':>8} {'encode':>8} {'limit':>8} {'add':>8}  add / limit")
    for name, row in table.items():
        print(
            f"{name:<14} {row['files']:>6} {row['decode']:>8.1f} {row['encode']:>8.1f} {row['limit']:>8.1f} "
            f"{row['add']:>8.1f}  {row['add'] / row['limit']:.2f}"
        )
    print(f"\n`bouba add` over {again['files']} unchanged photos, whole process: {again['seconds']:.2f} s, "
          f"{again['encoded']} encoded")  # fmt: skip


def upscaled(photos: Sequence[Path], folder: Path) -> list[Path]:
    """The photos as 4000 x 3000 JPEGs."""
    folder.mkdir()

    def upscale(photo: Path) -> Path:
        with Image.open(photo) as image:
            large = image.convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
        large.save(folder / photo.name, quality=90)
        return folder / photo.name

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(upscale, photos))


def rates(photos: Sequence[Path], model: bouba.Model, place: Path) -> dict[str, Any]:
    """Photos per second of each step alone, their limit together, and what `add` reaches."""
    seconds = {"decode": 0.0, "encode": 0.0, "add": 0.0}
    rounds = -(-MEASURED // len(photos))
    for number in range(rounds):
        gallery = place.with_suffix(f".{number}") if number else place
        for start in range(0, len(photos), PART):
            part = photos[start : start + PART]
            for step, call in (("decode", decode), ("encode", encode), ("add", add)):
                seconds[step] += call(part, model, gallery) / rounds
    per_second = {step: len(photos) / spent for step, spent in seconds.items()}
    limit = 1 / (1 / per_second["decode"] + 1 / per_second["encode"])
    return {"files": len(photos), **per_second, "limit": limit, "ratio": per_second["add"] / limit}


def decode(photos: Sequence[Path], model: bouba.Model, _: Path) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        for _pixels in pool.map(lambda path: _decoded(path, model), photos):
            pass
    return time.perf_counter() - started


def encode(photos: Sequence[Path], model: bouba.Model, _: Path) -> float:
    pixels = [_decoded(path, model) for path in photos]
    started = time.perf_counter()
    for start in range(0, len(pixels), ENCODE_BATCH):
        model.encode_pixels(pixels[start : start + ENCODE_BATCH])
    return time.perf_counter() - started


def add(photos: Sequence[Path], model: bouba.Model, place: Path) -> float:
    with bouba.open(place, model) as gallery:
        started = time.perf_counter()
        report = gallery.add(photos)
        spent = time.perf_counter() - started
    assert report.added + report.duplicates == len(photos), report
    return spent


def _decoded(path: Path, model: bouba.Model) -> Pixels:
    return model.prepare_image(load_image(path, side=model.manifest.image.size).rgb)


def unchanged(folder: Path, place: Path) -> dict[str, Any]:
    """A second run, as a user starts it: the whole process."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "bouba", "add", str(folder), "--gallery", str(place), "--json"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    report = json.loads(out)
    return {"files": report["unchanged"], "encoded": report["added"], "seconds": time.perf_counter() - started}


def by_workers(folder: Path, most: int) -> dict[str, dict[str, float]]:
    """Photos per second, and as a ratio to threads, of each way to add the same photos."""
    photos = sorted(p for p in folder.iterdir() if p.suffix == ".jpg")[:COMPARED]
    model = bouba.load_model()
    model.encode_image([Image.new("RGB", (8, 8))])
    ways: dict[str, int | None] = {"threads": None, **{f"{n} processes": n for n in range(1, most + 1)}}
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        shards = in_shards(photos, Path(scratch) / "shards")
        ways["threads, shards"] = None
        for turn in range(TURNS):
            for name, workers in list(ways.items())[:: 1 - 2 * (turn % 2)]:  # there and back, as the machine drifts
                place = Path(scratch) / f"{turn} {name}"
                with bouba.open(place, model) as gallery:
                    report = gallery.add(shards if "shards" in name else photos, workers=workers)
                assert report.added + report.duplicates == len(photos), report
                seconds.setdefault(name, []).append(report.seconds)
    base = sum(seconds["threads"])
    return {name: {"per_second": len(photos) * TURNS / sum(s), "ratio": base / sum(s)} for name, s in seconds.items()}


def in_shards(photos: Sequence[Path], folder: Path) -> Path:
    folder.mkdir()
    for start in range(0, len(photos), PART):
        with tarfile.open(folder / f"{start // PART:05}.tar", "w") as tar:
            for photo in photos[start : start + PART]:
                tar.add(photo, photo.name)
    return folder


def show_workers(table: dict[str, dict[str, float]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(table))
        return
    print(f"{'add by':<18} {'photos/s':>9}  to threads")
    for name, row in table.items():
        print(f"{name:<18} {row['per_second']:>9.1f}  {row['ratio']:.2f}")


if __name__ == "__main__":
    main()
