"""Which near-duplicates are folded into one hit, which other pictures are too, and what `bouba duplicates` costs.

    python -m benchmarks.duplicates [--model DIR] [--data DIR] [--split val] [--copies N] [--items N] [--json]

N photos of each set are saved anew in 15 ways; a cell is the share that is folded under its original. Wrong are
pictures folded under another file of the set, among all its pictures; pairs that differ in at most 2 bits at a cosine
of .99 are left out of account there, for they are one picture twice (fashion has such). Precision is of a gallery of
the set and copies of one kind of all its pictures. "hash" (10 bits) and "hash+cosine" (8 bits, .9) are for comparison.
A mirrored picture counts as another one. Cost is of a gallery of N items, one in ten of them a copy. The constants were
chosen on `--split train`. Vectors are kept in the folder that `bouba evaluate` keeps its own in.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

import bouba
from benchmarks.sets import DEFAULT_DATA
from bouba.duplicates import find_duplicates
from bouba.encoders import Model
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval
from bouba.gallery import parts
from bouba.ingest.reading import content_id
from bouba.media import load_image, perceptual_hash, thumbnail
from bouba.media.miniature import miniature
from bouba.ranking.diversity import MAX_BITS, SAME_BITS, SAME_COSINE, Words, fold, hash_words, telling
from bouba.rows import Rows
from bouba.stores.ledger import FileRow
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

SETS = {
    "flickr8k": "pairs.jsonl",
    "objects": "labels.jsonl",
    "grocery": "products.jsonl",
    "fashion": "products.jsonl",
    "medpix": "cases.jsonl",
}


def _saved(image: Image.Image, quality: int = 90) -> Image.Image:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(BytesIO(out.getvalue())).convert("RGB")


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    width, height = (max(8, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _cropped(image: Image.Image, share: float) -> Image.Image:
    return ImageOps.crop(image, round(min(image.size) * share / 2))


def _bordered(image: Image.Image, share: float, colour: str) -> Image.Image:
    return ImageOps.expand(image, max(1, round(min(image.size) * share)), colour)


def _marked(image: Image.Image) -> Image.Image:
    image = image.copy()
    font = ImageFont.load_default(max(8, image.height // 12))
    at = (image.width * 0.05, image.height * 0.85)
    ImageDraw.Draw(image).text(at, "© example.com", "white", font, stroke_width=1, stroke_fill="black")
    return image


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg 90": _saved,
    "jpeg 50": lambda image: _saved(image, 50),
    "jpeg 20": lambda image: _saved(image, 20),
    "half": lambda image: _saved(_scaled(image, 0.5)),
    "double": lambda image: _saved(_scaled(image, 2)),
    "dark": lambda image: _saved(ImageEnhance.Brightness(image).enhance(0.75)),
    "light": lambda image: _saved(ImageEnhance.Brightness(image).enhance(1.25)),
    "contrast": lambda image: _saved(ImageEnhance.Contrast(image).enhance(1.3)),
    "text": lambda image: _saved(_marked(image)),
    "crop 5": lambda image: _saved(_cropped(image, 0.05)),
    "crop 10": lambda image: _saved(_cropped(image, 0.10)),
    "white 3": lambda image: _saved(_bordered(image, 0.03, "white")),
    "black 5": lambda image: _saved(_bordered(image, 0.05, "black")),
    "grey": lambda image: _saved(ImageOps.grayscale(image).convert("RGB")),
    "mirror": lambda image: _saved(ImageOps.mirror(image)),
}
NO_COPIES = {"mirror"}


@dataclass(frozen=True, slots=True)
class Prints:
    """What decides whether two pictures are one: of n pictures."""

    words: Words
    vectors: Vectors
    looks: npt.NDArray[np.float32]

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> Prints:
        return Prints(self.words[rows], self.vectors[rows], self.looks[rows])


Rule = Callable[[Prints, Prints], npt.NDArray[np.bool_]]  # n pictures and n others -> which are copies


def by_hash(a: Prints, b: Prints) -> npt.NDArray[np.bool_]:
    return np.asarray(np.bitwise_count(a.words ^ b.words) <= MAX_BITS)


def by_hash_and_cosine(a: Prints, b: Prints) -> npt.NDArray[np.bool_]:
    near = np.bitwise_count(a.words ^ b.words) <= 8
    return np.asarray(near & (np.einsum("nd,nd->n", a.vectors, b.vectors) >= 0.9))


def by_fold(a: Prints, b: Prints) -> npt.NDArray[np.bool_]:
    """As bouba does: each pair as if it were a gallery of two."""
    out = np.zeros(len(a.words), np.bool_)
    for n in np.flatnonzero(by_hash(a, b)):
        looks = np.stack([a.looks[n], b.looks[n]])
        words, vectors = np.array([a.words[n], b.words[n]]), np.stack([a.vectors[n], b.vectors[n]])
        out[n] = len(fold(words, vectors, lambda rows, looks=looks: looks[rows])) == 1  # type: ignore[misc]
    return out


RULES: Mapping[str, Rule] = {"hash": by_hash, "hash+cosine": by_hash_and_cosine, "bouba": by_fold}


@dataclass(frozen=True, slots=True)
class Folding:
    """One rule on one set."""

    data: str
    rule: str
    pictures: int
    found: dict[str, float]  # share of the copies of each kind
    recall: Interval  # over photos, of all copies but NO_COPIES
    precision: float  # of all foldings in a gallery of the set and these copies, as many of a kind as there are photos
    wrong_pairs: int
    wrong: float  # share of the pictures


def measure_folding(name: str, paths: Sequence[Path], embeddings: Embeddings, copies: int) -> list[Folding]:
    """Every rule on one set of pictures."""
    originals = _prints([load_image(path).rgb for path in paths], embeddings.pictures(paths))
    chosen = np.random.default_rng(0).permutation(len(paths))[:copies]
    made = {kind: _changed([paths[n] for n in chosen], kind, embeddings) for kind in CHANGES}
    first, second = _others(originals)
    found = []
    for rule, is_copy in RULES.items():
        right = {kind: is_copy(originals[chosen], made[kind]) for kind in CHANGES}
        counted = np.stack([row for kind, row in right.items() if kind not in NO_COPIES]).mean(axis=0)
        wrong = is_copy(originals[first], originals[second])
        pictures, share = len(paths), len(np.unique(second[wrong])) / len(paths)
        precision = float(counted.mean() / max(1e-12, counted.mean() + share))
        shares = {kind: float(row.mean()) for kind, row in right.items()}
        recall = bootstrap_interval(counted)
        found.append(Folding(name, rule, pictures, shares, recall, precision, int(wrong.sum()), share))
    return found


def _changed(paths: Sequence[Path], kind: str, embeddings: Embeddings) -> Prints:
    change = CHANGES[kind]
    vectors = embeddings.pictures(paths, (f"duplicates: {kind}", lambda image, number: change(image)))
    return _prints([change(load_image(path).rgb) for path in paths], vectors)


def _prints(pictures: Sequence[Image.Image], vectors: Vectors) -> Prints:
    words = hash_words([perceptual_hash(rgb) for rgb in pictures])
    return Prints(words, vectors, np.stack([miniature(thumbnail(rgb)) for rgb in pictures]))


def _others(prints: Prints) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of files whose hashes are near, without those that are one picture saved twice."""
    clear = telling(prints.words)
    pairs = [
        (row, row + 1 + other)
        for row in np.flatnonzero(clear)
        for other in np.flatnonzero(
            (np.bitwise_count(prints.words[row + 1 :] ^ prints.words[row]) <= MAX_BITS) & clear[row + 1 :]
        )
    ]
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    bits = np.bitwise_count(prints.words[first] ^ prints.words[second])
    cosines = np.einsum("nd,nd->n", prints.vectors[first], prints.vectors[second])
    other = (bits > SAME_BITS) | (cosines < SAME_COSINE)
    return first[other], second[other]


