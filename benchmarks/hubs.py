"""Hub correction: what the bias stored with every picture gains, against the plain cosine and against other methods.

    python -m benchmarks.hubs [--model FOLDER] [--data FOLDER] [--recipe FILE] [--cache FOLDER] [--store URI] [--json]

Text to image on the val splits, gains in points with 95 % intervals (paired; whole pictures are resampled). Skewness is
that of the 10-occurrences over the set's queries (Radovanovic et al. 2010). Slices are those of `bouba evaluate`.
The bank and its constants are the model's own; for a model without, texts of the recipe's training files.
Image to image (objects val, same class) is shown because such queries go uncorrected, and this is why.
With --store every set goes into a store whose URI is this and the set's name, and 500 queries are asked of it; beyond
the first 100 hits nothing counts. Only this is printed then, beside the same queries computed here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.sets import DEFAULT_DATA, SETS
from bouba.encoders import Model, load_model
from bouba.evaluation.data import TEMPLATES, fill, read_set
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.measure import spread
from bouba.evaluation.metrics import average_precision, hit_rate_at_k
from bouba.evaluation.perturb import TEXT_SLICES, TEXT_SUBSETS
from bouba.evaluation.ranks import Relevance, rank_scores
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import compare
from bouba.ranking.hubness import hub_bias, k_occurrences, pack_query, pack_rows, skewness
from bouba.stores import open_store
from bouba.training.bank import NEIGHBOURS, STRENGTH, bank_texts
from bouba.training.config import read_run
from bouba.training.pairs import read_pairs
from bouba.types import Item

if TYPE_CHECKING:
    from bouba.types import Vectors

Floats = npt.NDArray[np.float32]
Scores = npt.NDArray[np.floating]
RECIPE = Path(__file__).parents[1] / "recipes" / "builtin.toml"
SLICE_QUERIES = 1_000  # at most, as in `bouba evaluate`
FEW, DRAWS = 100, 10  # pictures of a small gallery, and how many of them
STORE_QUERIES, DEPTH = 500, 100  # asked of a store, and how many hits


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries of one kind to the pictures of one set."""

    data: str
    name: str
    vectors: Vectors  # [queries, dim]
    relevant: list[list[int]]  # rows of the set's pictures
    groups: npt.NDArray[np.int64]  # queries of one group are resampled together


@dataclass(frozen=True, slots=True)
class Gain:
    """Corrected minus plain, in shares of 1."""

    data: str
    name: str
    queries: int
    hit_at_1: float  # of the plain cosine
    map: float
    hit_gain: Interval
    map_gain: Interval
    skewness: tuple[float, float]  # before, after


