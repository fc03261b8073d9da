"""What a killed run needs to go on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bouba.errors import TrainingError
from bouba.training.config import Run, to_dict


@dataclass(slots=True)
class Progress:
    """All that changes while a run goes on. Dice are thrown from (seed, step), so their state is not part of it."""

    step: int = 0
    best: float = float("-inf")
    best_step: int = 0
    stale: int = 0  # checks since the best
    states: dict[str, Any] = field(default_factory=dict)  # network, averaged, best, its figures, optimiser, scaler


def save(path: Path, progress: Progress, identity: str) -> None:
    """Replaces the file as a whole: a process killed meanwhile leaves the one before. Raises TrainingError."""
    partial = path.with_suffix(".part")
    content = {"run": identity, "step": progress.step, "best": progress.best, "best_step": progress.best_step,
               "stale": progress.stale, "states": progress.states}  # fmt: skip
    try:
        torch.save(content, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"{path} cannot be written: {reason}. Free some space and give the same command again: it goes on from "
            "the checkpoint before."
        ) from error


def load(path: Path, identity: str) -> Progress | None:
    """Where the run stood; None where it has not begun. Raises TrainingError for the file of another run."""
    if not path.exists():
        return None
    saved, progress = _read(path)
    if saved != identity:
        raise TrainingError(
            f"{path} is of a run with other settings or other pairs (step {progress.step}). Begin again with "
            "--restart, or name another `out`."
        )
    return progress


def best_weights(path: Path) -> dict[str, torch.Tensor]:
    """The best weights of any run, by their names in its `DualEncoder`. Raises TrainingError."""
    if not path.exists():
        raise TrainingError(
            f"{path} is not there: [model] start names the folder OUT.run of a run that has got somewhere."
        )
    weights: dict[str, torch.Tensor] = _read(path)[1].states["best"]
    return weights


def _read(path: Path) -> tuple[str, Progress]:
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        return content.pop("run"), Progress(**content)
    except Exception as error:  # what torch raises for a damaged file depends on where it is damaged
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"{path} cannot be read ({reason}). Begin again with --restart.") from error


def identity(run: Run, pairs: str) -> str:
    """A digest of everything that decides a run's weights; `pairs` is one of what it trains on and is judged by."""
    settings: dict[str, Any] = to_dict(run) | {"pairs": pairs}
    for key in ("out", "export", "threads", "licence", "version"):
        settings.pop(key)
    if settings["labels"]:
        settings["labels"].pop("weight")  # what the label block counts is decided when the model is written
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
