"""How diverse hits are, and what that costs.

    python -m benchmarks.diversity [--model DIR] [--data DIR] [--split val] [--json]

27 kinds of things that several classes of the objects set belong to ("bird"), asked for by name. Precision is the
share of the first 10 pictures that belong to the kind, classes how many of its classes they show. "mmr" is maximal
marginal relevance as first published, over the same candidates; numbers are the weight of relevance. Gains are against
the plain ranking, paired, with 95 % intervals over the kinds. The weight was chosen on `--split train`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import bouba
from benchmarks.sets import DEFAULT_DATA
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import bootstrap_interval, compare
from bouba.ranking.diversity import CHOICE, diverse

if TYPE_CHECKING:
    from bouba.types import Vectors

KINDS = {
    "dog": "Chihuahua|German shepherd|Labrador retriever|Yorkshire terrier|golden retriever|standard poodle",
    "cat": "Egyptian cat|Persian cat|tabby|cougar|lion",
    "bird": "albatross|black stork|goose|king penguin|crane",
    "insect": "bee|cockroach|dragonfly|fly|grasshopper|ladybug|mantis|monarch|sulphur butterfly",
    "spider": "black widow|tarantula|spider web",
    "monkey or ape": "baboon|chimpanzee|orangutan",
    "animal with hooves": "Arabian camel|bighorn|bison|gazelle|hog|ox",
    "amphibian or reptile": "European fire salamander|bullfrog|tailed frog|American alligator|boa constrictor",
    "sea animal": "American lobster|spiny lobster|brain coral|dugong|goldfish|jellyfish|"
    "sea cucumber|sea slug|coral reef",
    "vehicle": "beach wagon|bullet train|convertible|freight car|go-kart|jinrikisha|limousine|moving van|police van|"
    "school bus|sports car|tractor|trolleybus|lawn mower",
    "car": "beach wagon|convertible|limousine|sports car|go-kart|police van",
    "train or bus": "bullet train|freight car|school bus|trolleybus",
    "boat": "gondola|lifeboat",
    "clothes": "Christmas stocking|academic gown|apron|bow tie|cardigan|fur coat|kimono|military uniform|poncho|sandal|"
    "sock|sombrero|sunglasses|vestment",
    "fruit": "banana|lemon|orange|pomegranate|acorn",
    "vegetable": "bell pepper|cauliflower|mushroom",
    "food": "banana|lemon|orange|pomegranate|bell pepper|cauliflower|mushroom|espresso|guacamole|ice cream|ice lolly|"
    "mashed potato|meat loaf|pizza|plate|potpie|pretzel|confectionery|acorn",
    "bridge": "steel arch bridge|suspension bridge|viaduct",
    "building": "barn|cliff dwelling|water tower|thatch|beacon|triumphal arch|obelisk|altar",
    "ball": "basketball|rugby ball|volleyball|punching bag",
    "musical instrument": "drumstick|oboe|organ",
    "furniture": "chest|desk|dining table|rocking chair|refrigerator",
    "bottle": "beer bottle|pill bottle|pop bottle|water jug|beaker",
    "kitchen utensil": "frying pan|teapot|wok|wooden spoon|plate|water jug",
    "landscape": "alp|cliff|lakeside|seashore|coral reef|dam",
    "shop": "barbershop|butcher shop|confectionery",
    "electronic device": "CD player|cash machine|computer keyboard|iPod|parking meter|"
    "pay-phone|remote control|space heater",
}  # fmt: skip
TOP = 10
RELEVANCES = (0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Diversity:
    """One way of choosing ten, over all kinds; gains against the plain ranking."""

    way: str
    precision: Interval
    classes: Interval
    precision_gain: Interval
    classes_gain: Interval


Choose = Callable[[npt.NDArray[np.float32], "Vectors"], list[int]]  # scores, vectors -> rows


def mmr(scores: npt.NDArray[np.float32], vectors: Vectors, relevance: float) -> list[int]:
    """Carbonell and Goldstein, SIGIR 1998, with scores stretched to [0, 1]."""
    worth = relevance * (scores - scores.min()) / max(1e-12, float(np.ptp(scores)))
    nearest, chosen = np.zeros(len(scores)), [0]
    while len(chosen) < TOP:
        nearest = np.maximum(nearest, vectors @ vectors[chosen[-1]])
        value = worth - (1 - relevance) * nearest
        value[chosen] = -np.inf
        chosen.append(int(np.argmax(value)))
    return chosen


def measure_diversity(folder: Path, split: str, embeddings: Embeddings) -> list[Diversity]:
    rows = _rows(folder / "labels.jsonl", split)
    labels = np.array([row["label"] for row in rows])
    vectors = embeddings.pictures([folder / row["image"] for row in rows])
    queries = embeddings.texts(list(KINDS))
    ways: dict[str, Choose] = {"plain": lambda scores, some: list(range(TOP))}
    for share in RELEVANCES:
        ways[f"mmr {share}"] = lambda scores, some, share=share: mmr(scores, some, share)  # type: ignore[misc]
    for share in RELEVANCES:
        ways[f"bouba {share}"] = lambda scores, some, share=share: diverse(scores, some, TOP, share)  # type: ignore[misc]
    found = {way: _chosen(queries, vectors, labels, choose) for way, choose in ways.items()}
    plain = found["plain"]
    return [
        Diversity(way, *map(bootstrap_interval, now), *(compare(a, b)[0] for a, b in zip(now, plain, strict=True)))
        for way, now in found.items()
    ]


def _chosen(
    queries: Vectors, vectors: Vectors, labels: npt.NDArray[np.str_], choose: Choose
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Precision and classes [kinds]."""
    precision, classes = [], []
    for query, members in zip(queries, KINDS.values(), strict=True):
        scores = vectors @ query
        best = np.argsort(-scores, kind="stable")[: CHOICE * TOP]
        shown = labels[best[choose(scores[best], vectors[best])]]
        right = np.isin(shown, members.split("|"))
        precision.append(right.mean())
        classes.append(len(set(shown[right])))
    return np.array(precision), np.array(classes, np.float64)


def _rows(manifest: Path, split: str) -> list[dict[str, Any]]:
    rows = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    return [row for row in rows if row["split"] == split]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with objects/")
    parser.add_argument("--split", default="val", choices=["val", "train"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    embeddings = Embeddings(bouba.load_model(arguments.model), default_cache())
    rows = measure_diversity(arguments.data / "objects", arguments.split, embeddings)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    print("\n".join(diversity_table(rows)))


def diversity_table(rows: Sequence[Diversity]) -> list[str]:
    head = f"{'10 of ' + str(CHOICE * TOP):<12}{'precision':>10}{'gain in points':>26}{'classes':>10}{'gain':>26}"
    return [head, *map(_diversity_line, rows)]


def _diversity_line(row: Diversity) -> str:
    def gain(found: Interval, unit: float) -> str:
        return f"{unit * found.value:+.2f} ({unit * found.low:+.2f} to {unit * found.high:+.2f})"

    precision, classes = 100 * row.precision.value, row.classes.value
    gains = gain(row.precision_gain, 100), gain(row.classes_gain, 1)
    return f"{row.way:<12}{precision:>9.1f}%{gains[0]:>26}{classes:>10.2f}{gains[1]:>26}"


if __name__ == "__main__":
    main()
