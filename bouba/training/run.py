"""`train(run)`: a typed run in, a model folder out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bouba.errors import TrainingError
from bouba.training import checkpoint, distributed, guard
from bouba.training.checkpoint import Progress
from bouba.training.config import Run
from bouba.training.curves import draw_curves
from bouba.training.dual import Head
from bouba.training.features import text_features
from bouba.training.feed import Feed, Source, open_source, plain_features
from bouba.training.finish import folder_figures, write_folder
from bouba.training.judge import Embed, Exam, known_metric, open_exam
from bouba.training.learner import Sides, frozen_classifier, frozen_towers, open_sides
from bouba.training.loop import Log, Task, Trained, fit
from bouba.training.noise import estimate_trust
from bouba.training.pairs import Pairs, open_pairs
from bouba.training.step import Knowledge
from bouba.training.towers import ImageClassifier

SAMPLE = 1000  # pairs from which new heads learn the scale of their inputs

Advance = Callable[[str, int, int], None]  # what is done, how much of it, of how much


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave."""

    folder: Path
    step: int  # the best check
    figures: dict[str, dict[str, float]]  # of the exported weights, per set: "text_to_image.hit_rate@10"
    before: dict[str, dict[str, float]]  # of the model that the run began with; empty where it knew nothing
    share: float  # of the way from the old model to the new one that the guard allowed; 1: all of it


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

    Raises TrainingError, ManifestError, ModelMissing or ModelBroken."""
    known_metric(run.validation.metric)
    work = work_folder(run)
    if restart and work.exists():
        for name in ("checkpoint.pt", "log.jsonl"):
            (work / name).unlink(missing_ok=True)
    world = distributed.start()
    try:
        _make(work)
        progress = checkpoint.load(work / "checkpoint.pt", run) or Progress()
        threads = run.threads or os.cpu_count() or 1
        torch.set_num_threads(threads)
        torch.manual_seed(run.seed)
        pairs = open_pairs(run, note, _counter(advance, "looking for leaks", 0))
        sides = open_sides(run, work, threads)
        if world.rank:  # the first process fills the cache that all of them read
            distributed.wait()
        sources = _sources(run, pairs, sides, work / "cache", advance)
        classes = _classes(run, sources, sides, work, threads, advance)
        trust = _trust(run, sources, sides, work, threads, advance)
        feed = Feed(run, sources, sides, work / "cache", _counter(advance, "texts", 0))
        own = [open_exam(q, sides, work / "cache", _counter(advance, "validation", 0)) for q in pairs.own]
        general = [open_exam(q, sides, work / "cache", _counter(advance, "validation", 0)) for q in pairs.general]
        if not world.rank:
            distributed.wait()
        _standardise(sides, feed)
        log = Log(work / "log.jsonl", progress.step) if world.rank == 0 else None
        say = _sayer(run, log, advance)
        knowledge = Knowledge(trust, classes)
        task = Task(run, sides, feed, [*own, *general], knowledge, world, work / "checkpoint.pt")
        trained = fit(task, progress, say)
        share, figures, before = _guarded(run, sides, trained, own, general)
        if world.rank == 0:
            draw_curves(work / "log.jsonl", work / "curves.png", run.validation.metric)
            write_folder(run, sides, sources, trained.dual, {"best step": trained.step, "validation": _shown(figures)})
            figures = folder_figures(run.out, [*pairs.own, *pairs.general])
        return Outcome(run.out, trained.step, figures, before, share)
    finally:
        distributed.stop()


def _make(work: Path) -> None:
    try:
        work.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(work).free
    except OSError as error:
        raise TrainingError(f"{work} cannot be made: {error.strerror}.") from error
    if free < 100 << 20:
        raise TrainingError(f"{work}: {free >> 20} MB are free, and a run needs at least 100 MB.")


def _counter(advance: Advance, what: str, total: int) -> Callable[[int], None]:
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        advance(what, done, total)

    return count


def _sources(run: Run, pairs: Pairs, sides: Sides, cache: Path, advance: Advance) -> list[Source]:
    sources: list[Source] = []
    for settings, records in pairs.train:
        groups, first = (sum(len(s.records) for s in sources), sum(s.pairs for s in sources))
        count = _counter(advance, f"pictures of {settings.label}", len(records) * settings.views)
        sources.append(open_source(run, settings, records, sides, cache, (groups, first), count))
    return sources


def _classes(
    run: Run, sources: list[Source], sides: Sides, work: Path, threads: int, advance: Advance
) -> Tensor | None:
    """What the pretrained classifier says of every picture: float16 logits [pictures, classes]."""
    if run.labels is None or not isinstance(sides.image_tower, ImageClassifier):
        return None
    classifier = frozen_classifier(sides.image_tower, work, threads)
    blocks = []
    for source in sources:
        count = _counter(advance, f"classes of {source.settings.label}", len(source.records))
        blocks.append(plain_features(run, source.settings, source.records, sides, classifier, work / "cache", count))
    return torch.from_numpy(np.concatenate(blocks))


def _trust(run: Run, sources: list[Source], sides: Sides, work: Path, threads: int, advance: Advance) -> Tensor | None:
    """How likely each pair is right, by towers that have not been trained on it: [pairs]."""
    if run.noise.method == "none":
        return None
    images, texts = frozen_towers(sides, work, threads)
    trust = []
    for source in sources:
        count = _counter(advance, f"doubts about {source.settings.label}", len(source.records))
        pictures = plain_features(run, source.settings, source.records, sides, images, work / "cache", count)
        wordings = {text: row for row, text in enumerate(dict.fromkeys(t for ts in source.texts for t in ts))}
        words = text_features(texts, list(wordings), work / "cache", count)
        pairs = np.array([(row, wordings[text]) for row, own in enumerate(source.texts) for text in own])
        shared = sides.image_tower is None or run.model.dual is not None
        trust.append(estimate_trust(np.asarray(pictures, np.float32), words, pairs, shared=shared, seed=run.seed))
    return torch.from_numpy(np.concatenate(trust)).float()


@torch.no_grad()
def _standardise(sides: Sides, feed: Feed) -> None:
    """New heads learn the mean and the spread of their inputs from the first batches."""
    dual, alone = sides.dual.eval(), distributed.World(0, 1, torch.device("cpu"))
    if not isinstance(dual.image.head, Head) or not isinstance(dual.text.head, Head):
        return
    images: list[Tensor] = []
    texts: list[Tensor] = []
    while sum(len(block) for block in images) < SAMPLE:
        batch = feed.batch(len(images), alone)
        images.append(dual.image.tower(batch.images))
        texts.append(dual.text.tower(*batch.texts))
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
    run: Run, sides: Sides, trained: Trained, own: list[Exam], general: list[Exam]
) -> tuple[float, dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Where a model that worked was trained further: only as far from it as the general sets allow."""
    works_already = sides.base is not None or run.model.dual is not None
    if not works_already:
        return 1.0, trained.figures, {}
    end = {name: tensor.detach().cpu().clone() for name, tensor in trained.dual.state_dict().items()}
    seen: dict[float, dict[str, dict[str, float]]] = {}

    def measure(share: float) -> tuple[float, tuple[float, ...]]:
        trained.dual.load_state_dict(guard.blended(trained.start, end, share))
        embed = Embed(trained.dual, sides, torch.device("cpu"))
        seen[share] = {exam.name: exam.figures(embed) for exam in [*own, *general]}
        metric = run.validation.metric
        return seen[share][own[0].name][metric], tuple(seen[share][exam.name][metric] for exam in general)

    best, _ = guard.choose(measure, run.validation.max_loss)
    trained.dual.load_state_dict(guard.blended(trained.start, end, best.share))
    return best.share, seen[best.share], seen[0.0]


def _shown(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """What a model card has room for."""
    kept = ("hit_rate@1", "hit_rate@10", "mAP")
    return {
        name: {metric: round(value, 4) for metric, value in found.items() if metric.split(".")[1] in kept}
        for name, found in figures.items()
    }
