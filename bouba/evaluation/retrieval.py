"""Runs a model over an evaluation set: encode, rank, measure, in every direction and slice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bouba.evaluation.data import TEMPLATES, EvaluationSet, fill
from bouba.evaluation.embeddings import Embeddings
from bouba.evaluation.metrics import METRICS, first_rank, hit_rate_at_k, statistic_of
from bouba.evaluation.perturb import PICTURE_SLICES, TEXT_SLICES, TEXT_SUBSETS, PictureSlice, TextSlice, TextSubset
from bouba.evaluation.ranks import Ranks, Relevance, rank_vectors
from bouba.evaluation.results import Comparison, Direction, Evaluation, Example, Hub, Interval, Shown, Slice
from bouba.evaluation.uncertainty import bootstrap_interval, compare, sentence

if TYPE_CHECKING:
    from bouba.types import Vectors

    PerQuery = npt.NDArray[np.float64]
    Groups = npt.NDArray[np.int64] | None

SLICE_QUERIES = 1_000  # at most; a slice asks each of them once more
PICTURE_QUERIES = 300
SLICE_METRICS = ("hit_rate@1", "hit_rate@10", "mAP")
COMPARED = ("hit_rate@1", "hit_rate@10", "mAP")
CURVE_KS = (1, 2, 3, 5, 10, 20, 50, 100)
EXAMPLES = 6
HUBS = 8
TOP = 10


def evaluate(
    data: EvaluationSet, embeddings: Embeddings, *, split: str | None = None, slices: bool = True, seed: int = 0
) -> Evaluation:
    """Everything about one model on one set."""
    started = time.monotonic()
    run = _Run(data, embeddings, seed)
    model = embeddings.model
    directions = [run.text_to_image(slices), run.image_to_text()]
    if slices:
        directions.append(run.image_to_image())
    return Evaluation(
        model=f"{model.name} {model.version}",
        fingerprint=model.fingerprint,
        data=data.name,
        split=split,
        seed=seed,
        directions=tuple(directions),
        seconds=time.monotonic() - started,
        notes=data.notes,
    )


def compared(
    ours: Evaluation, theirs: Evaluation, data: EvaluationSet, embeddings: tuple[Embeddings, Embeddings]
) -> Evaluation:
    """Our evaluation with a paired comparison against the other model in both directions."""
    runs = [_Run(data, one, ours.seed) for one in embeddings]
    directions = []
    for direction in ours.directions:
        if direction.name not in ("text_to_image", "image_to_text"):
            directions.append(direction)
            continue
        a, b = (run.ranks(direction.name) for run in runs)
        groups = runs[0].groups(direction.name)
        found = tuple(_comparison(name, ours, theirs, a, b, groups) for name in COMPARED)
        directions.append(replace(direction, comparisons=found))
    return replace(ours, directions=tuple(directions))


def _comparison(name: str, ours: Evaluation, theirs: Evaluation, a: Ranks, b: Ranks, groups: Groups) -> Comparison:
    difference, p_value = compare(METRICS[name](a), METRICS[name](b), groups=groups, seed=ours.seed)
    words = sentence(name, ours.model, theirs.model, difference, p_value)
    return Comparison(name, theirs.model, difference, p_value, words)


class _Run:
    """One model on one set; vectors come from the cache."""

    def __init__(self, data: EvaluationSet, embeddings: Embeddings, seed: int) -> None:
        self.data, self.embeddings, self.seed = data, embeddings, seed
        self.relevance = _relevance(data, range(len(data.texts)))

    def ranks(self, direction: str) -> Ranks:
        texts, images = self.embeddings.texts(self.data.texts), self.embeddings.pictures(self.data.images)
        if direction == "text_to_image":
            return rank_vectors(texts, images, self.relevance, top=TOP)
        answered = self._answered_images()
        return rank_vectors(images[answered], texts, self._captions_of(answered), top=TOP)

    def groups(self, direction: str) -> Groups:
        """Captions of one picture are not independent: they are drawn together."""
        if direction != "text_to_image" or self.data.kind != "captions":
            return None
        return np.array([row[0] for row in self.data.relevant], np.int64)

    def text_to_image(self, slices: bool) -> Direction:
        ranks = self.ranks("text_to_image")
        direction = _direction("text_to_image", ranks, self.data.texts, list(map(str, self.data.images)),
                               self.groups("text_to_image"), self.seed)  # fmt: skip
        return replace(direction, slices=tuple(self._text_slices())) if slices else direction

    def image_to_text(self) -> Direction:
        """Which of all captions belong to a picture; for class names this is zero-shot classification."""
        answered = self._answered_images()
        queries = [str(self.data.images[row]) for row in answered]
        return _direction("image_to_text", self.ranks("image_to_text"), queries, self.data.texts, None, self.seed)

    def image_to_image(self) -> Direction:
        """Does a picture that was cropped, blurred, ... still find its original?"""
        rows = _spread(len(self.data.images), PICTURE_QUERIES)
        paths = [self.data.images[row] for row in rows]
        originals = self.embeddings.pictures(self.data.images)
        relevance = Relevance.of_lists([[row] for row in rows], len(self.data.images))
        ranks = rank_vectors(originals[rows], originals, relevance, top=TOP)
        found = []
        for one in PICTURE_SLICES:
            changed = self.embeddings.pictures(paths, (f"{one.name}/{self.seed}", partial(one.apply, seed=self.seed)))
            found.append(self._slice(one, rank_vectors(changed, originals, relevance, top=TOP)))
        names = list(map(str, self.data.images))
        direction = _direction("image_to_image", ranks, [names[row] for row in rows], names, None, self.seed)
        return replace(direction, best=(), worst=(), hubs=(), slices=tuple(found))

    def _text_slices(self) -> list[Slice]:
        rows = _spread(len(self.data.texts), SLICE_QUERIES)
        texts = [self.data.texts[row] for row in rows]
        images = self.embeddings.pictures(self.data.images)
        relevance = _relevance(self.data, rows)

        def ranked(queries: Sequence[str], relevance: Relevance = relevance) -> Ranks:
            return rank_vectors(self.embeddings.texts(queries), images, relevance, top=TOP)

        plain = ranked(texts)
        found = [_slice("as written", "text", f"{len(texts):,} of the queries, evenly spread: what the others change",
                        plain, self.seed)]  # fmt: skip
        for one in TEXT_SLICES:
            found.append(self._slice(one, ranked(one.apply(texts, self.seed))))
        if self.data.kind == "names":
            for name, templates in TEMPLATES.items():
                vectors = self._prompted(texts, templates)
                asked = rank_vectors(vectors, images, relevance, top=TOP)
                found.append(_slice(f"prompt: {name}", "prompt", f"names in {len(templates)} sentence(s), averaged: "
                                    f"{templates[0]!r}", asked, self.seed))  # fmt: skip
        for subset in TEXT_SUBSETS:
            chosen = subset.select(self.data.texts)
            if chosen:
                some = ranked([self.data.texts[row] for row in chosen], _relevance(self.data, chosen))
                found.append(self._slice(subset, some))
        for code, language in self.data.languages.items():
            chosen = _spread(len(language.texts), SLICE_QUERIES)
            relevant = Relevance.of_lists([language.relevant[row] for row in chosen], len(self.data.images))
            some = ranked([language.texts[row] for row in chosen], relevant)
            found.append(_slice(code, "language", f"captions in {code!r}, as the data has them", some, self.seed))
        return found

    def _prompted(self, names: Sequence[str], templates: Sequence[str]) -> Vectors:
        """Prompt ensemble: the mean of a name's vectors in several sentences (Radford et al. 2021)."""
        total = sum(self.embeddings.texts([fill(name, template) for name in names]) for template in templates)
        return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float32)

    def _slice(self, one: TextSlice | TextSubset | PictureSlice, ranks: Ranks) -> Slice:
        return _slice(one.name, one.group, one.about, ranks, self.seed)

    def _answered_images(self) -> list[int]:
        return sorted({row for rows in self.data.relevant for row in rows})

    def _captions_of(self, images: Sequence[int]) -> Relevance:
        owned: dict[int, list[int]] = {row: [] for row in images}
        for text, rows in enumerate(self.data.relevant):
            for row in rows:
                owned[row].append(text)
        return Relevance.of_lists([owned[row] for row in images], len(self.data.texts))


