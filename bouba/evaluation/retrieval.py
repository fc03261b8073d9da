"""Runs a model over an evaluation set: encode, rank, measure, in every direction and slice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bouba.evaluation.audio import DIRECTIONS, AudioRun, audible
from bouba.evaluation.data import TEMPLATES, EvaluationSet, fill
from bouba.evaluation.embeddings import Embeddings
from bouba.evaluation.measure import COMPARED, TOP, graded, measured, sliced, spread
from bouba.evaluation.metrics import METRICS
from bouba.evaluation.perturb import PICTURE_SLICES, TEXT_SLICES, TEXT_SUBSETS, PictureSlice, TextSlice, TextSubset
from bouba.evaluation.ranks import Ranks, Relevance, rank_vectors
from bouba.evaluation.results import Comparison, Direction, Evaluation, Slice
from bouba.evaluation.uncertainty import compare, sentence

if TYPE_CHECKING:
    from bouba.types import HeardAs, Vectors

    Groups = npt.NDArray[np.int64] | None

SLICE_QUERIES = 1_000  # at most; a slice asks each of them once more
PICTURE_QUERIES = 300
_KINDS = {name: kind for kind, name in DIRECTIONS.items()}


def evaluate(
    data: EvaluationSet,
    embeddings: Embeddings,
    *,
    split: str | None = None,
    slices: bool = True,
    seed: int = 0,
    heard_as: Sequence[HeardAs] = ("auto",),
) -> Evaluation:
    """Everything about one model on one set; recordings, where the set has some, are taken for each of `heard_as`.

    Raises ManifestError for recordings that cannot be used, ModelMissing where the model cannot hear or there is no
    recogniser for what is said."""
    started = time.monotonic()
    heard_as = heard_as if len(data.recordings) else ()
    if heard_as:
        data = audible(data, embeddings, heard_as[0])
    run = _Run(data, embeddings, seed)
    model = embeddings.model
    directions = [run.text_to_image(slices), run.image_to_text()] if data.texts else []
    recorded = [run.audio(kind) for kind in heard_as]
    directions += [one.direction(slices) for one in recorded]
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
        notes=(*data.notes, *dict.fromkeys(note for one in recorded for note in one.notes)),
    )


def compared(
    ours: Evaluation, theirs: Evaluation, data: EvaluationSet, embeddings: tuple[Embeddings, Embeddings]
) -> Evaluation:
    """Our evaluation with a paired comparison against the other model in the directions that both have."""
    there = {direction.name for direction in theirs.directions}
    if kinds := [kind for kind, name in DIRECTIONS.items() if name in there]:
        data = audible(data, embeddings[0], kinds[0])
    runs = [_Run(data, one, ours.seed) for one in embeddings]
    directions, notes = [], list(ours.notes)
    for direction in ours.directions:
        if direction.name == "image_to_image" or direction.name not in there:
            directions.append(direction)
            if direction.name not in there:
                notes.append(f"{theirs.model} has no sound tower: {direction.name} is not compared")
            continue
        a, b = (run.ranks(direction.name) for run in runs)
        groups = runs[0].groups(direction.name)
        found = (_comparison(name, ours, theirs, a, b, groups) for name in COMPARED)
        directions.append(replace(direction, comparisons=(*direction.comparisons, *found)))
    return replace(ours, directions=tuple(directions), notes=tuple(notes))


def _comparison(name: str, ours: Evaluation, theirs: Evaluation, a: Ranks, b: Ranks, groups: Groups) -> Comparison:
    difference, p_value = compare(METRICS[name](a), METRICS[name](b), groups=groups, seed=ours.seed)
    words = sentence(name, ours.model, theirs.model, difference, p_value)
    return Comparison(name, theirs.model, difference, p_value, words)


class _Run:
    """One model on one set; vectors come from the cache."""

    def __init__(self, data: EvaluationSet, embeddings: Embeddings, seed: int) -> None:
        self.data, self.embeddings, self.seed = data, embeddings, seed

    def audio(self, kind: HeardAs) -> AudioRun:
        return AudioRun(self.data, self.embeddings, self.seed, kind)

    def ranks(self, direction: str) -> Ranks:
        if direction in _KINDS:
            return self.audio(_KINDS[direction]).ranks()
        texts, images = self.embeddings.texts(self.data.texts), self.embeddings.pictures(self.data.images)
        if direction == "text_to_image":
            return rank_vectors(texts, images, self._relevance(range(len(texts))), top=TOP)
        answered = self._answered_images()
        return rank_vectors(images[answered], texts, self._captions_of(answered), top=TOP)

    def groups(self, direction: str) -> Groups:
        """Captions of one picture are not independent: they are drawn together. So are recordings of one topic."""
        if direction in _KINDS:
            return self.audio(_KINDS[direction]).groups
        if direction != "text_to_image" or self.data.kind != "captions":
            return None
        return np.array([row[0] for row in self.data.relevant], np.int64)

    def text_to_image(self, slices: bool) -> Direction:
        ranks = self.ranks("text_to_image")
        direction = measured("text_to_image", ranks, self.data.texts, list(map(str, self.data.images)),
                               self.groups("text_to_image"), self.seed)  # fmt: skip
        return replace(direction, slices=tuple(self._text_slices())) if slices else direction

    def image_to_text(self) -> Direction:
        """Which of all captions belong to a picture; for class names this is zero-shot classification."""
        answered = self._answered_images()
        queries = [str(self.data.images[row]) for row in answered]
        return measured("image_to_text", self.ranks("image_to_text"), queries, self.data.texts, None, self.seed)

    def image_to_image(self) -> Direction:
        """Does a picture that was cropped, blurred, ... still find its original?"""
        rows = spread(len(self.data.images), PICTURE_QUERIES)
        paths = [self.data.images[row] for row in rows]
        originals = self.embeddings.pictures(self.data.images)
        relevance = Relevance.of_lists([[row] for row in rows], len(self.data.images))
        ranks = rank_vectors(originals[rows], originals, relevance, top=TOP)
        found = []
        for one in PICTURE_SLICES:
            changed = self.embeddings.pictures(paths, (f"{one.name}/{self.seed}", partial(one.apply, seed=self.seed)))
            found.append(self._slice(one, rank_vectors(changed, originals, relevance, top=TOP)))
        names = list(map(str, self.data.images))
        direction = measured("image_to_image", ranks, [names[row] for row in rows], names, None, self.seed)
        return replace(direction, best=(), worst=(), hubs=(), slices=tuple(found))

    def _text_slices(self) -> list[Slice]:
        rows = spread(len(self.data.texts), SLICE_QUERIES)
        texts = [self.data.texts[row] for row in rows]
        images = self.embeddings.pictures(self.data.images)
        relevance = self._relevance(rows)

        def ranked(queries: Sequence[str], relevance: Relevance = relevance) -> Ranks:
            return rank_vectors(self.embeddings.texts(queries), images, relevance, top=TOP)

        plain = ranked(texts)
        found = [sliced("as written", "text", f"{len(texts):,} of the queries, evenly spread: what the others change",
                        plain, self.seed)]  # fmt: skip
        for one in TEXT_SLICES:
            found.append(self._slice(one, ranked(one.apply(texts, self.seed))))
        if self.data.kind == "names":
            for name, templates in TEMPLATES.items():
                vectors = self._prompted(texts, templates)
                asked = rank_vectors(vectors, images, relevance, top=TOP)
                found.append(sliced(f"prompt: {name}", "prompt", f"names in {len(templates)} sentence(s), averaged: "
                                    f"{templates[0]!r}", asked, self.seed))  # fmt: skip
        for subset in TEXT_SUBSETS:
            chosen = subset.select(self.data.texts)
            if chosen:
                some = ranked([self.data.texts[row] for row in chosen], self._relevance(chosen))
                found.append(self._slice(subset, some))
        for code, language in self.data.languages.items():
            chosen = spread(len(language.texts), SLICE_QUERIES)
            relevant = Relevance.of_lists([language.relevant[row] for row in chosen], len(self.data.images))
            some = ranked([language.texts[row] for row in chosen], relevant)
            found.append(sliced(code, "language", f"captions in {code!r}, as the data has them", some, self.seed))
        return found

    def _prompted(self, names: Sequence[str], templates: Sequence[str]) -> Vectors:
        """Prompt ensemble: the mean of a name's vectors in several sentences (Radford et al. 2021)."""
        total = sum(self.embeddings.texts([fill(name, template) for name in names]) for template in templates)
        return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float32)

    def _slice(self, one: TextSlice | TextSubset | PictureSlice, ranks: Ranks) -> Slice:
        return sliced(one.name, one.group, one.about, ranks, self.seed)

    def _relevance(self, texts: Sequence[int]) -> Relevance:
        return graded(self.data.relevant, self.data.grades, texts, len(self.data.images))

    def _answered_images(self) -> list[int]:
        return sorted({row for rows in self.data.relevant for row in rows})

    def _captions_of(self, images: Sequence[int]) -> Relevance:
        owned: dict[int, list[int]] = {row: [] for row in images}
        for text, rows in enumerate(self.data.relevant):
            for row in rows:
                owned[row].append(text)
        return Relevance.of_lists([owned[row] for row in images], len(self.data.texts))
