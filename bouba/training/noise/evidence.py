"""What speaks for a pair: numbers that compare it with what it might have been.

Each is the log of exp(sharpness x cosine) over the mean of the same for other texts, or for other pictures: how far the
pair stands above chance, whatever texts or pictures fit everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bouba.errors import TrainingError
from bouba.training.noise.canonical import Canonical
from bouba.training.noise.pairs import Doubles, Floats, Ints, PairSet
from bouba.training.noise.siblings import sibling_evidence, sibling_table, without

ANCHORS = 1024  # other texts, and other pictures, that stand for all of them
SHARPNESS = 2.0  # standard deviations of a chance cosine count e-fold
SIBLINGS_FROM = 0.05  # share of pictures with a second text (texts with a second picture)


@dataclass(frozen=True, slots=True)
class Space:
    """Unit rows of all pictures and all texts in one space."""

    images: Floats
    texts: Floats


def spaces_of(pairs: PairSet, images: Floats, texts: Floats, canonical: Canonical) -> list[Space]:
    """The space fitted to other pictures' pairs, and the set's own where it has one."""
    fitted = Space(canonical.images(images), canonical.texts(texts))
    return [fitted, Space(pairs.images, pairs.texts)] if pairs.shared else [fitted]


class Witness:
    """Answers for combinations within some of the set's pairs: the picture of one with the text of another."""

    def __init__(self, pairs: PairSet, rows: Ints, spaces: Sequence[Space], trust: Doubles, seed: int) -> None:
        """`rows`: pairs whose pictures none of the fitted `spaces` has seen; `trust` [all pairs] weighs siblings."""
        self.pairs, self.trust = pairs, trust
        rng = np.random.default_rng(seed)
        self._by_image, self._by_text = sibling_table(pairs.image, rng), sibling_table(pairs.text, rng)
        self._unshared = np.bincount(pairs.text, minlength=len(pairs.texts)) == 1
        images, texts = np.unique(pairs.image[rows]), np.unique(pairs.text[rows])
        some_images, some_texts = _some(images, rng), _some(texts, rng)
        self._across = [
            Across(
                space,
                Usual(space.images, images, space.texts, some_texts),
                Usual(space.texts, texts, space.images, some_images),
            )
            for space in spaces
        ]
        self._among_texts = [Usual(space.texts, texts, space.texts, some_texts) for space in spaces]
        self._among_images = [Usual(space.images, images, space.images, some_images) for space in spaces]

    def __call__(self, picture_of: Ints, text_of: Ints) -> Doubles:
        """Evidence [k, kinds] for the picture of pairs [k] with the text of pairs [k], all of them of `rows`.

        A real pair and a mismatched one must be asked alike: what is left out of one is left out of the other."""
        images, texts = self.pairs.image[picture_of], self.pairs.text[text_of]
        leave_texts = texts, np.where(self._unshared[self.pairs.text[picture_of]], self.pairs.text[picture_of], -1)
        leave_images = images, self.pairs.image[text_of]
        columns: list[Doubles] = []
        for across in self._across:
            cosine = across.sharpness * across.cosines(images, texts)
            columns += [cosine - np.log(across.by_image(images, *leave_texts))]
            columns += [cosine - np.log(across.by_text(texts, *leave_images))]
        if _common(self._by_image):
            siblings = without(self._by_image[images], picture_of)
            leave_out = texts, *self._sisters(text_of)
            columns += [
                sibling_evidence(
                    usual.rows, texts, siblings, self.pairs.text, self.trust, usual.sharpness, usual(texts, *leave_out)
                )
                for usual in self._among_texts
            ]
        if _common(self._by_text):
            siblings = without(self._by_text[texts], text_of)
            columns += [
                sibling_evidence(
                    usual.rows, images, siblings, self.pairs.image, self.trust, usual.sharpness, usual(images, images)
                )
                for usual in self._among_images
            ]
        return np.stack(columns, axis=1)

    def _sisters(self, rows: Ints) -> list[Ints]:
        """The other texts of the pictures of pairs [k], one list [k] for each, -1 for none.

        A text resembles them, which says nothing of how alike texts usually are."""
        others = without(self._by_image[self.pairs.image[rows]], rows)
        return [np.where(column >= 0, self.pairs.text[column], -1) for column in others.T]


class Usual:
    """Mean of exp(sharpness x cosine) of rows to anchors, rows of the same or the other kind."""

    def __init__(self, rows: Floats, some: Ints, others: Floats, anchors: Ints) -> None:
        """`some`: the sorted rows that may be asked for; `anchors`: sorted rows of `others`."""
        self.rows, self._others, self._some, self._anchors = rows, others, some, anchors
        self.sharpness = sharpness(rows[some], others[anchors])
        powers = rows[some] @ others[anchors].T
        np.exp(np.multiply(powers, self.sharpness, out=powers), out=powers)
        self._sums = powers.sum(1, dtype=np.float64)

    def __call__(self, rows: Ints, *left_out: Ints) -> Doubles:
        """[k] of rows [k]; each `left_out` [k] names an anchor that does not count, -1 for none."""
        sums, counts = self._sums[np.searchsorted(self._some, rows)], np.full(len(rows), float(len(self._anchors)))
        for number, out in enumerate(left_out):
            inside = self._anchors[np.searchsorted(self._anchors, out).clip(max=len(self._anchors) - 1)] == out
            for before in left_out[:number]:
                inside &= before != out
            cosine = np.einsum("nd,nd->n", self.rows[rows], self._others[out])
            sums = sums - inside * np.exp(self.sharpness * cosine)
            counts -= inside
        return np.asarray((sums.clip(min=0) + 1e-3) / (counts + 1e-3))  # nobody is left in the tiniest sets only


@dataclass(frozen=True, slots=True)
class Across:
    """Picture against text in one space, asked both ways."""

    space: Space
    by_image: Usual
    by_text: Usual

    @property
    def sharpness(self) -> float:
        return self.by_image.sharpness

    def cosines(self, images: Ints, texts: Ints) -> Doubles:
        return np.asarray(np.einsum("nd,nd->n", self.space.images[images], self.space.texts[texts]), np.float64)


def mismatched(pairs: PairSet, rows: Ints, times: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Combinations of pairs [k], [k]: a picture with a text of another one, up to `times` for every pair of `rows`.

    Raises TrainingError where there are none."""
    picture_of = np.tile(rows, times)
    text_of = rng.choice(rows, len(picture_of))
    for _ in range(20):
        linked = pairs.linked(pairs.image[picture_of], pairs.text[text_of])
        if not linked.any():
            break
        text_of[linked] = rng.choice(rows, int(linked.sum()))
    apart = ~pairs.linked(pairs.image[picture_of], pairs.text[text_of])
    if not apart.any():
        raise TrainingError("Every picture stands with every text: no pair can be told to be wrong.")
    return picture_of[apart], text_of[apart]


def _some(rows: Ints, rng: np.random.Generator) -> Ints:
    return np.sort(rng.permutation(rows)[:ANCHORS])


def _common(siblings: Ints) -> bool:
    """Whether enough have a sibling that it is worth asking them."""
    return siblings.shape[1] > 1 and float((siblings[siblings[:, 0] >= 0, 1] >= 0).mean()) >= SIBLINGS_FROM


def sharpness(rows: Floats, others: Floats) -> float:
    spread = float((rows[:256] @ others[-256:].T).std())
    return SHARPNESS / max(spread, 0.03)  # the exponential of more would leave float32
