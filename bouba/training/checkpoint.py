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
    states: dict[str, Any] = field(default_factory=dict)  # network, average, best average, optimiser, scaler


def save(path: Path, run: Run, progress: Progress) -> None:
    """Replaces the file as a whole: a process killed meanwhile leaves the one before."""
    partial = path.with_suffix(".part")
    content = {"run": _identity(run), "step": progress.step, "best": progress.best, "best_step": progress.best_step,
               "stale": progress.stale, "states": progress.states}  # fmt: skip
    try:
        torch.save(content, partial)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"{path} cannot be written: {error}. Free some space; the run goes on from there."
        ) from error
    partial.replace(path)


def load(path: Path, run: Run) -> Progress | None:
    """Where the run stood; None where it has not begun. Raises TrainingError for the file of another run."""
    if not path.exists():
        return None
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        identity, progress = content.pop("run"), Progress(**content)
    except Exception as error:  # what torch raises for a damaged file depends on where it is damaged
        raise TrainingError(f"{path} cannot be read ({error}). Begin again with --restart.") from error
    if identity != _identity(run):
        raise TrainingError(
            f"{path} is of a run with other settings (step {progress.step}). Begin again with --restart, or name "
            "another `out`."
        )
    return progress


def _identity(run: Run) -> str:
    """A digest of everything in the run that decides its weights."""
    settings = to_dict(run)
    for key in ("out", "export", "threads", "licence", "version"):
        settings.pop(key)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
