"""`train(run)`: a typed run in, a model folder out."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bouba.errors import TrainingError
from bouba.training import checkpoint, distributed, guard
from bouba.training.calibrate import calibrate
from bouba.training.checkpoint import Progress
from bouba.training.config import Run
from bouba.training.curves import draw_curves
from bouba.training.dual import DualEncoder, Head
from bouba.training.export.place import refuse_strangers
from bouba.training.features import text_features
from bouba.training.feed import Feed, Source, open_source, plain_features
from bouba.training.finish import write_folder
from bouba.training.judge import BATCH, Embed, Exam, known_metric, open_exam
from bouba.training.learner import Sides, frozen_classifier, frozen_towers, open_sides
from bouba.training.loop import Log, Task, Trained, fit
from bouba.training.noise import estimate_trust
from bouba.training.pairs import Pairs, read_pairs, usable
from bouba.training.precision import autocast
from bouba.training.progress import Advance, counter
from bouba.training.sound.folder import Told, with_sound
from bouba.training.sound.teach import DIRECTION, teach
from bouba.training.step import Knowledge
from bouba.training.towers import ImageClassifier

if TYPE_CHECKING:
    from bouba.types import Vectors

SAMPLE = 1000  # pairs from which new heads learn the scale of their inputs


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave."""

    folder: Path
    step: int  # the best check
    figures: dict[str, dict[str, float]]  # of the exported weights, per set: "text_to_image.hit_rate@10"
    before: dict[str, dict[str, float]]  # of the model that the run began with; empty where it knew nothing
    share: float | None  # of the way from the old model to the new one that the guard allowed; none: nothing to guard


def work_folder(run: Run) -> Path:
    """Log, checkpoint, cached features and curves of a run: beside the model folder that it will write."""
    return run.out.with_name(f"{run.out.name}.run")


def train(
    run: Run,
    *,
    restart: bool = False,
    note: Callable[[str], None] = lambda text: None,
    advance: Advance = lambda what, done, total: None,
) -> Outcome:
    """Trains, guards and exports; a run that was killed goes on where it was, with the same result.

    Raises TrainingError, ManifestError, MediaError, ModelMissing or ModelBroken."""
    refuse_strangers(run.out)
    if run.model.sound is not None:
        return _taught(run, note, advance)
    known_metric(run.validation.metric)
    work = work_folder(run)
    cache = work / "cache"
    world = distributed.start()
    try:
        _check_machine(run, world)
        _make(work, restart)
        threads = run.threads or os.cpu_count() or 1
        torch.set_num_threads(threads)
        torch.manual_seed(run.seed)
        sides = open_sides(run, work, threads)
        if world.rank:  # the first process fills the cache that all of them read, and tells what it finds
            distributed.wait()
            note, advance = lambda text: None, lambda what, done, total: None
        pairs = read_pairs(run, note)
        identity = checkpoint.identity(run, pairs.digest())
        progress = checkpoint.load(work / "checkpoint.pt", identity) or Progress()
        pairs = usable(pairs, run, cache, note, advance)
        sources = _sources(run, pairs, sides, cache, advance)
        classes = _classes(run, sources, sides, work, threads, advance)
        trust = _trust(run, sources, sides, work, threads, advance)
        feed = Feed(run, sources, sides, cache, advance)
        own, general = _exams(pairs, sides, cache, advance)
        if not world.rank:
            distributed.wait()
        if not progress.step and not run.model.start:
            _standardise(sides, feed)
        log = Log(work / "log.jsonl", progress.step) if world.rank == 0 else None
        task = Task(
            run, sides, feed, [*own, *general], Knowledge(trust, classes), world, work / "checkpoint.pt", identity
        )
        trained = fit(task, progress, _sayer(run, log, advance))
        share, figures, before = _guarded(run, sides, trained, own, general, world.device)
        if world.rank == 0:
            write_folder(run, sides, sources, trained.dual, {"best step": trained.step, "validation": _shown(figures)})
            sets = calibrate(run.out, pairs, note, known=_known_queries(sides, trained.dual))
            figures = {one.questions.name: one.figures() for one in sets}
            draw_curves(work / "log.jsonl", work / "curves.png", run.validation.metric)
        return Outcome(run.out, trained.step, figures, before, share)
    finally:
        distributed.stop()