def measure_cost(model: Model, items: int) -> dict[str, float]:
    """Seconds and megabytes for a gallery of that many items; every tenth is the one before it, with a thumbnail."""
    rng = np.random.default_rng(0)
    look = thumbnail(Image.fromarray(rng.integers(0, 256, (192, 256, 3), dtype=np.uint8)))
    with tempfile.TemporaryDirectory() as folder, bouba.open(Path(folder) / "gallery", model) as gallery:
        gallery.add([])
        _, store, ledger = parts(gallery)
        rows = Rows.of(store.read_meta(), model)
        for start in range(0, items, 1000):
            vectors = rng.normal(size=(1000, model.dim)).astype(np.float32)
            words = rng.integers(0, 2**64, 1000, dtype=np.uint64)
            vectors[9::10], words[9::10] = vectors[8::10], words[8::10] ^ np.uint64(5 << 40)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            made = [_item(start + n, int(word)) for n, word in enumerate(words)]
            store.upsert(made, rows.pack(vectors))
            ledger.record([FileRow(item.path, -1, 0, item.id) for item in made], [(item.id, look) for item in made])
        store.maintain()
        before, began = _peak_mb(), time.perf_counter()
        groups = find_duplicates(gallery)
        return {"items": items, "groups": len(groups), "s": time.perf_counter() - began, "mb": _peak_mb() - before}


