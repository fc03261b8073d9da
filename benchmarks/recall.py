"""How well a model finds pictures, measured through the public API on held-out photos.

    python -m benchmarks.recall [--data FOLDER] [--model FOLDER] [--json] [--check]

Flickr8k val: 1,000 photos and their 5,000 captions, each way. objects val: 197 class names, 1,970 photos of 64 px;
every photo of the class is relevant. Texts ask a gallery twice: as users do, with hubs corrected where the model can
and near-duplicates as one hit, and with `raw=True`, by cosine alone. Captions for a photo are ranked by cosine.
Intervals are 95 %; the captions of one photo are resampled together. `--check` exits 1 where the model that ships
falls below a floor.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bouba
from benchmarks.sets import DEFAULT_DATA
from bouba.encoders import Model
from bouba.evaluation.metrics import average_precision, hit_rate_at_k
from bouba.evaluation.ranks import Relevance, rank_scores
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval

if TYPE_CHECKING:
    from bouba.types import Vectors

KS = (1, 5, 10)
# Just under what version 2 reached: below, something broke.
FLOORS = {"text_to_image_hit_at_10": 0.70, "class_names_map": 0.60}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/ and objects/")
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    model = bouba.load_model(args.model)
    measured = {**flickr8k(args.data / "flickr8k", model), **objects(args.data / "objects", model)}
    print(as_json(model, measured) if args.json else table(measured))
    missed = [name for name, floor in FLOORS.items() if measured[name].value < floor]
    if args.check and missed:
        sys.exit(f"below its floor: {', '.join(missed)}")


def flickr8k(folder: Path, model: Model) -> dict[str, Interval]:
    rows = _val_rows(folder / "pairs.jsonl")
    captions = [caption for row in rows for caption in row["captions"]]
    owners = np.repeat(np.arange(len(rows)), [len(row["captions"]) for row in rows])
    relevance = Relevance.of_lists(owners[:, None].tolist(), len(rows))
    paths = [folder / row["image"] for row in rows]
    measured = {}
    with _gallery_of(paths, model) as gallery:
        for way, raw in (("text_to_image", False), ("text_to_image_raw", True)):
            shown = rank_scores(_searched(gallery, captions, paths, k=max(KS), raw=raw), relevance)
            for k in KS:
                measured[f"{way}_hit_at_{k}"] = bootstrap_interval(hit_rate_at_k(shown, k), groups=owners)
        told = rank_scores(_vectors(gallery, paths) @ model.encode_text(captions).T, relevance.transposed())
    return measured | {f"image_to_text_hit_at_{k}": bootstrap_interval(hit_rate_at_k(told, k)) for k in KS}


def objects(folder: Path, model: Model) -> dict[str, Interval]:
    rows = _val_rows(folder / "labels.jsonl")
    names = sorted({row["label"] for row in rows})
    relevance = Relevance.of_matrix(np.array([[row["label"] == name for row in rows] for name in names]))
    paths = [folder / row["image"] for row in rows]
    measured = {}
    with _gallery_of(paths, model) as gallery:
        for name, raw in (("class_names_map", False), ("class_names_raw_map", True)):
            shown = rank_scores(_searched(gallery, names, paths, k=len(paths), raw=raw), relevance)
            measured[name] = bootstrap_interval(average_precision(shown))
    return measured


def _val_rows(manifest: Path) -> list[dict[str, Any]]:
    rows = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row["split"] == "val"]


@contextmanager
def _gallery_of(paths: Sequence[Path], model: Model) -> Iterator[bouba.Gallery]:
    with tempfile.TemporaryDirectory() as folder, bouba.open(Path(folder) / "gallery", model) as gallery:
        report = gallery.add(paths)
        if report.failures:
            raise SystemExit(f"not added: {report.failures[0]}")
        yield gallery


def _searched(gallery: bouba.Gallery, texts: Sequence[str], paths: Sequence[Path], *, k: int, raw: bool) -> Vectors:
    """The k hits of every text as scores [texts, paths]: what comes earlier is higher (a hit's own score is its cosine,
    which need not decide), a near-duplicate stands with its hit, and what is not shown has minus infinity."""
    rows = {str(path.resolve()): row for row, path in enumerate(paths)}
    scores = np.full((len(texts), len(paths)), -np.inf, np.float32)
    for query, text in enumerate(texts):
        for hit in gallery.search(text, k=k, raw=raw):
            for item in (hit.item, *hit.duplicates):
                scores[query, rows[item.path]] = -hit.rank
    return scores


def _vectors(gallery: bouba.Gallery, paths: Sequence[Path]) -> Vectors:
    """The stored vectors [paths, dim]; a second file with the same bytes has no vector of its own: zeros."""
    rows = {str(path.resolve()): row for row, path in enumerate(paths)}
    vectors = np.zeros((len(paths), gallery.model.dim), np.float32)
    for items, batch in gallery.batches():
        vectors[[rows[item.path] for item in items]] = batch
    return vectors


def table(measured: Mapping[str, Interval]) -> str:
    lines = [f"{'':<30}{'%':>6}   95 % interval"]
    for name, one in measured.items():
        lines.append(f"{name:<30}{100 * one.value:6.1f}   {100 * one.low:.1f} to {100 * one.high:.1f}")
    return "\n".join(lines)


def as_json(model: Model, measured: Mapping[str, Interval]) -> str:
    """The metrics.json of a model folder."""
    content = {
        "model": f"{model.name} {model.version}",
        "fingerprint": model.fingerprint,
        "measured": date.today().isoformat(),
        "command": "python -m benchmarks.recall --json",
        "splits": {
            "text_to_image, image_to_text": "flickr8k val: 1,000 photos, 5,000 captions",
            "class_names": "objects val: 197 names, 1,970 photos of 64 px; classes seen in training, photos not",
            "raw": "by cosine alone; the others as `bouba search` ranks",
        },
        "floors": FLOORS,
        "metrics": {name: round(one.value, 4) for name, one in measured.items()},
        "intervals": {name: [round(one.low, 4), round(one.high, 4)] for name, one in measured.items()},
    }
    return json.dumps(content, indent=2)


if __name__ == "__main__":
    main()
