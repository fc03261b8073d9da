"""The curves that `bouba plan` reads, from measurements.

    python -m benchmarks.curves [GROWTH.json] [N=SCALE.json ...] [--measure N ...] [--pictures FOLDER] > CURVES.json

GROWTH.json is what `python -m benchmarks.scale --growth --json` printed; SCALE.json what `--items N --json` did, with
its N before it. `--measure` measures the embedded stores itself at these sizes, as `bouba plan --check` does.
`--pictures` adds up to 300 pictures to a gallery, to see how fast they are encoded and what is kept of each beside its
vector. What is measured anew takes the place of that store's curve among those that ship, or in `--into FILE`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import bouba
from bouba.plan.check import measure
from bouba.plan.curves import FORMAT
from bouba.plan.engines import ENGINES
from bouba.plan.planner import Wish

DIM = 512
MEASURED = ("memory exact", "lance IVF_RQ")
PICTURES, FEWEST_PICTURES = 300, 50
# What the stores of `benchmarks.scale` are here, and the names of their figures.
STORES: Mapping[str, tuple[str, str]] = {
    "lance": ("lance", "IVF_RQ"),
    "zvec": ("zvec", "HNSW int8"),
    "milvus": ("milvus", "HNSW"),
}
MILLION = 1e6
FIGURES: Mapping[str, tuple[str, float]] = {  # ours: the benchmark's, and how much larger its unit is
    "build_s": ("build_s", 1),
    "disk_bytes": ("disk_mb", MILLION),
    "rss_bytes": ("rss_mb", MILLION),
    "p50_ms": ("p50_ms", 1),
    "p95_ms": ("p95_ms", 1),
    "recall_at_10": ("recall@10", 1),
    "inserts_per_s": ("inserts_per_s", 1),
}

Curves = dict[tuple[str, str], dict[str, Any]]  # by store and index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scale", nargs="*", metavar="[N=]FILE.json", help="what benchmarks.scale printed")
    parser.add_argument("--measure", nargs="+", type=int, default=[], metavar="N", help="sizes to measure here")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="photos to encode")
    parser.add_argument("--into", type=Path, default=Path(str(files("bouba.plan") / "curves.json")))
    parser.add_argument("--machine", default=machine(), help="what is said of it, and of its state")
    arguments = parser.parse_args()
    known = json.loads(arguments.into.read_text(encoding="utf-8"))
    curves: Curves = {(one["store"], one["index"]): one for one in known["curves"]}
    curves |= of_scale(arguments.scale, arguments.machine)
    if arguments.measure:
        curves |= measured(arguments.measure, arguments.machine)
    item = of_pictures(arguments.pictures, arguments.machine) if arguments.pictures else known["item"]
    print(json.dumps({"format": FORMAT, "item": item, "curves": [curves[key] for key in sorted(curves)]}, indent=1))


def of_scale(arguments: Iterable[str], where: str) -> Curves:
    """A curve for each store, with a point for each size at which it has all figures."""
    points: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    commands = []
    for argument in arguments:
        items, separated, file = argument.rpartition("=")
        record = json.loads(Path(file).read_text(encoding="utf-8"))
        sizes = {name: {items: row} if separated else row["sizes"] for name, row in record.items()}
        commands.append(f"python -m benchmarks.scale {f'--items {items}' if separated else '--growth'} --json")
        for name, rows in sizes.items():
            for size, row in rows.items():
                if name in STORES and {theirs for theirs, _ in FIGURES.values()} <= set(row):
                    own = {ours: _short(row[theirs] * unit) for ours, (theirs, unit) in FIGURES.items()}
                    points.setdefault(STORES[name], {})[int(size)] = {"items": int(size), **own}
    return {key: _curve(key, list(some.values()), "; ".join(commands), where) for key, some in points.items()}


def measured(sizes: Iterable[int], where: str) -> Curves:
    """The embedded stores, by this machine's own measurement."""
    found: Curves = {}
    sizes = list(sizes)
    for engine in ENGINES:
        if engine.name in MEASURED:
            points = [_shortened(asdict(measure(engine, Wish(size, dims=DIM)))) for size in sizes]
            command = f"python -m benchmarks.curves --measure {' '.join(map(str, sizes))}"
            key = (engine.store, engine.index)
            found[key] = _curve(
                key, [{name: _short(one) for name, one in point.items()} for point in points], command, where
            )
    return found


def _curve(key: tuple[str, str], points: list[dict[str, Any]], command: str, where: str) -> dict[str, Any]:
    about = {"measured": date.today().isoformat(), "command": command, "machine": where, "dim": DIM}
    return {"store": key[0], "index": key[1], **about, "points": sorted(points, key=lambda point: point["items"])}


def of_pictures(folder: Path, where: str) -> dict[str, Any]:
    """What is kept of a picture beside its vector, and how many are encoded in a second, reading and decoding too."""
    photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:PICTURES]
    if len(photos) < FEWEST_PICTURES:
        raise SystemExit(f"{folder}: {len(photos)} pictures; {FEWEST_PICTURES} at least are needed.")
    with tempfile.TemporaryDirectory() as name, bouba.open(Path(name) / "gallery") as gallery:
        gallery.add(photos[:8])  # the model is loaded
        report = gallery.add(photos)
        beside = sum((Path(name) / "gallery" / file).stat().st_size for file in ("ledger.sqlite", "words.sqlite"))
        return {
            "ledger_bytes": round(beside / len(gallery)),
            "encoded_per_s": round(report.added / report.seconds, 1),
            "command": f"python -m benchmarks.curves --pictures FOLDER ({len(photos)} photos)",
            "measured": date.today().isoformat(),
            "machine": where,
        }


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores of {platform.machine()}, {memory:.0f} GB, {platform.system()}"


def _shortened(point: Mapping[str, float]) -> dict[str, Any]:
    return {name: _short(one) for name, one in point.items()}


def _short(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.4g}")


if __name__ == "__main__":
    main()