def _taught(run: Run, note: Callable[[str], None], advance: Advance) -> Outcome:
    """A sound tower takes minutes: there is nothing to go on with."""
    torch.set_num_threads(run.threads or os.cpu_count() or 1)
    taught = teach(run, note, advance)
    figures = {"validation": _heard(taught.figures), "by words alone": _heard(taught.before)}
    told = Told(run.name, run.version, run.licence, taught.trained_on, figures)
    with_sound(taught.base, taught.net, taught.classes, run.out, told, run.export.precision)
    return Outcome(run.out, run.optimiser.steps if run.data else 0, taught.figures, taught.before, None)


def _check_machine(run: Run, world: distributed.World) -> None:
    autocast(world.device, run.optimiser.precision)
    pairs = sum(data.per_step for data in run.data)
    if pairs < world.size:
        raise TrainingError(f"{pairs} pairs a step cannot be shared by {world.size} processes. Raise per_step.")


def _make(work: Path, restart: bool) -> None:
    try:
        work.mkdir(parents=True, exist_ok=True)
        if restart:
            for name in ("checkpoint.pt", "log.jsonl"):
                (work / name).unlink(missing_ok=True)
        free = shutil.disk_usage(work).free
    except OSError as error:
        raise TrainingError(f"{work} cannot be made: {error.strerror}.") from error
    if free < 100 << 20:
        raise TrainingError(f"{work}: {free >> 20} MB are free, and a run needs at least 100 MB.")


def _sources(run: Run, pairs: Pairs, sides: Sides, cache: Path, advance: Advance) -> list[Source]:
    sources: list[Source] = []
    for settings, records in pairs.train:
        groups, first = (sum(len(s.records) for s in sources), sum(s.pairs for s in sources))
        count = counter(advance, f"pictures of {settings.label}", len(records) * settings.views)
        sources.append(open_source(run, settings, records, sides, cache, (groups, first), count))
    return sources


def _classes(
    run: Run, sources: list[Source], sides: Sides, work: Path, threads: int, advance: Advance
) -> Tensor | None:
    """What the pretrained classifier says of every picture: float16 logits [pictures, classes]."""
    if run.labels is None or not isinstance(sides.image_tower, ImageClassifier):
        return None
    if not sides.image_tower.classifier.weight.requires_grad:  # nor does anything before it change
        return None
    classifier = frozen_classifier(sides.image_tower, work, threads)
    blocks = []
    for source in sources:
        count = counter(advance, f"classes of {source.settings.label}", len(source.records))
        blocks.append(plain_features(run, source.settings, source.records, sides, classifier, work / "cache", count))
    return torch.from_numpy(np.concatenate(blocks))


def _trust(run: Run, sources: list[Source], sides: Sides, work: Path, threads: int, advance: Advance) -> Tensor | None:
    """How likely each pair is right, by towers that have not been trained on it: [pairs]."""
    if run.noise.method == "none":
        return None
    images, texts = frozen_towers(sides, work, threads)
    trust = []
    for source in sources:
        wordings = {text: row for row, text in enumerate(dict.fromkeys(t for ts in source.texts for t in ts))}
        count = counter(advance, f"doubts about {source.settings.label}", len(source.records) + len(wordings))
        pictures = plain_features(run, source.settings, source.records, sides, images, work / "cache", count)
        words = text_features(texts, list(wordings), work / "cache", count)
        pairs = np.array([(row, wordings[text]) for row, own in enumerate(source.texts) for text in own])
        shared = sides.image_tower is None or run.model.dual is not None
        trust.append(estimate_trust(np.asarray(pictures, np.float32), words, pairs, shared=shared, seed=run.seed))
    return torch.from_numpy(np.concatenate(trust)).float()


