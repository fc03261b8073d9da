"""Are the probabilities true, and does "nothing matches" say so where nothing does?

    python -m benchmarks.calibration [--model FOLDER] [--data FOLDER] [--cache FOLDER] [--plot OUT.png] [--json]

Probabilities: every set's pictures are halved, with the queries about them; what is fitted on the one halves judges the
best 20 hits of each query on the others, and the other way round. The expected calibration error has 15 bins of equal
width; its interval is of a bootstrap over queries. "flickr8k words" are the words of its captions, asked alone.
Nothing matches: 300 questions with an answer, 300 without, again each asked of the half that its judge has not seen.
Class names (objects): the pictures of every other class are taken out. Captions (Flickr8k): all photos of a topic are,
that is whose captions name it even once, and captions of those that name it four times ask. The threshold is the
fitted one.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.sets import DEFAULT_DATA, SETS
from bouba.encoders import Model, load_model
from bouba.evaluation.data import read_set
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.ranking.calibration import (
    FEW_WORDS,
    Asked,
    Background,
    Calibration,
    auroc,
    calibration_error,
    reliability,
)
from bouba.ranking.fitting import HITS, Judged, fit_calibration
from bouba.ranking.hubness import hub_bias
from bouba.training.calibrate import LEAST_OF_A_SET, of_length
from bouba.training.data.media import File
from bouba.training.judge import Questions
from bouba.training.keywords import keyword_questions

if TYPE_CHECKING:
    from bouba.types import Vectors

    Mask = npt.NDArray[np.bool_]

ASKED = ("flickr8k", "objects", "grocery", "fashion", "medpix")
TOPICS = tuple(
    frozenset(words.split())
    for words in (
        "dog dogs puppy puppies",
        "water pool ocean sea wave waves surfer surfing surfs swim swims swimming swimmer lake river beach boat kayak",
        "snow snowy ski skis skier skiing snowboard snowboarder snowboarding snowboards ice",
        "bike bikes bicycle bicycles biker cyclist bmx motorcycle dirtbike motorbike motorcyclist",
        "soccer football basketball tennis baseball ball volleyball rugby hockey",
        "rock rocks climbing climber climbs cliff mountain mountains mountaintop",
        "skateboard skateboarder skateboarding skateboards skate skating",
        "crowd street city building sidewalk store shop restaurant bus car cars",
        "child children girl girls boy boys baby toddler kid kids",
    )
)
QUESTIONS = 300
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Half:
    """Half of a set's pictures, and the queries about them."""

    judged: Judged
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reliability:
    data: str
    hits: int
    error: float
    low: float
    high: float
    bins: list[tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Nothing:
    kind: str
    answerable: int
    unanswerable: int
    auroc: float
    refused: float  # share of the answerable
    told: float  # share of the unanswerable that were refused


def halves(model: Model, data: Path, cache: Path) -> dict[str, tuple[Half, Half]]:
    embeddings, found = Embeddings(model, cache), {}
    for name in ASKED:
        file, column = SETS[name]
        one = read_set(data / file, split="val", text_column=column)
        images, texts = embeddings.pictures(one.images), embeddings.texts(one.texts)
        order = np.random.default_rng(0).permutation(len(one.texts) if one.kind == "names" else len(images))
        first = np.zeros(len(order), bool)
        first[order[: len(order) // 2]] = True
        about = np.zeros((len(texts), len(images)), bool)
        for query, rows in enumerate(one.relevant):
            about[query, list(rows)] = True
        asks = first if one.kind == "names" else first[about.argmax(axis=1)]
        shown: Mask = np.asarray(about[first].any(axis=0)) if one.kind == "names" else first
        found[name] = (
            _half(model, one.texts, texts, images, about, asks, shown),
            _half(model, one.texts, texts, images, about, ~asks, ~shown),
        )
    words = [_in_words(half, embeddings) for half in found["flickr8k"]]
    return {**found, "flickr8k words": (words[0], words[1])}


def _in_words(half: Half, embeddings: Embeddings) -> Half:
    """What its captions name, asked in a word."""
    judged = half.judged
    pictures = tuple(File("", str(row)) for row in range(len(judged.pictures)))
    rows = tuple(tuple(int(row) for row in np.flatnonzero(right)) for right in judged.right)
    asked = keyword_questions(Questions("words", pictures, half.texts, rows))
    assert asked is not None
    right = np.zeros((len(asked.texts), len(pictures)), bool)
    for query, about in enumerate(asked.relevant):
        right[query, list(about)] = True
    words = tuple(len(text.split()) for text in asked.texts)
    return Half(Judged(embeddings.texts(asked.texts), words, judged.pictures, judged.bias, right), asked.texts)


class Judge:
    """What was fitted on one half of every set: questions of few words have a calibration of their own."""

    def __init__(self, sets: Sequence[Judged]) -> None:
        parts = {few: [of_length(one, few) for one in sets] for few in (True, False)}
        self._kinds = {
            few: fit_calibration([one for one in some if len(one.queries) >= LEAST_OF_A_SET])
            for few, some in parts.items()
        }

    def of(self, words: int) -> Calibration:
        return self._kinds[words <= FEW_WORDS]


def _half(
    model: Model, strings: Sequence[str], texts: Vectors, images: Vectors, about: Mask, asks: Mask, shown: Mask
) -> Half:
    own = tuple(text for text, kept in zip(strings, asks, strict=True) if kept)
    words = tuple(len(text.split()) for text in own)
    return Half(Judged(texts[asks], words, images[shown], _bias(model, images[shown]), about[asks][:, shown]), own)


def _bias(model: Model, images: Vectors) -> Vectors:
    if model.bank is None or model.calibration is None:
        return np.zeros(len(images), np.float32)
    return hub_bias(images, model.bank, **model.calibration["hubs"])


def said(judge: Judge, one: Judged) -> list[tuple[npt.NDArray[np.float64], Mask]]:
    """Of each query's best hits: probabilities, and which are right."""
    rows = []
    for query, scores in enumerate(one.scores(np.arange(len(one.queries)))):
        best = np.argsort(-scores, kind="stable")[:HITS]
        known = Asked(Background.of(scores), len(scores), one.words[query])
        rows.append((judge.of(known.words).probabilities(scores[best], known), one.right[query, best]))
    return rows


def judge_probabilities(name: str, rows: list[tuple[npt.NDArray[np.float64], Mask]]) -> Reliability:
    p, y = (np.stack(part) for part in zip(*rows, strict=True))
    draw = np.random.default_rng(0)
    errors = []
    for _ in range(DRAWS):
        again = draw.integers(len(p), size=len(p))
        errors.append(calibration_error(p[again].ravel(), y[again].ravel()))
    low, high = np.quantile(errors, (0.025, 0.975))
    flat = p.ravel(), y.ravel()
    return Reliability(name, p.size, calibration_error(*flat), float(low), float(high), reliability(*flat))


def confidences(judge: Judge, one: Judged, queries: npt.NDArray[np.intp], gone: Mask) -> npt.NDArray[np.float64]:
    """Of some queries, with some of the pictures gone: confidence and threshold [queries, 2]."""
    rows = []
    for query, scores in zip(queries, one.scores(queries)[:, ~gone], strict=True):
        known = Asked(Background.of(scores), len(scores), one.words[query])
        calibration = judge.of(known.words)
        rows.append((calibration.confidence(np.sort(scores)[::-1], known), calibration.threshold))
    return np.array(rows).reshape(-1, 2)


def class_questions(half: Half) -> Iterator[tuple[Mask, npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Pictures that are gone, queries with an answer among the others, and queries without."""
    asked = np.random.default_rng(1).permutation(len(half.texts))
    yield np.asarray(half.judged.right[asked[1::2]].any(axis=0)), asked[::2], asked[1::2]


def caption_questions(half: Half, count: int) -> Iterator[tuple[Mask, npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    own = half.judged.right.argmax(axis=1)
    words = [set(re.findall("[a-z]+", text.lower())) for text in half.texts]
    draw = np.random.default_rng(2)
    for number, topic in enumerate(TOPICS):
        named = np.array([bool(some & topic) for some in words])
        often = np.bincount(own, named, len(half.judged.pictures))
        share = count // len(TOPICS) + (number < count % len(TOPICS))
        yes, no = np.flatnonzero(often[own] == 0), np.flatnonzero(named & (often[own] >= 4))
        yield often > 0, draw.permutation(yes)[:share], draw.permutation(no)[:share]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a calibrated model folder; by default the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/, objects/, ...")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where vectors are kept")
    parser.add_argument("--plot", type=Path, help="where the reliability diagram goes")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sets = halves(load_model(arguments.model), arguments.data, arguments.cache)
    judges = [Judge([pair[side].judged for pair in sets.values()]) for side in (0, 1)]
    curves = [
        judge_probabilities(name, [*said(judges[1], pair[0].judged), *said(judges[0], pair[1].judged)])
        for name, pair in sets.items()
    ]
    answers = nothing(sets, judges)
    if arguments.plot:
        draw_curves(curves, arguments.plot)
    if arguments.json:
        print(json.dumps({"reliability": list(map(asdict, curves)), "nothing": list(map(asdict, answers))}, indent=2))
        return
    print(f"{'':<14}{'hits':>8}   calibration error (95 % interval)")
    for one in curves:
        print(f"{one.data:<14}{one.hits:>8,}   {one.error:.3f} ({one.low:.3f} to {one.high:.3f})")
    print(f"\n{'':<14}{'with':>6}{'without':>9}{'AUROC':>8}{'answerable refused':>21}{'unanswerable refused':>23}")
    for answer in answers:
        head = f"{answer.kind:<14}{answer.answerable:>6}{answer.unanswerable:>9}{answer.auroc:>8.3f}"
        print(f"{head}{answer.refused:>20.1%} {answer.told:>22.1%}")


def nothing(sets: Mapping[str, tuple[Half, Half]], judges: Sequence[Judge]) -> list[Nothing]:
    names = min(QUESTIONS // 2, sum(len(half.texts) for half in sets["objects"]) // 2)
    pooled: dict[str, list[list[Any]]] = {"class names": [[], [], [], []], "captions": [[], [], [], []]}
    for side in (0, 1):
        judge, captions = judges[1 - side], (QUESTIONS - names) // 2 + (side and (QUESTIONS - names) % 2)
        asked = {"class names": (sets["objects"][side], class_questions(sets["objects"][side]))}
        asked["captions"] = (sets["flickr8k"][side], caption_questions(sets["flickr8k"][side], captions))
        for kind, (half, questions) in asked.items():
            for gone, yes, no in questions:
                for part, queries in enumerate((yes, no)):
                    surely, threshold = confidences(judge, half.judged, queries, gone).T
                    pooled[kind][part].append(surely)
                    pooled[kind][2 + part].append(surely < threshold)
    parts = {kind: [np.concatenate(part) for part in four] for kind, four in pooled.items()}
    parts["all"] = [np.concatenate([parts[kind][n] for kind in pooled]) for n in range(4)]
    return [
        Nothing(kind, len(yes), len(no), auroc(yes, no), float(lost.mean()), float(told.mean()))
        for kind, (yes, no, lost, told) in parts.items()
    ]


def draw_curves(curves: Sequence[Reliability], path: Path) -> None:
    """Said against was (DeGroot and Fienberg 1983); the size of a point is its share of the hits."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(curves), 3.2), layout="constrained")
    for number, one in enumerate(curves, 1):
        axes = figure.add_subplot(1, len(curves), number)
        axes.plot([0, 1], [0, 1], color="#b0b0b0", linewidth=1)
        said, was, share = zip(*one.bins, strict=True)
        axes.plot(said, was, color="#0072b2", linewidth=1)
        axes.scatter(said, was, s=[20 + 300 * part for part in share], color="#0072b2", alpha=0.6)
        axes.set(title=f"{one.data}: {one.error:.3f}", xlim=(0, 1), ylim=(0, 1), xlabel="probability said")
        axes.set_ylabel("share that was right" if number == 1 else "")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
