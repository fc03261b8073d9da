"""`[model] sound`: a sound tower is taught to a frozen space, by words alone or by recordings too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from bouba.encoders import load_model
from bouba.errors import TrainingError
from bouba.evaluation.data import fill
from bouba.evaluation.metrics import summary
from bouba.evaluation.ranks import Relevance, rank_vectors
from bouba.training import losses
from bouba.training.config import Check, Data, Run
from bouba.training.data.pictures import decode
from bouba.training.data.records import Record, read_records
from bouba.training.progress import Advance, counter
from bouba.training.sound.augment import augmented
from bouba.training.sound.classes import SoundClass, read_classes
from bouba.training.sound.clips import Clips, read_clips
from bouba.training.sound.network import SoundNet, pooled
from bouba.training.towers.yamnet import open_sound_tower

if TYPE_CHECKING:
    from bouba.encoders import Model
    from bouba.training.towers.yamnet import SoundTower
    from bouba.types import Vectors

Note = Callable[[str], None]
HOLD = 1.0  # of the squared distance that a class may go from its words
TEMPLATES = ("{}", "a photo of {}")
DIRECTION = "sound_to_text"


@dataclass(frozen=True, slots=True)
class Lesson:
    """The recordings of one file, and where in the space each belongs."""

    views: tuple[Clips, ...]
    targets: Tensor  # unit rows [targets, dim]
    right: tuple[tuple[int, ...], ...]  # per recording: rows of `targets`
    per_step: int


@dataclass(frozen=True, slots=True)
class Taught:
    net: SoundNet
    base: Model
    classes: list[SoundClass]  # in the tower's order
    before: dict[str, dict[str, float]]  # by words alone
    figures: dict[str, dict[str, float]]
    trained_on: tuple[dict[str, object], ...]


def teach(run: Run, note: Note, advance: Advance) -> Taught:
    """Raises TrainingError, ManifestError, ModelMissing or ModelBroken."""
    assert run.model.sound is not None
    torch.manual_seed(run.seed)
    base, tower = load_model(run.model.base), open_sound_tower(run.model.sound)
    classes = known_classes(tower)
    net = SoundNet(tower, looks(base, classes))
    exams = [_exam(check, base, tower, note, advance) for check in run.validation.sets]
    before = {exam.name: exam.figures(net) for exam in exams}
    read = [(data, _read(data, note)) for data in run.data]
    lessons = [_lesson(run, data, records, base, tower, advance) for data, records in read]
    if lessons:
        _fit(run, net, lessons, advance)
    trained_on = tuple(
        {"name": data.label, "rows": len(records), "terms": data.terms} | ({"url": data.url} if data.url else {})
        for data, records in read
    )
    return Taught(net, base, classes, before, {exam.name: exam.figures(net) for exam in exams}, trained_on)


def known_classes(tower: SoundTower) -> list[SoundClass]:
    """What is known of the tower's classes, in its order. Raises TrainingError for one that nothing is known of."""
    known = {one.name: one for one in read_classes()}
    if unknown := [name for name in tower.class_names if name not in known]:
        raise TrainingError(f"{tower.name}: nobody has written what one sees where {unknown[0]!r} is heard.")
    return [known[name] for name in tower.class_names]


def looks(base: Model, classes: Sequence[SoundClass]) -> Tensor:
    """[classes, dim]: what one sees where a class is heard, in the words of captions, as long as it counts."""
    vectors = []
    for one in classes:
        words = [fill(phrase, template) for phrase in one.seen for template in TEMPLATES]
        vectors.append(one.weight * _together(words, base) if words else np.zeros(base.dim, np.float32))
    return torch.from_numpy(np.stack(vectors).astype(np.float32))


def _read(data: Data | Check, note: Note) -> list[Record]:
    texts = data.texts if isinstance(data, Data) else ((data.text_column,) if data.text_column else ())
    records = read_records(
        data.path, text_columns=texts, split=data.split, split_column=data.split_column, root=data.image_root, note=note
    )
    heard = [record for record in records if record.audio]
    if not heard:
        raise TrainingError(f"{data.path}: none of its {len(records)} records has a recording.")
    return heard


