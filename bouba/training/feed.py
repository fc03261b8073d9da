"""Batches of pairs: any step's batch follows from the seed and the step alone, so that a resumed run sees the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bouba.evaluation.data import fill
from bouba.training.config import Data, Run
from bouba.training.data.augment import Augment, preset
from bouba.training.data.pictures import decode_view
from bouba.training.data.records import Record
from bouba.training.data.sampler import Sampler
from bouba.training.data.texts import TextVariety, varied
from bouba.training.distributed import World
from bouba.training.features import Features, FrozenImages, image_features, text_features
from bouba.training.learner import Look, Sides
from bouba.training.progress import Advance, counter

if TYPE_CHECKING:
    from bouba.types import Pixels


@dataclass(frozen=True, slots=True)
class Source:
    """The pairs of one file, and what the frozen part says of its pictures."""

    settings: Data
    records: tuple[Record, ...]
    texts: tuple[tuple[str, ...], ...]  # of every record, templates filled
    groups: npt.NDArray[np.int64]  # [n], distinct over all sources
    views: tuple[Features, ...]  # one for every version of the pictures; none: pixels are read as they are needed
    first_pair: npt.NDArray[np.int64]  # [n]: the number of every record's first (picture, text) pair in the run

    @property
    def pairs(self) -> int:
        return sum(map(len, self.texts))


@dataclass(frozen=True, slots=True)
class Batch:
    """n pairs. What has to be encoded may be the share of one process; the rest is about all n."""

    images: Tensor  # features float32 [share, ...] or pixels uint8 [share, size, size, 3]
    texts: tuple[Tensor, ...]  # features [share, width], or ids and mask [share, t]
    groups: Tensor  # int64 [n]: pairs of one group are not held against each other
    wordings: Tensor  # int64 [n]: nor are those with the same text
    pairs: Tensor  # int64 [n]: numbers of the pairs in the run
    pictures: Tensor  # int64 [n]: numbers of the pictures in the run


def open_source(
    run: Run,
    settings: Data,
    records: Sequence[Record],
    sides: Sides,
    cache: Path,
    first: tuple[int, int],
    advance: Callable[[int], None],
) -> Source:
    """`first`: the numbers of groups and of pairs that other sources have used."""
    texts = tuple(tuple(fill(t, template) for t in r.texts for template in settings.templates) for r in records)
    names = {name: number for number, name in enumerate(dict.fromkeys(r.group or r.item for r in records))}
    groups = np.array([first[0] + names[r.group or r.item] for r in records])
    counts = np.cumsum([0, *map(len, texts)])[:-1] + first[1]
    views: tuple[Features, ...] = ()
    if sides.frozen_images is not None:
        pictures = [record.image for record in records if record.image]
        views = tuple(
            image_features(
                sides.frozen_images, pictures, _pixels(run, settings, records, sides, view), cache,
                f"{augment_of(settings, view)!r} seed {run.seed} view {view}", advance,
            )
            for view in range(settings.views)
        )  # fmt: skip
    return Source(settings, tuple(records), texts, groups, views, counts)


def plain_features(
    run: Run, settings: Data, records: Sequence[Record], sides: Sides, frozen: FrozenImages, cache: Path,
    advance: Callable[[int], None],
) -> Features:  # fmt: skip
    """What `frozen` says of the pictures as they are."""
    pictures = [record.image for record in records if record.image]
    return image_features(frozen, pictures, _pixels(run, settings, records, sides, 0), cache, "plain", advance)


def augment_of(settings: Data, view: int) -> Augment:
    """The first view is the picture as it is, the second its mirror image where that is allowed."""
    if view == 0 or (view == 1 and settings.mirror):
        return Augment(mirror=view == 1)
    return preset(settings.augment, mirror=settings.mirror)


def _pixels(run: Run, settings: Data, records: Sequence[Record], sides: Sides, view: int) -> Callable[[int], Pixels]:
    augment, look = augment_of(settings, view), sides.look

    def read(row: int) -> Pixels:
        return _view(records[row], augment, look, run.seed, view)

    return read


def _view(record: Record, augment: Augment, look: Look, seed: int, view: int) -> Pixels:
    assert record.image is not None, "only records with a picture are kept"
    augment = augment.for_texts(record.texts)
    return decode_view(
        record.image, look.size, look.resize, look.interpolation, augment, seed=seed, key=record.image.name, view=view
    )


class Feed:
    """Draws batches from all sources in fixed shares."""

    def __init__(self, run: Run, sources: Sequence[Source], sides: Sides, cache: Path, advance: Advance) -> None:
        self.sources = tuple(sources)
        self._run, self._sides = run, sides
        sizes, shares = [len(s.records) for s in sources], [s.settings.per_step for s in sources]
        self.first_picture = [sum(sizes[:number]) for number in range(len(sizes))]
        self.sampler = Sampler(sizes, shares, run.seed)
        self._wordings = {t: n for n, t in enumerate(dict.fromkeys(t for s in sources for ts in s.texts for t in ts))}
        self._all_texts = list(self._wordings)
        self._map = map if sides.frozen_images else ThreadPoolExecutor(run.threads or os.cpu_count()).map
        self._texts: npt.NDArray[np.float32] | None = None
        if sides.frozen_texts is not None:
            count = counter(advance, "texts", len(self._all_texts))
            self._texts = text_features(sides.frozen_texts, self._all_texts, cache, count)

    @property
    def pairs(self) -> int:
        return sum(source.pairs for source in self.sources)

    def batch(self, step: int, world: World) -> Batch:
        drawn = [self._draw(number, rows, step) for number, rows in enumerate(self.sampler.batch(step))]
        pairs = [pair for part in drawn for pair in part]
        mine = pairs[world.share(len(pairs))]
        images = self._map(lambda pair: self._image(pair, step), mine)
        return Batch(
            torch.from_numpy(np.stack(list(images))),
            self._worded(mine, step),
            torch.tensor([int(self.sources[p.source].groups[p.row]) for p in pairs]),
            torch.tensor([pair.wording for pair in pairs]),
            torch.tensor([pair.number for pair in pairs]),
            torch.tensor([self.first_picture[p.source] + p.row for p in pairs]),
        )

    def _draw(self, number: int, rows: npt.NDArray[np.int64], step: int) -> list[_Drawn]:
        """One text and one view for each of a source's rows."""
        source = self.sources[number]
        dice = np.random.default_rng((self._run.seed, step, number)).integers(1 << 30, size=(2, len(rows)))
        drawn = []
        for row, text, view in zip(rows.tolist(), *dice.tolist(), strict=True):
            choice = text % len(source.texts[row])
            wording = self._wordings[source.texts[row][choice]]
            drawn.append(_Drawn(number, row, wording, int(source.first_pair[row]) + choice, view))
        return drawn

    def _worded(self, pairs: Sequence[_Drawn], step: int) -> tuple[Tensor, ...]:
        """The pairs' texts as the live part takes them."""
        if self._texts is not None:
            return (torch.from_numpy(self._texts[[pair.wording for pair in pairs]]),)
        assert self._sides.tokenise is not None
        settings = [source.settings for source in self.sources]
        forms = [TextVariety(each.keywords, each.lower_case) for each in settings]
        texts = [varied(self._all_texts[p.wording], forms[p.source], seed=self._run.seed, view=step) for p in pairs]
        return self._sides.tokenise(texts)

    def _image(self, pair: _Drawn, step: int) -> npt.NDArray[np.float32] | Pixels:
        source = self.sources[pair.source]
        if source.views:
            return np.asarray(source.views[pair.view % len(source.views)][pair.row], np.float32)
        augment = preset(source.settings.augment, mirror=source.settings.mirror)
        return _view(source.records[pair.row], augment, self._sides.look, self._run.seed, step)


@dataclass(frozen=True, slots=True)
class _Drawn:
    source: int
    row: int
    wording: int
    number: int  # of the pair in the run
    view: int
