"""What smaller vectors cost: fewer dimensions, int8 and one-bit codes, with and without a second look at the vectors.

    python -m benchmarks.compression [--data FOLDER] [--model FOLDER] [--cache FOLDER] [--items N] [--json]

Quality: texts of the validation sets ask their pictures, by cosine alone; hit@10 (all queries) and mean average
precision with 95 % intervals. `first` keeps the leading dimensions, `axes` the principal axes of the model's bank and
background, as `bouba add --dims` does. Codes are of 512 dimensions or of the axes; `x R` means that R times as many
candidates as are shown were scored again by their vectors. Signs are taken after a random rotation.
Probabilities: how far those of the model's calibration are off (expected calibration error, best 20 hits of each
query, Flickr8k and web) where a gallery keeps fewer dimensions.
Recall: of the exact 10 nearest in N synthetic vectors, found by codes; what an index has to make up for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.sets import DEFAULT_DATA, SETS
from bouba.encoders import Model, load_model
from bouba.evaluation.data import EvaluationSet, read_set
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.metrics import average_precision, hit_rate_at_k
from bouba.evaluation.ranks import Relevance, rank_scores
from bouba.evaluation.uncertainty import bootstrap_interval
from bouba.narrow import NarrowModel, narrowed
from bouba.plan.sample import sample
from bouba.ranking.calibration import FEW_WORDS, Asked, Background, Calibration, calibration_error
from bouba.ranking.codes import (
    best_scored,
    int8_codes,
    int8_scale,
    int8_scores,
    random_rotation,
    rescored,
    sign_candidates,
    sign_codes,
    truncated,
)
from bouba.ranking.hubness import hub_bias

if TYPE_CHECKING:
    from bouba.evaluation.results import Interval
    from bouba.ranking.codes import Floats, Ints
    from bouba.types import Vectors

DIMS = (384, 256, 128, 64, 32)
SHOWN = 10
LOOKS = (1, 4, 10, 40)  # times as many candidates as are shown
JUDGED_HITS = 20
QUERIES = 500  # of the synthetic set


@dataclass(frozen=True, slots=True)
class Way:
    """One set asked in one way."""

    data: str
    way: str
    bytes: float  # a vector, in memory while candidates are searched
    hit_at_10: Interval
    mean_ap: Interval


@dataclass(frozen=True, slots=True)
class Off:
    data: str
    dims: int
    calibration_error: float
    cosine_moved: float  # mean distance of a hit's cosine from that of the whole vectors


@dataclass(frozen=True, slots=True)
class Found:
    way: str
    bytes: float
    recall_at_10: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One set's vectors and what is right."""

    name: str
    texts: Vectors
    images: Vectors
    relevance: Relevance
    words: tuple[int, ...]


def judged_sets(model: Model, data: Path, cache: Path) -> Iterator[Judged]:
    embeddings = Embeddings(model, cache)
    for name, (file, column) in SETS.items():
        one: EvaluationSet = read_set(data / file, split="val", text_column=column)
        relevance = Relevance.of_lists([list(rows) for rows in one.relevant], len(one.images))
        words = tuple(len(text.split()) for text in one.texts)
        yield Judged(name, embeddings.texts(one.texts), embeddings.pictures(one.images), relevance, words)


def ways(model: Model, one: Judged) -> Iterator[Way]:
    yield _way(one, "whole", 4.0 * model.dim, one.texts @ one.images.T)
    for dims in DIMS:
        yield _way(one, f"{dims} first", 4.0 * dims, truncated(one.texts, dims) @ truncated(one.images, dims).T)
    for dims in DIMS:
        texts, images = _kept(model, dims, one)
        yield _way(one, f"{dims} axes", 4.0 * dims, texts @ images.T)
    for dims in (model.dim, 256, 128):
        texts, images = _kept(model, dims, one)
        scale = int8_scale(_background(model, dims))
        yield _way(one, f"{dims} int8", float(dims), int8_scores(texts, int8_codes(images, scale), scale))
        for look in LOOKS:
            scores = _by_signs(model, dims, texts, images, look)
            yield _way(one, f"{dims} signs x {look}", dims / 8, scores)


def _kept(model: Model, dims: int, one: Judged) -> tuple[Vectors, Vectors]:
    small = narrowed(model, dims)
    if not isinstance(small, NarrowModel):
        return one.texts, one.images
    return small.narrow(one.texts), small.narrow(one.images)


def _background(model: Model, dims: int) -> Vectors:
    known = narrowed(model, dims).background
    assert known is not None, "the model was never calibrated"
    return known


def _by_signs(model: Model, dims: int, texts: Vectors, images: Vectors, look: int) -> Floats:
    """Scores of the candidates that signs give, minus infinity for the others; those of one look go by their bits."""
    small = narrowed(model, dims)
    assert small.bank is not None
    assert small.background is not None
    turn = random_rotation(dims)
    asked, held = (
        sign_codes(vectors @ turn, kind.mean(0) @ turn)
        for vectors, kind in ((texts, small.bank), (images, small.background))
    )
    scores = np.full((len(texts), len(images)), -np.inf, np.float32)
    for row, some in enumerate(sign_candidates(asked, held, SHOWN * look)):
        by_bits = -np.bitwise_count(held[some] ^ asked[row]).sum(axis=1).astype(np.float32)
        scores[row, some] = by_bits if look == 1 else images[some] @ texts[row]
    return scores