class Bench:
    """One model's sets, their pictures' nearness to the bank, and their bias."""

    def __init__(self, model: Model, data: Path, recipe: Path, cache: Path) -> None:
        self.embeddings = Embeddings(model, cache)
        self.sets = {name: read_set(data / file, split="val", text_column=c) for name, (file, c) in SETS.items()}
        self.images = {name: self.embeddings.pictures(one.images) for name, one in self.sets.items()}
        self.neighbours, self.strength = NEIGHBOURS, STRENGTH
        if model.bank is not None and model.calibration is not None:
            self.bank = model.bank
            self.neighbours, self.strength = (model.calibration["hubs"][key] for key in ("neighbours", "strength"))
        else:
            train = read_pairs(read_run(recipe), lambda text: None).train
            self.bank = self.embeddings.texts(bank_texts(train))

    def bias(self, images: Vectors) -> Floats:
        return hub_bias(images, self.bank, neighbours=self.neighbours, strength=self.strength)

    def asked(self, name: str) -> Asked:
        data = self.sets[name]
        return self._asked(name, "all", self.embeddings.texts(data.texts), data.relevant)

    def slices(self, name: str) -> Iterator[Asked]:
        """The set's queries changed, chosen or put into sentences, and its other languages."""
        data, encode = self.sets[name], self.embeddings.texts
        rows = spread(len(data.texts), SLICE_QUERIES)
        texts, relevant = [data.texts[row] for row in rows], [data.relevant[row] for row in rows]
        for one in TEXT_SLICES:
            yield self._asked(name, one.name, encode(one.apply(texts)), relevant)
        for subset in TEXT_SUBSETS:
            if chosen := subset.select(data.texts):
                some = [data.texts[row] for row in chosen]
                yield self._asked(name, subset.name, encode(some), [data.relevant[row] for row in chosen])
        for prompt, templates in TEMPLATES.items() if data.kind == "names" else ():
            total = np.sum([encode([fill(text, template) for text in texts]) for template in templates], axis=0)
            yield self._asked(name, f"prompt {prompt}", _unit(total), relevant)
        for code, language in data.languages.items():
            chosen = spread(len(language.texts), SLICE_QUERIES)
            some = [language.texts[row] for row in chosen]
            yield self._asked(name, f"in {code}", encode(some), [language.relevant[row] for row in chosen])

    def _asked(self, data: str, name: str, vectors: Vectors, relevant: Sequence[Sequence[int]]) -> Asked:
        captions = self.sets[data].kind == "captions"
        groups = [own[0] if captions else number for number, own in enumerate(relevant)]
        return Asked(data, name, vectors, [list(own) for own in relevant], np.array(groups, np.int64))

    def stored(self, asked: Asked) -> Gain:
        """As a store serves it: the rows it keeps, and the row that it is asked with."""
        images = self.images[asked.data]
        rows = pack_rows(images, self.bias(images))
        corrected = np.stack([pack_query(vector, 1.0) for vector in asked.vectors]) @ rows.T
        return gain(asked, asked.vectors @ images.T, corrected)

    def by_store(self, asked: Asked, uri: str) -> Gain:
        """The same, from what a store finds."""
        images = self.images[asked.data]
        rows = pack_rows(images, self.bias(images))
        ids = [f"{number:032x}" for number in range(len(rows))]
        with closing(open_store(uri, rows.shape[1])) as store:
            store.upsert([Item(id, "", 0, 0, 0, "") for id in ids], rows)
            store.maintain()
            plain, corrected = np.full((2, len(asked.vectors), len(rows)), -np.inf, np.float32)
            for scores, strength in ((plain, 0.0), (corrected, 1.0)):
                for number, vector in enumerate(asked.vectors):
                    for found in store.search(pack_query(vector, strength), DEPTH):
                        scores[number, int(found.item.id, 16)] = found.score
        return gain(replace(asked, name="by the store"), plain, corrected)

    def among_all(self, asked: Asked) -> Gain:
        """The pictures of all sets in one gallery."""
        start = sum(len(self.images[name]) for name in list(SETS)[: list(SETS).index(asked.data)])
        images = np.concatenate(list(self.images.values()))
        relevant = [[start + row for row in own] for own in asked.relevant]
        moved = Asked(asked.data, "among all", asked.vectors, relevant, asked.groups)
        return gain(moved, asked.vectors @ images.T, asked.vectors @ images.T - self.bias(images))

    def among_few(self, asked: Asked) -> Gain:
        """Galleries of 100 pictures at random, each with the queries that it answers, side by side in one matrix."""
        images, rng = self.images[asked.data], np.random.default_rng(0)
        bias, drawn, relevant = self.bias(images), [], []
        for draw in range(DRAWS):
            kept = rng.permutation(len(images))[:FEW]
            place = {int(row): draw * FEW + number for number, row in enumerate(kept)}
            own = [[place[row] for row in rows if row in place] for rows in asked.relevant]
            drawn.append((kept, np.flatnonzero([bool(rows) for rows in own])))
            relevant += [rows for rows in own if rows]
        queries = np.concatenate([some for _, some in drawn])
        plain, corrected = np.full((2, len(queries), DRAWS * FEW), -np.inf, np.float32)
        start = 0
        for draw, (kept, some) in enumerate(drawn):
            block = slice(start, start + len(some)), slice(draw * FEW, draw * FEW + len(kept))
            plain[block] = asked.vectors[some] @ images[kept].T
            corrected[block] = plain[block] - bias[kept]
            start += len(some)
        few = Asked(asked.data, f"{FEW} only", asked.vectors[queries], relevant, asked.groups[queries])
        return gain(few, plain, corrected)

    def other_methods(self, asked: Asked) -> dict[str, Gain]:
        images = self.images[asked.data]
        scores, near = asked.vectors @ images.T, images @ self.bank.T
        return {name: gain(asked, scores, method(scores, near)) for name, method in METHODS.items()}

    def pictures(self) -> Gain:
        """Pictures of objects val ask for others of their class."""
        images = self.images["objects"]
        label = np.empty(len(images), np.int64)
        for number, own in enumerate(self.sets["objects"].relevant):
            label[list(own)] = number
        same = [[int(n) for n in np.flatnonzero(label == own) if n != row] for row, own in enumerate(label)]
        asked = Asked("objects", "by picture", images, same, label)
        scores = images @ images.T
        np.fill_diagonal(scores, -np.inf)
        return gain(asked, scores, scores - self.bias(images))


