"""How well a model finds pictures, measured through the public API on held-out photos.

    python -m benchmarks.recall [--data FOLDER] [--model FOLDER] [--json] [--check]

flickr8k val: 1,000 photos and their 5,000 captions, each way. objects val: 197 class names, 1,970 photos of 64 px;
every photo of the class is relevant. "Label transfer alone" is the same search by the label block of the same vectors.
`--check` exits 1 where the built-in model misses a target.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bouba
from bouba.encoders import Model
from bouba.evaluation.metrics import average_precision, hit_rate_at_k
from bouba.evaluation.ranks import Relevance, rank_scores

if TYPE_CHECKING:
    from bouba.types import Vectors

DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data"
LABEL_BLOCK = slice(320, 512)  # dimensions of the built-in model's vectors, see its README
KS = (1, 5, 10)
TARGETS = {"text_to_image_hit_at_10": 0.65, "class_names_share_of_label_transfer": 0.90}


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
    missed = [name for name, target in TARGETS.items() if measured.get(name, 1.0) < target]
    if args.check and missed:
        sys.exit(f"below target: {', '.join(missed)}")


def flickr8k(folder: Path, model: Model) -> dict[str, float]:
    rows = _val_rows(folder / "pairs.jsonl")
    captions = [caption for row in rows for caption in row["captions"]]
    owners = np.repeat(np.arange(len(rows)), [len(row["captions"]) for row in rows])
    relevance = Relevance.of_lists(owners[:, None].tolist(), len(rows))
    paths = [folder / row["image"] for row in rows]
    with _gallery_of(paths, model) as gallery:
        shown = rank_scores(_searched(gallery, captions, paths, k=max(KS)), relevance)
        captions_for_images = _vectors(gallery, paths) @ model.encode_text(captions).T
    told = rank_scores(captions_for_images, relevance.transposed())
    return {
        **{f"text_to_image_hit_at_{k}": float(hit_rate_at_k(shown, k).mean()) for k in KS},
        **{f"image_to_text_hit_at_{k}": float(hit_rate_at_k(told, k).mean()) for k in KS},
    }


def objects(folder: Path, model: Model) -> dict[str, float]:
    rows = _val_rows(folder / "labels.jsonl")
    names = sorted({row["label"] for row in rows})
    relevance = Relevance.of_matrix(np.array([[row["label"] == name for row in rows] for name in names]))
    paths = [folder / row["image"] for row in rows]
    with _gallery_of(paths, model) as gallery:
        whole = _mean_average_precision(_searched(gallery, names, paths, k=len(paths)), relevance)
        images = _vectors(gallery, paths)
    if model.name != "bouba-base":
        return {"class_names_map": whole}
    texts = model.encode_text(names)
    alone = _mean_average_precision(_unit(texts[:, LABEL_BLOCK]) @ _unit(images[:, LABEL_BLOCK]).T, relevance)
    return {
        "class_names_map": whole,
        "class_names_map_label_transfer_alone": alone,
        "class_names_share_of_label_transfer": whole / alone,
    }


def _mean_average_precision(scores: Vectors, relevance: Relevance) -> float:
    return float(average_precision(rank_scores(scores, relevance)).mean())


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


def _searched(gallery: bouba.Gallery, texts: Sequence[str], paths: Sequence[Path], k: int) -> Vectors:
    """Scores [texts, paths] of the k hits of every text; what was not shown has minus infinity."""
    rows = {str(path.resolve()): row for row, path in enumerate(paths)}
    scores = np.full((len(texts), len(paths)), -np.inf, np.float32)
    for query, text in enumerate(texts):
        for hit in gallery.search(text, k=k):
            scores[query, rows[hit.path]] = hit.score
    return scores


def _vectors(gallery: bouba.Gallery, paths: Sequence[Path]) -> Vectors:
    """The stored vectors [paths, dim]; a second file with the same bytes has no vector of its own: zeros."""
    rows = {str(path.resolve()): row for row, path in enumerate(paths)}
    vectors = np.zeros((len(paths), gallery.model.dim), np.float32)
    for items, batch in gallery.batches():
        vectors[[rows[item.path] for item in items]] = batch
    return vectors


def _unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def table(measured: dict[str, float]) -> str:
    return "\n".join(f"{name:<40} {100 * value:6.2f} %" for name, value in measured.items())


def as_json(model: Model, measured: dict[str, float]) -> str:
    """The metrics.json of a model folder."""
    content = {
        "model": f"{model.name} {model.version}",
        "fingerprint": model.fingerprint,
        "measured": date.today().isoformat(),
        "command": "python -m benchmarks.recall --json",
        "splits": {
            "text_to_image, image_to_text": "flickr8k val: 1,000 photos, 5,000 captions",
            "class_names": "objects val: 197 names, 1,970 photos of 64 px; classes seen in training, photos not",
        },
        "targets": TARGETS,
        "metrics": {name: round(value, 4) for name, value in measured.items()},
    }
    return json.dumps(content, indent=2)


if __name__ == "__main__":
    main()