def _way(one: Judged, way: str, size: float, scores: Floats) -> Way:
    ranks = rank_scores(scores, one.relevance)
    hits, precisions = hit_rate_at_k(ranks, SHOWN), average_precision(ranks)
    return Way(one.name, way, size, bootstrap_interval(hits), bootstrap_interval(precisions))


def probabilities(model: Model, one: Judged) -> Iterator[Off]:
    """As `bouba search` judges hits: scores less the bias of hubs, against the gallery's own background."""
    assert model.calibration is not None
    right = np.zeros((one.relevance.queries, one.relevance.width), bool)
    right[one.relevance.owners(), one.relevance.items] = True
    for dims in (model.dim, *DIMS):
        small = narrowed(model, dims)
        texts, images = _kept(model, dims, one)
        assert small.bank is not None
        scores = texts @ images.T - hub_bias(images, small.bank, **model.calibration["hubs"])
        said, was, moved = [], [], []
        for row, own in enumerate(scores):
            best = np.argsort(-own, kind="stable")[:JUDGED_HITS]
            known = Asked(Background.of(own), len(own), one.words[row])
            said.append(_calibration(model, known.words).probabilities(own[best], known))
            was.append(right[row, best])
            moved.append(np.abs(images[best] @ texts[row] - one.images[best] @ one.texts[row]).mean())
        error = calibration_error(np.concatenate(said), np.concatenate(was))
        yield Off(one.name, dims, error, float(np.mean(moved)))


def _calibration(model: Model, words: int) -> Calibration:
    kinds = (model.calibration or {})["kinds"]
    first, other = ("keywords", "text") if words <= FEW_WORDS else ("text", "keywords")
    return Calibration.of(kinds.get(first, kinds.get(other)))


def recalls(items: int) -> Iterator[Found]:
    """Of codes, on vectors as a gallery stores them."""
    rows, queries = sample(items, QUERIES, 512)
    exact = best_scored(queries @ rows.T, SHOWN)
    scale = int8_scale(rows)
    by_int8 = int8_scores(queries, int8_codes(rows, scale), scale)
    turn = random_rotation(rows.shape[1])
    asked, held = (sign_codes(kind @ turn, kind.mean(0) @ turn) for kind in (queries, rows))
    for look in LOOKS:
        some = best_scored(by_int8, SHOWN * look)
        yield Found(f"int8 x {look}", float(rows.shape[1]), _shared(exact, _again(queries, some, rows, look)))
    for look in (*LOOKS, 100):
        some = sign_candidates(asked, held, SHOWN * look)
        yield Found(f"signs x {look}", rows.shape[1] / 8, _shared(exact, _again(queries, some, rows, look)))


def _again(queries: Vectors, some: Ints, rows: Vectors, look: int) -> Ints:
    return some if look == 1 else rescored(queries, some, rows, SHOWN)


def _shared(exact: Ints, found: Ints) -> float:
    return float(np.mean([len(set(a) & set(b)) / SHOWN for a, b in zip(exact, found, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a calibrated model folder; by default the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/, objects/, ...")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where vectors are kept")
    parser.add_argument("--items", type=int, default=100_000, help="synthetic vectors")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    sets = list(judged_sets(model, arguments.data, arguments.cache))
    quality = [way for one in sets for way in ways(model, one)]
    off = [one for some in sets if some.name in ("flickr8k", "web") for one in probabilities(model, some)]
    found = list(recalls(arguments.items))
    if arguments.json:
        parts: Mapping[str, list[Way] | list[Off] | list[Found]] = {"quality": quality, "probabilities": off}
        print(json.dumps({name: [asdict(one) for one in some] for name, some in {**parts, "recall": found}.items()}))
        return
    print(quality_table(quality))
    print(f"\n{'probabilities':<16}{'dims':>6}{'calibration error':>20}{'cosines moved by':>19}")
    for one in off:
        print(f"{one.data:<16}{one.dims:>6}{one.calibration_error:>20.3f}{one.cosine_moved:>19.3f}")
    print(f"\nrecall@10 in {arguments.items:,} synthetic vectors\n{'':<16}{'bytes':>6}{'recall@10':>12}")
    for code in found:
        print(f"{code.way:<16}{code.bytes:>6.0f}{code.recall_at_10:>12.3f}")


def quality_table(quality: list[Way]) -> str:
    """hit@10 / mean average precision, in percent, a column a set; intervals are in the JSON and on the first row."""
    sets = list(dict.fromkeys(one.data for one in quality))
    lines = [f"{'hit@10 / mAP, %':<18}{'bytes':>6}" + "".join(f"{name:>14}" for name in sets)]
    for way in dict.fromkeys(one.way for one in quality):
        row = {one.data: one for one in quality if one.way == way}
        cells = "".join(f"{100 * row[n].hit_at_10.value:>7.1f}/{100 * row[n].mean_ap.value:>6.1f}" for n in sets)
        lines.append(f"{way:<18}{next(iter(row.values())).bytes:>6.0f}{cells}")
        if way == "whole":
            half = {n: (row[n].hit_at_10.high - row[n].hit_at_10.low) / 2 for n in sets}
            lines.append(f"{'  +- (hit@10)':<24}" + "".join(f"{100 * half[n]:>7.1f}{'':>7}" for n in sets))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
