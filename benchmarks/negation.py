"""Composed queries: what a NOT keeps out, what an AND of a picture and a colour finds, what an OR of two names finds.

    python -m benchmarks.negation [--model FOLDER] [--data FOLDER] [--cache FOLDER] [--fit] [--json]

NOT: sentences "X without Y" in ten forms that bouba reads, to Flickr8k's val photos. X and Y are nouns that often
share a photo; one shows one where at least two of its five captions name it, and lacks it where none does. `bouba` is
`Gallery.search` of the sentence: it has to be read first. Vector subtraction gets X and Y as they are, with the weight
usually taken and with the one that does best on train photos (least Y, X lost in at most 3 more of 100 queries).
AND: a product photo and another colour; right are products of the same type and gender in that colour (fashion val).
OR: two class names (objects val). Intervals are 95 %, paired bootstrap over queries. `--fit` fits `PRESENCE` to train
photos and their captions instead, and says how well the model tells photos with a noun from those without.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import bouba
from benchmarks.nouns import NOUNS, PHRASES, SCENES, Photos, read_photos
from benchmarks.sets import DEFAULT_DATA
from bouba.encoders import Model, load_model
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval, compare
from bouba.gallery import Gallery
from bouba.ranking.calibration import auroc, fit_logistic
from bouba.ranking.logic import PRESENCE, Shape
from bouba.types import Query

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ranking = npt.NDArray[np.int64]  # rows of the set, best first
K = 10
FEWEST, OFTEN = 3, 0.05  # photos of X with Y and of X without, and the least share of X's photos that shows Y
USUAL = 0.5
WEIGHTS = (0.3, 0.5, 0.7, 1.0, 1.25, 1.5, 2.0)
FORMS = (
    "{x} without {y}", "{x} with no {y}", "{x} but no {y}", "{x}, no {y}", "{x}, not {y}", "{x} where there are no {y}",
    "{x} without any {y}", "{x} that doesn't have {y}", "{x} excluding {y}", "{x} minus {y}",
)  # fmt: skip
PAIRS, DRAWS = 200, 400


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and which photos show what."""

    scene: str
    noun: str
    sentence: str
    has_scene: Bools
    has_noun: Bools
    lacks_noun: Bools


@dataclass(frozen=True, slots=True)
class Row:
    """Of one way to ask: a figure for every query, shares of 1."""

    way: str
    figures: Mapping[str, Floats]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder [default: the built-in model]")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--fit", action="store_true", help="fit the constants of presence to train photos")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    bench = Bench(model, arguments.data, arguments.cache)
    if arguments.fit:
        fit(bench)
        return
    tables = {"negation": negation(bench), "and": picture_and_colour(bench), "or": either(bench)}
    if arguments.json:
        print(json.dumps({name: [asdict(_told(row, rows)) for row in rows] for name, rows in tables.items()}, indent=2))
        return
    for name, rows in tables.items():
        print_table(name, rows)


class Bench:
    def __init__(self, model: Model, data: Path, cache: Path) -> None:
        self.model, self.data = model, data
        self.embeddings = Embeddings(model, cache)

    def texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return self.embeddings.texts(list(texts))

    def one(self, text: str) -> npt.NDArray[np.float32]:
        return np.asarray(self.texts([text])[0])


# --- NOT ---


def negation(bench: Bench) -> list[Row]:
    train, val = (read_photos(bench.data / "flickr8k", split) for split in ("train", "val"))
    train = train.some(1000)
    weight = best_weight(bench, train)
    asked = list(cases(val))
    images = bench.embeddings.pictures(val.files)
    with filled(bench.model, val.files) as gallery:
        rows = {str(path): row for row, path in enumerate(val.files)}

        def search(text: str) -> Ranking:
            return np.array([rows[hit.path] for hit in gallery.search(text, k=K).hits])

        ways: dict[str, Callable[[Case], Ranking]] = {
            "the sentence as it is": lambda case: nearest(images @ bench.one(case.sentence)),
            "X alone": lambda case: nearest(images @ bench.one(case.scene)),
            f"X - {USUAL} Y": lambda case: nearest(images @ subtracted(bench, case, USUAL)),
            f"X - {weight} Y (tuned)": lambda case: nearest(images @ subtracted(bench, case, weight)),
            "bouba": lambda case: search(case.sentence),
        }
        return [Row(way, judged(asked, rank)) for way, rank in ways.items()]