def _lesson(
    run: Run, data: Data, records: Sequence[Record], base: Model, tower: SoundTower, advance: Advance
) -> Lesson:
    count = counter(advance, f"recordings of {data.label}", len(records) * data.views)
    views = []
    for view in range(data.views):
        change = augmented(run.seed, view) if view else lambda samples, row: samples
        views.append(read_clips(records, tower, change, count))
    texts = list(dict.fromkeys(text for record in records for text in record.texts))
    shown = [record for record in records if not record.texts]
    place = {text: row for row, text in enumerate(texts)}
    pictures = {id(record): len(texts) + row for row, record in enumerate(shown)}
    right = tuple(tuple(place[t] for t in r.texts) or (pictures[id(r)],) for r in records)
    targets = [*_worded(texts, data.templates, base), *_seen(shown, base)]
    return Lesson(tuple(views), torch.from_numpy(np.stack(targets)), right, data.per_step)


def _worded(texts: Sequence[str], templates: Sequence[str], base: Model) -> list[Vectors]:
    return [_together([fill(text, template) for template in templates], base) for text in texts]


def _together(words: Sequence[str], base: Model) -> Vectors:
    """The unit vector [dim] along the mean of several texts' vectors."""
    mean = base.encode_text(words).mean(0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _seen(records: Sequence[Record], base: Model) -> list[Vectors]:
    look, found = base.manifest.image, []
    for record in records:
        assert record.image is not None
        found.append(base.encode_pixels([decode(record.image, look.size, look.resize, look.interpolation)])[0])
    return found


def _fit(run: Run, net: SoundNet, lessons: Sequence[Lesson], advance: Advance) -> None:
    settings = run.optimiser
    scale = nn.Parameter(torch.tensor(run.loss.scale).log())
    weights = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": weights, "weight_decay": settings.weight_decay}, {"params": [scale], "weight_decay": 0.0}],
        lr=settings.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=max(settings.warmup, 1e-3)
    )
    for step in range(settings.steps):
        dice = np.random.default_rng((run.seed, step))
        parts = [_asked(net, lesson, dice) for lesson in lessons]
        heard, wanted = (torch.cat(rows) for rows in zip(*parts, strict=True))
        same = losses.masked_group_targets(_numbered(wanted))
        loss = losses.info_nce(heard, wanted, scale.exp(), targets=same) + HOLD * net.moved()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(weights, settings.clip_norm)
        optimiser.step()
        schedule.step()
        advance("steps", step + 1, settings.steps)


def _asked(net: SoundNet, lesson: Lesson, dice: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Some recordings as unit rows [n, dim], and a right answer for each [n, dim]."""
    count = len(lesson.right)
    rows = dice.permutation(count)[: lesson.per_step].tolist()
    clips = lesson.views[int(dice.integers(len(lesson.views)))]
    features, owners = clips.of(rows)
    answers = [lesson.right[row][int(dice.integers(len(lesson.right[row])))] for row in rows]
    return pooled(net.told(features)[0], owners, len(rows)), lesson.targets[answers]


def _numbered(rows: Tensor) -> Tensor:
    """Equal rows get equal numbers."""
    numbers: Tensor = torch.unique(rows, dim=0, return_inverse=True)[1]
    return numbers


@dataclass(frozen=True, slots=True)
class _Exam:
    """Which of the texts is each recording's?"""

    name: str
    clips: Clips
    texts: Tensor  # unit rows [texts, dim]
    right: tuple[tuple[int, ...], ...]

    @torch.no_grad()
    def figures(self, net: SoundNet) -> dict[str, float]:
        features, owners = self.clips.of(range(len(self.clips)))
        heard = pooled(net.told(features)[0], owners, len(self.clips))
        ranks = rank_vectors(heard.numpy(), self.texts.numpy(), Relevance.of_lists(self.right, len(self.texts)))
        return {f"{DIRECTION}.{name}": value for name, value in summary(ranks).items()}


def _exam(check: Check, base: Model, tower: SoundTower, note: Note, advance: Advance) -> _Exam:
    records = [record for record in _read(check, note) if record.texts]
    count = counter(advance, f"recordings of {check.label}, to judge by", len(records))
    clips = read_clips(records, tower, lambda samples, row: samples, count)
    texts = list(dict.fromkeys(text for record in records for text in record.texts))
    place = {text: row for row, text in enumerate(texts)}
    right = tuple(tuple(sorted(place[text] for text in record.texts)) for record in records)
    return _Exam(check.label, clips, torch.from_numpy(np.stack(_worded(texts, TEMPLATES, base))), right)
