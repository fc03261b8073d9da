"""Training, from the first pair to the last check, in one function to be read from top to bottom."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bouba.errors import TrainingError
from bouba.training import checkpoint
from bouba.training.checkpoint import Progress
from bouba.training.config import Optimiser, Run
from bouba.training.distributed import World
from bouba.training.dual import DualEncoder
from bouba.training.feed import Feed
from bouba.training.judge import Embed, Exam
from bouba.training.learner import Sides
from bouba.training.precision import gradient_scaler
from bouba.training.step import Knowledge, train_step

Say = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Task:
    """A run with everything opened."""

    run: Run
    sides: Sides
    feed: Feed
    exams: list[Exam]  # the first decides
    knowledge: Knowledge
    world: World
    checkpoint: Path
    identity: str  # of the run, in the checkpoint


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run ends with: the averaged network at its best check."""

    dual: DualEncoder
    start: dict[str, Tensor]  # its state before the first step
    figures: dict[str, dict[str, float]]  # of every exam
    step: int  # the best one


def fit(task: Task, progress: Progress, say: Say) -> Trained:
    """Trains the dual encoder on the feed's pairs and judges it by the first exam, from where `progress` stands on."""
    run, feed, world = task.run, task.feed, task.world
    settings, checks = run.optimiser, run.validation
    dual = task.sides.dual.to(world.device)
    start = _state(dual)
    averaged = copy.deepcopy(dual).requires_grad_(False)
    optimiser, scaler = make_optimiser(dual, settings), gradient_scaler(world.device, settings.precision)
    if progress.step:
        _restore(progress, dual, averaged, optimiser, scaler)
    began, first = time.monotonic(), progress.step
    with ThreadPoolExecutor(1) as ahead:
        upcoming = ahead.submit(feed.batch, first, world)
        for step in range(first, settings.steps):
            if checks.patience and progress.stale >= checks.patience:
                break
            batch = upcoming.result()
            upcoming = ahead.submit(feed.batch, step + 1, world)
            _throw_dice(run.seed, step, world.rank)
            _set_rates(optimiser, settings, step)
            _ready(dual)
            towers = step >= settings.head_warmup
            loss = train_step(run, dual, batch, task.knowledge, world, towers, optimiser, scaler)
            _average(averaged, dual, settings.averaging, step)
            done, seconds = step + 1, time.monotonic() - began
            if not math.isfinite(loss):
                raise TrainingError(f"the loss is {loss} at step {done}. Lower the learning rates or clip_norm.")
            say({"step": done, "loss": loss, "scale": float(dual.scale().detach()), "s": seconds,
                 "per_s": (done - first) * len(batch.pairs) / seconds})  # fmt: skip
            if done % checks.every and done < settings.steps:
                continue
            figures = _judged(averaged, task, done)
            say({"step": done, "figures": figures})
            _note_best(progress, figures[task.exams[0].name][checks.metric], done, averaged, figures)
            progress.states |= {
                "network": _state(dual), "averaged": _state(averaged), "optimiser": optimiser.state_dict(),
                "scaler": scaler.state_dict(),
            }  # fmt: skip
            if world.rank == 0:
                checkpoint.save(task.checkpoint, progress, task.identity)
    averaged.load_state_dict(progress.states["best"])
    return Trained(averaged, start, progress.states["figures"], progress.best_step)


def _throw_dice(seed: int, step: int, rank: int) -> None:
    """Dropout follows from the step, as everything does."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0]))


def _judged(averaged: DualEncoder, task: Task, done: int) -> dict[str, dict[str, float]]:
    embed = Embed(averaged, task.sides, task.world.device)
    try:
        return {exam.name: exam.figures(embed) for exam in task.exams}
    except ValueError as error:  # vectors that are not numbers have no ranks
        raise TrainingError(f"at step {done} {error}. Lower the learning rates or clip_norm.") from error


def _note_best(
    progress: Progress, value: float, done: int, averaged: nn.Module, figures: dict[str, dict[str, float]]
) -> None:
    progress.step, progress.stale = done, progress.stale + 1
    if value > progress.best:
        progress.best, progress.best_step, progress.stale = value, done, 0
        progress.states |= {"best": _state(averaged), "figures": figures}


def _ready(dual: nn.Module) -> None:
    """Training mode, but batch norms keep the statistics they came with: those of a small batch would be worse."""
    dual.train()
    for module in dual.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def _restore(
    progress: Progress, dual: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer, scaler: Any
) -> None:
    dual.load_state_dict(progress.states["network"])
    averaged.load_state_dict(progress.states["averaged"])
    optimiser.load_state_dict(progress.states["optimiser"])
    scaler.load_state_dict(progress.states["scaler"])


def make_optimiser(dual: DualEncoder, settings: Optimiser) -> torch.optim.Optimizer:
    """One group for each learning rate, and no decay of biases, norms and the temperature."""
    rates = {
        "image.tower.": settings.image_learning_rate,
        "text.tower.": settings.text_learning_rate,
        "classifier.": settings.image_learning_rate,
    }
    groups: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
    for name, parameter in dual.named_parameters():
        if parameter.requires_grad:
            rate = next((rate for prefix, rate in rates.items() if name.startswith(prefix)), None)
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            key = (rate is not None, settings.learning_rate if rate is None else rate, decay)
            groups.setdefault(key, []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": group, "lr": rate, "weight_decay": decay, "peak": rate, "tower": tower}
            for (tower, rate, decay), group in groups.items()
        ],
        fused=True,  # on a CPU four times as fast as the plain update
    )


def _set_rates(optimiser: torch.optim.Optimizer, settings: Optimiser, step: int) -> None:
    """A linear rise, then a cosine to nothing (Loshchilov & Hutter 2017): the rates follow from the step's number."""
    rise = max(1, round(settings.warmup * settings.steps))
    share = (step + 1) / rise if step < rise else _cosine((step - rise) / max(1, settings.steps - rise))
    # Towers that have waited for the heads rise on their own: a jump would undo what the pretraining gave.
    waited = min(1.0, max(0.0, (step - settings.head_warmup + 1) / rise)) if settings.head_warmup else 1.0
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * share * (waited if group["tower"] else 1.0)


def _cosine(done: float) -> float:
    return (1 + math.cos(math.pi * done)) / 2


@torch.no_grad()
def _average(averaged: nn.Module, dual: nn.Module, keep: float, step: int) -> None:
    """Exponential moving average of the weights; young ones are averaged over fewer steps."""
    for mean, new in zip(averaged.parameters(), dual.parameters(), strict=True):
        mean.lerp_(new, 1 - min(keep, (step + 1) / (step + 11)))
    for kept, buffer in zip(averaged.buffers(), dual.buffers(), strict=True):
        kept.copy_(buffer)


class Log:
    """JSON lines of a run; lines that a resumed run will write again are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = [line for line in read_log(path) if line["step"] <= step]
        self._write("w", "".join(json.dumps(line) + "\n" for line in kept))

    def __call__(self, entry: dict[str, Any]) -> None:
        self._write("a", json.dumps(entry) + "\n")

    def _write(self, mode: str, text: str) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise TrainingError(f"{self._path} cannot be written: {error.strerror or error}.") from error


def read_log(path: Path) -> list[dict[str, Any]]:
    """Every whole line; a run that was killed, or a disk that was full, may have left half a one."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found