def judged(asked: Sequence[Case], rank: Callable[[Case], Ranking]) -> dict[str, Floats]:
    figures: dict[str, list[float]] = {"share with Y": [], "hit@10 X": [], "hit@10 X, no Y": [], "P@10 X, no Y": []}
    for case in asked:
        top = rank(case)
        right = case.has_scene[top] & case.lacks_noun[top]
        for name, value in zip(
            figures, (case.has_noun[top].mean(), case.has_scene[top].any(), right.any(), right.mean()), strict=True
        ):
            figures[name].append(float(value))
    return {name: np.array(values) for name, values in figures.items()}


def cases(photos: Photos) -> Iterator[Case]:
    """Every scene with every noun that shares some of its photos, each in the next of the FORMS."""
    number = 0
    for scene, words in SCENES.items():
        has_scene = photos.named(words) >= 2
        for noun in PHRASES:
            counts = photos.named((NOUNS[noun],))
            with_it, without = (has_scene & (counts >= 2)).sum(), (has_scene & (counts == 0)).sum()
            if min(with_it, without) >= FEWEST and OFTEN <= with_it / has_scene.sum() < 0.97:
                sentence = FORMS[number % len(FORMS)].format(x=scene, y=PHRASES[noun])
                yield Case(scene, PHRASES[noun], sentence, has_scene, counts >= 2, counts == 0)
                number += 1


def best_weight(bench: Bench, photos: Photos) -> float:
    asked, images = list(cases(photos)), bench.embeddings.pictures(photos.files)

    def mean(weight: float) -> tuple[float, float]:
        def rank(case: Case) -> Ranking:
            return nearest(images @ subtracted(bench, case, weight))

        figures = judged(asked, rank)
        return float(figures["share with Y"].mean()), float(figures["hit@10 X"].mean())

    alone = mean(0.0)[1]
    return min((weight for weight in WEIGHTS if mean(weight)[1] >= alone - 0.03), key=lambda weight: mean(weight)[0])


def subtracted(bench: Bench, case: Case, weight: float) -> npt.NDArray[np.float32]:
    return np.asarray(bench.one(case.scene) - weight * bench.one(case.noun), np.float32)


# --- AND ---


def picture_and_colour(bench: Bench) -> list[Row]:
    with open(bench.data / "fashion" / "products.jsonl") as lines:
        products = [row for row in map(json.loads, lines) if row["split"] == "val"]
    files = [(bench.data / "fashion" / row["image"]).resolve() for row in products]
    kinds = np.array([row["articleType"] + "/" + row["gender"] for row in products])
    colours = np.array([row["baseColour"] for row in products])
    images, rng = bench.embeddings.pictures(files), np.random.default_rng(1)
    figures: dict[str, list[float]] = {}
    with filled(bench.model, files) as gallery:
        rows = {str(path): row for row, path in enumerate(files)}
        for row in rng.permutation(len(files))[:DRAWS]:
            others = [c for c in sorted(set(colours[kinds == kinds[row]])) if c != colours[row]]
            others = [c for c in others if ((kinds == kinds[row]) & (colours == c)).sum() >= FEWEST]
            if not others:
                continue
            colour = others[rng.integers(len(others))]
            right = (kinds == kinds[row]) & (colours == colour)
            picture, text = images[row], bench.one(colour.lower())
            hits = gallery.search(Query(image=str(files[row])) & Query(colour.lower()), k=K + 1).hits
            ranked = {
                "the colour alone": nearest(images @ text, K + 1),
                "the picture alone": nearest(images @ picture, K + 1),
                "mean of the vectors": nearest(images @ (picture + text), K + 1),
                "mean, 0.35 : 0.65": nearest(images @ (0.35 * picture + 0.65 * text), K + 1),
                "bouba: picture AND colour": np.array([rows[hit.path] for hit in hits]),
            }
            for way, top in ranked.items():
                figures.setdefault(way, []).append(float(right[top[top != row][:K]].mean()))
    return [Row(way, {"P@10": np.array(values)}) for way, values in figures.items()]


# --- OR ---