def _direction(
    name: str, ranks: Ranks, queries: Sequence[str], items: Sequence[str], groups: Groups, seed: int
) -> Direction:
    first = first_rank(ranks)
    order = np.argsort(first, kind="stable")
    return Direction(
        name=name,
        queries=len(queries),
        items=len(items),
        metrics=_figures(ranks, tuple(METRICS), groups, seed),
        hit_curve=tuple((k, float(hit_rate_at_k(ranks, k).mean())) for k in CURVE_KS if k <= len(items)),
        best=tuple(_example(ranks, int(row), queries, items, first) for row in order[:EXAMPLES]),
        worst=tuple(_example(ranks, int(row), queries, items, first) for row in order[::-1][:EXAMPLES]),
        hubs=_hubs(ranks, items),
    )


def _figures(ranks: Ranks, names: Sequence[str], groups: Groups, seed: int) -> dict[str, Interval]:
    return {
        name: bootstrap_interval(METRICS[name](ranks), statistic=statistic_of(name), groups=groups, seed=seed)
        for name in names
    }


def _slice(name: str, group: str, about: str, ranks: Ranks, seed: int) -> Slice:
    return Slice(name, group, about, ranks.relevance.queries, _figures(ranks, SLICE_METRICS, None, seed))


def _relevance(data: EvaluationSet, rows: Sequence[int]) -> Relevance:
    """Relevance of some of the texts, with its grades."""
    query = [n for n, row in enumerate(rows) for _ in data.relevant[row]]
    item = [image for row in rows for image in data.relevant[row]]
    grade = [grade for row in rows for grade in data.grades[row]]
    return Relevance.of_entries(query, item, grade, (len(rows), len(data.images)))


def _example(ranks: Ranks, row: int, queries: Sequence[str], items: Sequence[str], first: PerQuery) -> Example:
    start, end = ranks.relevance.starts[row : row + 2]
    relevant = set(ranks.relevance.items[start:end].tolist())
    shown = tuple(
        Shown(items[item], float(score), int(item) in relevant)
        for item, score in zip(ranks.top[row, :5], ranks.top_scores[row, :5], strict=True)
    )
    return Example(queries[row], int(first[row]), items[min(relevant)], shown)


def _hubs(ranks: Ranks, items: Sequence[str]) -> tuple[Hub, ...]:
    """Items that are among the first ten of far more queries than their share (Radovanovic et al. 2010)."""
    counts = np.bincount(ranks.top.ravel(), minlength=len(items))
    expected = ranks.top.size / len(items)
    order = np.argsort(-counts, kind="stable")[:HUBS]
    return tuple(Hub(items[int(n)], int(counts[n]), expected) for n in order if counts[n] > 2 * expected)


def _spread(count: int, most: int) -> list[int]:
    """At most `most` row numbers, evenly spaced."""
    return list(range(count)) if count <= most else [int(n) for n in np.linspace(0, count - 1, most).round()]
