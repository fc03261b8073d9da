"""A run's log as a picture: the loss, and the metric at every check."""

from __future__ import annotations

from pathlib import Path

from bouba.errors import TrainingError
from bouba.training.loop import read_log


def draw_curves(log: Path, out: Path, metric: str) -> None:
    """`log` is the run's JSON lines; `out` a PNG of 1,000 x 400 pixels. Raises TrainingError."""
    from matplotlib.figure import Figure  # without pyplot: it would look for a screen

    lines = read_log(log)
    steps = [line for line in lines if "loss" in line]
    checks = [line for line in lines if "figures" in line]
    figure = Figure(figsize=(10, 4), dpi=100, layout="constrained")
    loss, found = figure.subplots(1, 2)
    loss.plot([s["step"] for s in steps], [s["loss"] for s in steps], linewidth=0.5, color="tab:gray")
    loss.plot([s["step"] for s in steps], _smooth([s["loss"] for s in steps]), color="tab:blue")
    loss.set(xlabel="step", ylabel="loss")
    for name in checks[0]["figures"] if checks else ():
        found.plot([c["step"] for c in checks], [c["figures"][name][metric] for c in checks], marker="o", label=name)
    found.set(xlabel="step", ylabel=metric)
    if checks:
        found.legend()
    try:
        figure.savefig(out)
    except OSError as error:
        raise TrainingError(f"{out} cannot be written: {error.strerror or error}.") from error


def _smooth(values: list[float], keep: float = 0.95) -> list[float]:
    """An exponential average that starts at the first value."""
    smooth: list[float] = []
    for value in values:
        smooth.append(value if not smooth else keep * smooth[-1] + (1 - keep) * value)
    return smooth
