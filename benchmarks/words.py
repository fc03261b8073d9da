"""What the words of items and of queries add: fusion with full-text search, product codes, spelling, prompts.

    python -m benchmarks.words [--model FOLDER] [--data FOLDER] [--split NAME] [--cache FOLDER] [--json]

Fusion, as a gallery searches: the pictures' cosines alone, with words by reciprocal rank (Cormack et al. 2009, k = 60)
and by the calibrated sum that galleries use; gains in points with 95 % intervals (paired; whole pictures are
resampled). Fashion items carry all but their title, which is the query; grocery items title and category; Flickr8k
items nothing but their path, then one of their own captions (the query is another), then another picture's: noise.
Codes: 50 invented ones, given to items at random; asked as written, in another form, and with one character changed.
Spelling: captions with a slip in a quarter of the longer words (`bouba.evaluation.perturb`), corrected or not.
Prompts: names and keywords in CLIP's sentences (Radford et al. 2021, section 3.1.4), averaged, against the bare word.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.sets import DEFAULT_DATA
from bouba.encoders import load_model
from bouba.evaluation.data import TEMPLATES, fill
from bouba.evaluation.embeddings import Embeddings, default_cache
from bouba.evaluation.metrics import average_precision, hit_rate_at_k
from bouba.evaluation.perturb import TEXT_SLICES
from bouba.evaluation.ranks import Relevance, rank_scores
from bouba.evaluation.results import Interval
from bouba.evaluation.uncertainty import compare
from bouba.query.spelling import Correction, corrected
from bouba.query.wording import DEPTH, Wording
from bouba.ranking import fusion
from bouba.ranking.calibration import Background
from bouba.stores import Found
from bouba.stores.lexemes import STOP_WORDS, words
from bouba.stores.memory import MemoryStore
from bouba.stores.words import Words
from bouba.types import AttributeValue, Item

if TYPE_CHECKING:
    from bouba.types import Vectors

FASHION = ("gender", "masterCategory", "subCategory", "articleType", "baseColour", "season", "usage")
RANK_K = 60
CODES = 50
QUERIES = 1_000  # of a set, at most
KEYWORD_ITEMS = (5, 150)  # pictures that a keyword is said of, in three captions or more
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Task:
    """Queries to the items of one gallery."""

    name: str
    texts: list[str]
    relevant: list[list[int]]  # rows of items
    items: list[Item]
    vectors: Vectors  # [items, dim]


@dataclass(frozen=True, slots=True)
class Gain:
    """A way of asking against another, in shares of 1."""

    task: str
    way: str
    queries: int
    hit_at_10: float  # of the plain way
    map: float
    hit_gain: Interval
    map_gain: Interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model folder; by default the built-in model")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="the folder with flickr8k/, objects/, ...")
    parser.add_argument("--split", default="val", help="val judges, train tunes")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where vectors are kept")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    embeddings = Embeddings(load_model(arguments.model), arguments.cache)
    bench = Bench(embeddings, arguments.data, arguments.split)
    report: dict[str, Any] = {
        "fusion": [gain for task in bench.tasks() for gain in fused(task, embeddings)],
        "codes": bench.codes(),
        "spelling": bench.spelling(),
        "prompts": list(bench.prompts()),
    }
    if arguments.json:
        print(json.dumps(report, indent=2, default=asdict))
        return
    codes, spelling = report["codes"], report["spelling"]
    print(table(report["fusion"]), "", sep="\n")
    print("codes, hit 1: " + ", ".join(f"{name} {n} of {CODES}" for name, n in codes.items()), "", sep="\n")
    print(table(spelling["gains"]))
    print(f"clean captions changed: {spelling['changed']:.2%}; slips mended: {spelling['mended']:.1%}, ", end="")
    print(f"changed into another word: {spelling['wrong']:.1%}", "", sep="\n")
    print(table(report["prompts"]))


class Bench:
    """The sets of one split, and one model's vectors of them."""

    def __init__(self, embeddings: Embeddings, data: Path, split: str) -> None:
        self.embeddings, self.data, self.split = embeddings, data, split
        self.captions = self._rows("flickr8k/pairs.jsonl")[:QUERIES]

    def tasks(self) -> Iterator[Task]:
        fashion, grocery = self._rows("fashion/products.jsonl"), self._rows("grocery/products.jsonl")
        yield self._named("fashion title", "fashion", fashion, "title", FASHION)
        yield self._named("grocery description", "grocery", grocery, "description", ("title", "category"))
        yield self._named("grocery title", "grocery", grocery, "title", ("title", "category"))
        yield self._named("objects, no words", "objects", self._rows("objects/labels.jsonl"), "label", ())
        for name, shift in (("paths only", None), ("own caption", 0), ("wrong caption", 1)):
            captions = [row["captions"][-1] for row in self.captions]
            said = None if shift is None else captions[shift:] + captions[:shift]
            items = [
                _item(row["image"], {} if said is None else {"caption": said[n]}) for n, row in enumerate(self.captions)
            ]
            texts = [row["captions"][0] for row in self.captions]
            own = [[n] for n in range(len(texts))]
            yield Task(f"flickr8k, {name}", texts, own, items, self._pictures("flickr8k", self.captions))

    def codes(self) -> dict[str, int]:
        """How often the item with the code is the first hit, of codes as written, in another form, and mistyped."""
        rng = np.random.default_rng(0)
        rows = self._rows("fashion/products.jsonl")
        chosen = {int(row): _code(rng) for row in rng.permutation(len(rows))[:CODES]}
        items = [_item(row["image"], {"sku": chosen[n]} if n in chosen else {}) for n, row in enumerate(rows)]
        forms = {
            "as written": list(chosen.values()),
            "in small letters without signs": [
                code.replace("-", "").replace("/", "").lower() for code in chosen.values()
            ],
            "inside a sentence": [f"please find {code.replace('-', ' ')} for me" for code in chosen.values()],
            "mistyped": [_mistyped(code, rng) for code in chosen.values()],
        }
        vectors, found = self._pictures("fashion", rows), {}
        for name, texts in forms.items():
            task = Task(name, texts, [[row] for row in chosen], items, vectors)
            first = [ranked.argmax() for ranked in calibrated(task, self.embeddings.texts(texts))]
            found[name] = sum(int(row) == own for row, own in zip(first, chosen, strict=True))
        return found

    def spelling(self) -> dict[str, Any]:
        clean = [row["captions"][0] for row in self.captions]
        (slips,) = (one for one in TEXT_SLICES if one.name == "typos")
        typed = slips.apply(clean)
        mended = [self._corrected(text) for text in typed]
        vectors = self._pictures("flickr8k", self.captions)
        own = [[n] for n in range(len(clean))]
        plain, slipped, after = (
            self.embeddings.texts(some) @ vectors.T for some in (clean, typed, [m.text for m in mended])
        )
        triples = [
            three
            for texts in zip(clean, typed, (one.text for one in mended), strict=True)
            for three in zip(*(text.split() for text in texts), strict=True)
            if three[0] != three[1]
        ]
        return {
            "gains": [
                gain("flickr8k", "with typos", plain, slipped, own),
                gain("flickr8k with typos", "corrected", slipped, after, own),
                gain("flickr8k", "typos, corrected", plain, after, own),
            ],
            "changed": float(np.mean([bool(self._corrected(text).changes) for text in clean])),
            "mended": float(np.mean([a == c for a, _, c in triples])),
            "wrong": float(np.mean([c not in (a, b) for a, b, c in triples])),
        }

    def prompts(self) -> Iterator[Gain]:
        rows = self._rows("objects/labels.jsonl")
        labels = sorted({row["label"] for row in rows})
        own = [[n for n, row in enumerate(rows) if row["label"] == label] for label in labels]
        yield from self._prompted("objects", labels, own, self._pictures("objects", rows))
        said = [Counter(w for c in row["captions"] for w in {*words(c)} - STOP_WORDS) for row in self.captions]
        often = Counter(word for counts in said for word, n in counts.items() if n >= 3)
        keywords = [word for word, n in often.items() if KEYWORD_ITEMS[0] <= n <= KEYWORD_ITEMS[1]]
        own = [[n for n, counts in enumerate(said) if counts[word] >= 3] for word in keywords]
        yield from self._prompted("flickr8k keywords", keywords, own, self._pictures("flickr8k", self.captions))

    def _prompted(self, name: str, texts: Sequence[str], own: list[list[int]], vectors: Vectors) -> Iterator[Gain]:
        bare = self.embeddings.texts(texts)
        sets = {**TEMPLATES, "photo and bare": ("{}", "a photo of a {}")}
        for prompt in ("photo", "photo and bare", "clip"):
            each = [self.embeddings.texts([fill(text, template) for text in texts]) for template in sets[prompt]]
            mean = np.mean(each, axis=0)
            mean /= np.linalg.norm(mean, axis=1, keepdims=True)
            yield gain(name, f"prompt: {prompt}", bare @ vectors.T, mean @ vectors.T, own)

    def _corrected(self, text: str) -> Correction:
        return corrected(text, self.embeddings.model.knows)

    def _named(self, name: str, folder: str, rows: list[dict[str, Any]], query: str, fields: Sequence[str]) -> Task:
        texts = list(dict.fromkeys(row[query] for row in rows))[:QUERIES]
        own = [[n for n, row in enumerate(rows) if row[query] == text] for text in texts]
        items = [_item(row["image"], {field: row[field] for field in fields if row[field]}) for row in rows]
        return Task(name, texts, own, items, self._pictures(folder, rows))

    def _pictures(self, folder: str, rows: Sequence[dict[str, Any]]) -> Vectors:
        return self.embeddings.pictures([self.data / folder / row["image"] for row in rows])

    def _rows(self, file: str) -> list[dict[str, Any]]:
        rows = map(json.loads, (self.data / file).read_text("utf-8").splitlines())
        return [row for row in rows if row["split"] == self.split]