def spread_over(asked: Asked, count: int) -> Asked:
    rows = spread(len(asked.vectors), count)
    relevant = [asked.relevant[row] for row in rows]
    return Asked(asked.data, asked.name, asked.vectors[rows], relevant, asked.groups[rows])


def inverted_softmax(near: Floats, beta: float) -> Floats:
    """Smith et al. 2017: the log of the sum that divides exp(beta x score), as a bias [items]."""
    top = near.max(axis=1)
    return np.asarray(top + np.log(np.exp(beta * (near - top[:, None])).mean(axis=1)) / beta, np.float32)


def nearest_mean(near: Floats, count: int) -> Floats:
    return np.asarray(np.sort(near, axis=1)[:, -count:].mean(axis=1), np.float32)


def dynamic(scores: Floats, near: Floats, beta: float) -> Floats:
    """QB-Norm's dynamic inverted softmax (Bogolin et al. 2022): only for queries whose first answer is the first answer
    of a query of the bank as well. Not a bias alone: a yardstick."""
    hubs = np.zeros(len(near), np.bool_)
    hubs[near.argmax(axis=0)] = True
    touched = hubs[scores.argmax(axis=1)]
    return np.asarray(np.where(touched[:, None], scores - inverted_softmax(near, beta), scores), np.float32)


# Each from scores [queries, items] and cosines with the bank [items, texts] to corrected scores. As far as the order
# goes, CSLS (Conneau et al. 2018) is NNN of 10 and 1/2, and queries centred on the bank's mean are NNN of all and 1.
METHODS: Mapping[str, Callable[[Floats, Floats], Scores]] = {
    "CSLS, 10": lambda scores, near: scores - nearest_mean(near, 10) / 2,
    "inverted softmax, 10": lambda scores, near: scores - inverted_softmax(near, 10),
    "inverted softmax, 20": lambda scores, near: scores - inverted_softmax(near, 20),
    "inverted softmax, 40": lambda scores, near: scores - inverted_softmax(near, 40),
    "half of it, 20": lambda scores, near: scores - inverted_softmax(near, 20) / 2,
    "QB-Norm, 20": lambda scores, near: dynamic(scores, near, 20),
    "queries centred": lambda scores, near: scores - nearest_mean(near, near.shape[1]),
}