def _item(number: int, word: int) -> Item:
    path = f"https://example.com/{number}.jpg"
    return Item(content_id(path.encode()), path, 640, 480, 90_000, "image/jpeg", phash=f"{word:016x}")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _rows(manifest: Path, split: str) -> list[dict[str, Any]]:
    rows = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row["split"] == split]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/, objects/ and others"
    )
    parser.add_argument("--split", default="val", choices=["val", "train"])
    parser.add_argument("--copies", type=int, default=100, help="photos of each set that are saved anew")
    parser.add_argument("--items", type=int, default=100_000, help="of the gallery whose cost is measured; 0: none")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = bouba.load_model(arguments.model)
    embeddings = Embeddings(model, default_cache())
    folding: list[Folding] = []
    for name, file in SETS.items():
        rows = _rows(arguments.data / name / file, arguments.split)
        paths = list(dict.fromkeys(arguments.data / name / row["image"] for row in rows))
        folding += measure_folding(name, paths, embeddings, arguments.copies)
    cost = measure_cost(model, arguments.items) if arguments.items else {}
    if arguments.json:
        print(json.dumps({"folding": [asdict(row) for row in folding], "cost": cost}))
        return
    print("\n".join(folding_table(folding)))
    if cost:
        print("\nbouba duplicates, {items:,} items: {groups:,} groups in {s:.1f} s, {mb:.0f} MB".format(**cost))


def folding_table(rows: Sequence[Folding]) -> list[str]:
    kinds = "".join(f"{kind.replace(' ', ''):>9}" for kind in CHANGES)
    head = f"{'copies found in %':<9}{'':<13}{'all':>18}{'precision':>11}{'wrong':>7}{'of':>6}{kinds}"
    return [head, *map(_folding_line, rows)]


def _folding_line(row: Folding) -> str:
    recall = f"{100 * row.recall.value:.1f} ({100 * row.recall.low:.1f}-{100 * row.recall.high:.1f})"
    kinds = "".join(f"{100 * share:>9.0f}" for share in row.found.values())
    wrong = f"{100 * row.wrong:>6.2f}%{row.pictures:>6,}"
    return f"{row.data:<9}{row.rule:<17}{recall:>18}{100 * row.precision:>10.1f}%{wrong}{kinds}"


if __name__ == "__main__":
    main()