def fused(task: Task, embeddings: Embeddings) -> Iterator[Gain]:
    """Reciprocal rank and calibrated sum against the pictures alone."""
    queries = embeddings.texts(task.texts)
    scores = np.asarray(queries @ task.vectors.T, np.float64)
    yield gain(task.name, "reciprocal rank", scores, reciprocal_ranks(task, scores), task.relevant)
    yield gain(task.name, "calibrated sum", scores, calibrated(task, queries), task.relevant)


def calibrated(task: Task, queries: Vectors) -> Scores:
    """[queries, items], ordered as the gallery orders: what it does not look at follows in the order of the cosines."""
    store, index = _gallery(task)
    number = {item.id: n for n, item in enumerate(task.items)}
    out = np.asarray(queries @ task.vectors.T, np.float64)
    for n, (row, text) in enumerate(zip(out, task.texts, strict=True)):
        if (wording := Wording.of(text, index)) is None:
            continue
        near = [Found(task.items[m], float(row[m]), task.vectors[m]) for m in np.argsort(-row)[:DEPTH]]
        for one in wording.fused(near, queries[n], Background.of(row), store, None):
            row[number[one.item.id]] = one.score
    return out


def reciprocal_ranks(task: Task, scores: Scores) -> Scores:
    _, index = _gallery(task)
    number = {item.id: n for n, item in enumerate(task.items)}
    out = 1 / (RANK_K + _ranks(scores))
    for row, text in zip(out, task.texts, strict=True):
        if (wording := Wording.of(text, index)) is not None:
            asked, ids = wording.asked, list(number)
            texts = index.texts(ids)
            counts, lengths = fusion.frequencies([texts.get(one, ("", "", "")) for one in ids], asked.words)
            weights = fusion.word_weights(asked.items, asked.texts)
            said = fusion.bm25(counts, lengths, asked.mean_length, weights)
            row += np.where(said > 0, 1 / (RANK_K + _ranks(said[None])[0]), 0)
    return out


