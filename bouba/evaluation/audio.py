"""Recordings as queries: what is said or heard in them, against the pictures, and against the same asked in writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from bouba.errors import ManifestError, MediaError
from bouba.evaluation.data import EvaluationSet
from bouba.evaluation.embeddings import Embeddings
from bouba.evaluation.listening import Recorded
from bouba.evaluation.measure import COMPARED, SLICE_METRICS, TOP, graded, measured, sliced, spread
from bouba.evaluation.metrics import METRICS, Values
from bouba.evaluation.perturb import SOUND_SLICES, SoundSlice
from bouba.evaluation.ranks import Ranks, rank_vectors
from bouba.evaluation.results import Comparison, Direction, Heard, Slice
from bouba.evaluation.uncertainty import bootstrap_interval, compare, contrast
from bouba.evaluation.words import word_errors

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.types import HeardAs

DIRECTIONS: Mapping[HeardAs, str] = {"auto": "audio_to_image", "sound": "sound_to_image", "speech": "speech_to_image"}
SLICE_RECORDINGS = 200  # at most; a slice listens to each of them once more
_SPOKEN_OF: Mapping[HeardAs, str] = {"auto": "audio", "sound": "sound", "speech": "speech"}
_IN_WRITING = {"captions": "the written captions", "names": "the written names", "topics": "the written topics"}
_TAGS = 2  # shown of a recording


def hearable(heard_as: Sequence[HeardAs], model: Model) -> list[HeardAs]:
    """Words reach every model; sounds, and the choice between the two, need a sound tower."""
    return [kind for kind in heard_as if kind == "speech" or model.hears]


def audible(data: EvaluationSet, embeddings: Embeddings, heard_as: HeardAs) -> EvaluationSet:
    """The set without recordings that cannot be used. Raises ManifestError where they are 1 % or more."""
    found = embeddings.recordings(data.recordings.paths, heard_as)
    broken = [(row, error) for row, error in enumerate(found) if isinstance(error, MediaError)]
    if not broken:
        return data
    total = len(found)
    first = "; ".join(str(error) for _, error in broken[:3])
    if len(broken) * 100 >= total:
        raise ManifestError(
            f"{data.name}: {len(broken)} of its {total} recordings cannot be used: {first}"
            f"{' ...' * (len(broken) > 3)} Under 1 % may be broken: replace them, or take out their rows."
        )
    lost = {row for row, _ in broken}
    note = f"{len(broken)} of {total} recordings cannot be used and were left out: {first}"
    kept = data.recordings.only([row for row in range(total) if row not in lost])
    return replace(data, recordings=kept, notes=(*data.notes, note))


class AudioRun:
    """One model on the recordings of one set, taken for speech, for sounds, or for what they are heard to be."""

    def __init__(self, data: EvaluationSet, embeddings: Embeddings, seed: int, heard_as: HeardAs) -> None:
        self.data, self.embeddings, self.seed, self.heard_as = data, embeddings, seed, heard_as
        self.groups = np.array(data.recordings.groups, np.int64)

    @cached_property
    def recorded(self) -> list[Recorded]:
        return self._listen(range(len(self.data.recordings)))

    def ranks(self) -> Ranks:
        return self._ranked(self.recorded, range(len(self.recorded)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was missing to listen as it should be."""
        lacking = [one.note for one in self.recorded if one.note]
        return (f"{len(lacking)} of {len(self.recorded)} recordings: {lacking[0]}",) if lacking else ()

    def direction(self, slices: bool) -> Direction:
        ranks = self.ranks()
        queries = [_shown(path.name, one) for path, one in zip(self.data.recordings.paths, self.recorded, strict=True)]
        images = list(map(str, self.data.images))
        found = measured(DIRECTIONS[self.heard_as], ranks, queries, images, self.groups, self.seed)
        in_writing, comparisons = self._in_writing(ranks)
        changed = self._slices() if slices else []
        return replace(found, slices=(*in_writing, *changed), comparisons=tuple(comparisons), heard=self._heard())

    def _listen(self, rows: Sequence[int], one: SoundSlice | None = None) -> list[Recorded]:
        paths = [self.data.recordings.paths[row] for row in rows]
        change = (f"{one.name}/{self.seed}", partial(one.apply, seed=self.seed)) if one else None
        found = []
        for recorded in self.embeddings.recordings(paths, self.heard_as, change):
            if isinstance(recorded, MediaError):  # `audible` has left those out: a file has changed meanwhile
                raise recorded
            found.append(recorded)
        return found

    def _ranked(self, recorded: Sequence[Recorded], rows: Sequence[int]) -> Ranks:
        recordings = self.data.recordings
        relevance = graded(recordings.relevant, recordings.grades, rows, len(self.data.images))
        vectors = np.stack([one.vector for one in recorded])
        return rank_vectors(vectors, self.embeddings.pictures(self.data.images), relevance, top=TOP)

    def _slices(self) -> list[Slice]:
        rows = spread(len(self.data.recordings), SLICE_RECORDINGS)
        groups = self.groups[rows]
        about = f"{len(rows):,} of the recordings, evenly spread: what the others change"
        plain = self._ranked([self.recorded[row] for row in rows], rows)
        found = [sliced("as recorded", "sound", about, plain, self.seed, groups)]
        for one in SOUND_SLICES:
            ranks = self._ranked(self._listen(rows, one), rows)
            found.append(sliced(one.name, one.group, one.about, ranks, self.seed, groups))
        return found

    def _in_writing(self, ranks: Ranks) -> tuple[list[Slice], list[Comparison]]:
        """The texts of the same rows or topics as queries. Of several texts of one recording the mean counts."""
        rows = [row for row, texts in enumerate(self.data.recordings.texts) if texts]
        if not rows:
            return [], []
        written = self._written(rows)
        groups = self.groups[rows]
        about = f"asked by the texts of {len(rows):,} of the {len(self.recorded):,} recordings instead"
        metrics = {name: bootstrap_interval(written[name], groups=groups, seed=self.seed) for name in SLICE_METRICS}
        comparisons = []
        for name in COMPARED:
            difference, p_value = compare(METRICS[name](ranks)[rows], written[name], groups=groups, seed=self.seed)
            other = _IN_WRITING[self.data.kind]
            words = contrast(name, _SPOKEN_OF[self.heard_as], other, difference, p_value)
            comparisons.append(Comparison(name, other, difference, p_value, words))
        return [Slice("in writing", "text", about, len(rows), metrics)], comparisons

    def _written(self, rows: Sequence[int]) -> dict[str, Values]:
        """A figure for each of the recordings in `rows`, asked by its texts."""
        data = self.data
        used = sorted({text for row in rows for text in data.recordings.texts[row]})
        place = {text: n for n, text in enumerate(used)}
        ranks = rank_vectors(
            self.embeddings.texts([data.texts[text] for text in used]),
            self.embeddings.pictures(data.images),
            graded(data.relevant, data.grades, used, len(data.images)),
        )
        own = [[place[text] for text in data.recordings.texts[row]] for row in rows]
        figures = {name: METRICS[name](ranks) for name in {*SLICE_METRICS, *COMPARED}}
        return {name: np.array([values[texts].mean() for texts in own]) for name, values in figures.items()}

    def _heard(self) -> Heard:
        kinds = Counter(one.kind for one in self.recorded)
        errors = words = 0
        for one, texts in zip(self.recorded, self.data.recordings.texts, strict=True):
            if one.kind != "sound":
                more = word_errors(one.transcript, [self.data.texts[text] for text in texts])
                errors, words = errors + more[0], words + more[1]
        rate = errors / words if words else None
        return Heard(kinds["speech"], kinds["sound"], kinds["both"], kinds["nothing"], rate, words)


def _shown(name: str, one: Recorded) -> str:
    """A recording as the report names it, which embeds no sound."""
    if one.kind == "nothing":
        return f"{name}: no words were recognised"
    said = [f"“{one.transcript}”"] if one.transcript else []
    tags = [f"{tag} {score:.2f}" for tag, score in one.tags[:_TAGS]] if one.kind != "speech" else []
    return f"{name}: {', '.join(said + tags)}"