def either(bench: Bench) -> list[Row]:
    with open(bench.data / "objects" / "labels.jsonl") as lines:
        labelled = [row for row in map(json.loads, lines) if row["split"] == "val"]
    files = [(bench.data / "objects" / row["image"]).resolve() for row in labelled]
    labels = np.array([row["label"] for row in labelled])
    images, names, rng = bench.embeddings.pictures(files), sorted(set(labels)), np.random.default_rng(2)
    figures: dict[str, list[float]] = {}
    with filled(bench.model, files) as gallery:
        rows = {str(path): row for row, path in enumerate(files)}
        for _ in range(PAIRS):
            a, b = (str(name) for name in rng.choice(names, 2, replace=False))
            right = np.isin(labels, [a, b])
            hits = gallery.search(Query(a) | Query(b), k=len(files)).hits
            ranked = {
                '"A or B" as a sentence': nearest(images @ bench.one(f"{a} or {b}"), len(files)),
                "mean of the vectors": nearest(images @ (bench.one(a) + bench.one(b)), len(files)),
                "bouba: A OR B": np.array([rows[hit.path] for hit in hits]),
            }
            for way, order in ranked.items():
                figures.setdefault(way, []).append(average_precision(right, order))
    return [Row(way, {"mAP": np.array(values)}) for way, values in figures.items()]


def average_precision(right: Bools, order: Ranking) -> float:
    """What was never reached counts as not found."""
    hits = right[order]
    return float((hits * np.cumsum(hits) / np.arange(1, len(hits) + 1)).sum() / right.sum())


# --- presence ---


def fit(bench: Bench) -> None:
    """What each noun's scores say of its being there: the constants, and the area under the curve as the ceiling."""
    train, val = (read_photos(bench.data / "flickr8k", split).some(1000) for split in ("train", "val"))
    world = bench.model.background
    features, right = [], []
    print(f"{'noun':<12}{'in val':>8}{'AUC of the noun':>18}{'AUC of presence':>18}")
    for noun, words in NOUNS.items():
        text = PHRASES.get(noun, noun)
        sentence = bench.one(f"there is {text} in the picture")
        counts = train.named((words,))
        told = (counts >= 2) | (counts == 0)
        images = bench.embeddings.pictures(train.files)
        features.append(_features(images @ sentence, images if world is None else world, sentence)[told])
        right.append(counts[told] >= 2)
        counts, images = val.named((words,)), bench.embeddings.pictures(val.files)
        aucs = [auroc((images @ v)[counts >= 2], (images @ v)[counts == 0]) for v in (bench.one(text), sentence)]
        print(f"{noun:<12}{(counts >= 2).mean():>8.1%}{aucs[0]:>18.3f}{aucs[1]:>18.3f}", flush=True)
    all_features, all_right = np.concatenate(features), np.concatenate(right)
    columns = [1, 2, 3, 4, 0]  # the constant last, which is not pulled to zero
    weights = fit_logistic(all_features[:, columns], all_right, np.ones(len(all_right))).weights
    print("fitted", [round(weights[columns.index(n)], 3) for n in range(5)], "in use", list(PRESENCE))


def _features(
    scores: npt.NDArray[np.float32], others: npt.NDArray[np.float32], query: npt.NDArray[np.float32]
) -> Floats:
    own, world = Shape.of(scores), Shape.of(others @ query)
    z = (scores.astype(np.float64) - own.mean) / own.spread
    skew = np.full_like(z, np.clip(own.skewness, -3, 3))
    return np.stack([np.ones_like(z), z, skew, z * skew, (scores - world.mean) / world.spread], axis=-1)


# --- common ---


def filled(model: Model, files: Sequence[Path]) -> Gallery:
    gallery = bouba.open("memory://", model)
    gallery.add([str(file) for file in files])
    return gallery


def nearest(scores: npt.NDArray[np.floating], k: int = K) -> Ranking:
    return np.argsort(-scores, kind="stable")[:k]


@dataclass(frozen=True, slots=True)
class Told:
    way: str
    queries: int
    figures: dict[str, Interval]
    bouba_gains: dict[str, Interval]  # bouba minus this


def _told(row: Row, rows: Sequence[Row]) -> Told:
    figures = {name: bootstrap_interval(values) for name, values in row.figures.items()}
    gains = {name: compare(rows[-1].figures[name], values)[0] for name, values in row.figures.items()}
    return Told(row.way, len(next(iter(row.figures.values()))), figures, gains)


def print_table(name: str, rows: Sequence[Row]) -> None:
    told = [_told(row, rows) for row in rows]
    print(f"\n{name.upper()}: {told[0].queries} queries; in %, and what bouba adds to it in points")
    print(f"{'':<28}" + "".join(f"{figure:>42}" for figure in told[0].figures))
    for one in told:
        cells = [f"{_percent(one.figures[figure])} {_percent(one.bouba_gains[figure], '+')}" for figure in one.figures]
        print(f"{one.way:<28}" + "".join(f"{cell:>42}" for cell in cells))


def _percent(figure: Interval, sign: str = "") -> str:
    low, high = 100 * figure.low, 100 * figure.high
    return f"{100 * figure.value:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


if __name__ == "__main__":
    main()