def gain(asked: Asked, plain: Floats, corrected: Scores) -> Gain:
    relevance = Relevance.of_lists(asked.relevant, plain.shape[1])
    before, after = rank_scores(plain, relevance), rank_scores(corrected, relevance)
    hits, precision = hit_rate_at_k(before, 1), average_precision(before)
    return Gain(
        asked.data,
        asked.name,
        len(asked.vectors),
        float(hits.mean()),
        float(precision.mean()),
        compare(hit_rate_at_k(after, 1), hits, asked.groups)[0],
        compare(average_precision(after), precision, asked.groups)[0],
        (skewness(k_occurrences(before.top, plain.shape[1])), skewness(k_occurrences(after.top, plain.shape[1]))),
    )


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/, objects/, ...")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="whose training texts make the bank")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where vectors are kept")
    parser.add_argument("--store", metavar="URI", help="show what a store finds, e.g. milvus://HOST/hubs_")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    bench = Bench(load_model(arguments.model), arguments.data, arguments.recipe, arguments.cache)
    asked = [bench.asked(name) for name in SETS]
    if arguments.store:
        some = [spread_over(one, STORE_QUERIES) for one in asked]
        both = [gain for one in some for gain in (bench.stored(one), bench.by_store(one, arguments.store + one.data))]
        print(json.dumps({"gains": list(map(asdict, both))}, indent=2) if arguments.json else gains_table(both))
        return
    found = [
        *(bench.stored(one) for one in asked),
        *(bench.among_all(one) for one in asked),
        *(bench.among_few(one) for one in asked),
        bench.pictures(),
    ]
    slices = [bench.stored(one) for name in SETS for one in bench.slices(name)]
    methods = [bench.other_methods(one) for one in asked]
    if arguments.json:
        others = [{"method": name, **asdict(one)} for named in methods for name, one in named.items()]
        gains = {"gains": list(map(asdict, found)), "slices": list(map(asdict, slices)), "other_methods": others}
        print(json.dumps(gains, indent=2))
        return
    print(f"bank of {len(bench.bank):,} queries, {bench.neighbours} neighbours, strength {bench.strength:g}")
    print(gains_table(found), slices_table(slices), methods_table(methods), sep="\n\n")


def gains_table(found: Sequence[Gain]) -> str:
    lines = [f"{'':<22}{'queries':>8}{'hit@1':>8}{'gain':>22}{'mAP':>8}{'gain':>22}{'skewness':>16}"]
    for one in found:
        head = f"{f'{one.data}, {one.name}':<22}{one.queries:>8,}"
        hits = f"{100 * one.hit_at_1:>8.1f}{_points(one.hit_gain):>22}"
        precision = f"{100 * one.map:>8.1f}{_points(one.map_gain):>22}"
        lines.append(f"{head}{hits}{precision}{one.skewness[0]:>9.2f} > {one.skewness[1]:.2f}")
    return "\n".join(lines)


def slices_table(slices: Sequence[Gain]) -> str:
    """Gains in hit@1 and mAP; + and - mark those whose interval leaves out 0."""
    lines = [f"{'hit@1 and mAP':<18}" + "".join(f"{name:>16}" for name in SETS)]
    for slice_ in dict.fromkeys(one.name for one in slices):
        there = {one.data: one for one in slices if one.name == slice_}
        cells = (f"{_marked(there[n].hit_gain)}{_marked(there[n].map_gain)}" if n in there else "" for n in SETS)
        lines.append(f"{slice_:<18}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def methods_table(methods: Sequence[Mapping[str, Gain]]) -> str:
    lines = [f"{'hit@1 and mAP':<22}" + "".join(f"{name:>16}" for name in SETS)]
    for name in METHODS:
        cells = (f"{_marked(one[name].hit_gain)}{_marked(one[name].map_gain)}" for one in methods)
        lines.append(f"{name:<22}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def _points(gain: Interval) -> str:
    return f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def _marked(gain: Interval) -> str:
    mark = "+" if gain.low > 0 else "-" if gain.high < 0 else " "
    return f"{100 * gain.value:>6.1f}{mark}"


if __name__ == "__main__":
    main()