def _gallery(task: Task) -> tuple[MemoryStore, Words]:
    store, index = MemoryStore(), Words(None)
    store.upsert(task.items, task.vectors)
    index.put(task.items)
    return store, index


def gain(
    task: str, way: str, plain: npt.NDArray[np.floating], other: npt.NDArray[np.floating], relevant: list[list[int]]
) -> Gain:
    relevance = Relevance.of_lists(relevant, plain.shape[1])
    groups = np.array([own[0] for own in relevant], np.int64)
    before, after = rank_scores(plain, relevance), rank_scores(other, relevance)
    hits, precision = hit_rate_at_k(before, 10), average_precision(before)
    return Gain(
        task,
        way,
        len(relevant),
        float(hits.mean()),
        float(precision.mean()),
        compare(hit_rate_at_k(after, 10), hits, groups)[0],
        compare(average_precision(after), precision, groups)[0],
    )


def _ranks(scores: Scores) -> Scores:
    """From 1, along rows."""
    return np.asarray((-scores).argsort(axis=1, kind="stable").argsort(axis=1) + 1.0)


def _item(path: str, attributes: dict[str, AttributeValue]) -> Item:
    return Item(path, path, 1, 1, 1, "image/jpeg", attributes=attributes)


def _code(rng: np.random.Generator) -> str:
    letters = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVWXYZ"), 3))
    return f"{letters[:2]}-{rng.integers(1000, 9999)}/{letters[2]}"


def _mistyped(code: str, rng: np.random.Generator) -> str:
    digits = [n for n, c in enumerate(code) if c.isdigit()]
    at = int(rng.choice(digits))
    return code[:at] + str((int(code[at]) + int(rng.integers(1, 10))) % 10) + code[at + 1 :]


def table(gains: Sequence[Gain]) -> str:
    lines = [f"{'':<26}{'':<24}{'queries':>8}{'hit@10':>8}{'gain':>22}{'mAP':>8}{'gain':>22}"]
    for one in gains:
        hits = f"{100 * one.hit_at_10:>8.1f}{_points(one.hit_gain):>22}"
        precision = f"{100 * one.map:>8.1f}{_points(one.map_gain):>22}"
        lines.append(f"{one.task:<26}{one.way:<24}{one.queries:>8,}{hits}{precision}")
    return "\n".join(lines)


def _points(interval: Interval) -> str:
    return f" {100 * interval.value:+.1f} ({100 * interval.low:+.1f} to {100 * interval.high:+.1f})"


if __name__ == "__main__":
    main()