def _exams(pairs: Pairs, sides: Sides, cache: Path, advance: Advance) -> tuple[list[Exam], list[Exam]]:
    """Those that the run is judged by, and the general ones."""
    asked = [*pairs.own, *pairs.general]
    count = counter(advance, "validation", sum(len(q.pictures) + len(set(q.texts)) for q in asked))
    exams = [open_exam(questions, sides, cache, count) for questions in asked]
    return exams[: len(pairs.own)], exams[len(pairs.own) :]


@torch.no_grad()
def _known_queries(sides: Sides, dual: DualEncoder) -> Vectors | None:
    """The base's bank of typical queries, as the new heads see it: [n, dim]."""
    if sides.base is None or sides.base.bank is None:
        return None
    rows: Vectors = F.normalize(dual.cpu().eval().text.head(torch.from_numpy(sides.base.bank)), dim=-1).numpy()
    return rows


@torch.no_grad()
def _standardise(sides: Sides, feed: Feed) -> None:
    """New heads learn the mean and the spread of their inputs from the first batches."""
    dual, alone = sides.dual.eval(), distributed.World(0, 1, torch.device("cpu"))
    if not isinstance(dual.image.head, Head) or not isinstance(dual.text.head, Head):
        return
    images: list[Tensor] = []
    texts: list[Tensor] = []
    for step in itertools.count():
        batch = feed.batch(step, alone)
        images += [dual.image.tower(part) for part in torch.split(batch.images, BATCH)]
        texts += [dual.text.tower(*part) for part in zip(*(torch.split(x, BATCH) for x in batch.texts), strict=True)]
        if sum(map(len, images)) >= min(SAMPLE, feed.pairs):
            break
    dual.image.head.standardise(torch.cat(images))
    dual.text.head.standardise(torch.cat(texts))


def _sayer(run: Run, log: Log | None, advance: Advance) -> Callable[[dict[str, Any]], None]:
    def say(entry: dict[str, Any]) -> None:
        if log is not None:
            log(entry)
        if "loss" in entry:
            advance("steps", entry["step"], run.optimiser.steps)

    return say


def _guarded(
    run: Run, sides: Sides, trained: Trained, own: list[Exam], general: list[Exam], device: torch.device
) -> tuple[float, dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Where a model that worked was trained further: only as far from it as the general sets allow."""
    works_already = sides.base is not None or run.model.dual is not None
    if not works_already:
        return 1.0, trained.figures, {}
    end = {name: tensor.detach().cpu().clone() for name, tensor in trained.dual.state_dict().items()}
    seen: dict[float, dict[str, dict[str, float]]] = {}

    def measure(share: float) -> tuple[float, tuple[float, ...]]:
        trained.dual.load_state_dict(guard.blended(trained.start, end, share))
        embed = Embed(trained.dual, sides, device)
        seen[share] = {exam.name: exam.figures(embed) for exam in [*own, *general]}
        metric = run.validation.metric
        return seen[share][own[0].name][metric], tuple(seen[share][exam.name][metric] for exam in general)

    best, _ = guard.choose(measure, run.validation.max_loss)
    trained.dual.load_state_dict(guard.blended(trained.start, end, best.share))
    return best.share, seen[best.share], seen[0.0]


def _heard(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {name: {f"{DIRECTION}.{m}": round(found[f"{DIRECTION}.{m}"], 4) for m in ("hit_rate@1", "MRR")}
            for name, found in figures.items()}  # fmt: skip


def _shown(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """What a model card has room for."""
    kept = ("hit_rate@1", "hit_rate@10", "mAP")
    return {
        name: {metric: round(value, 4) for metric, value in found.items() if metric.split(".")[1] in kept}
        for name, found in figures.items()
    }
