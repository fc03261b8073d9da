"""`bouba train`: pairs into a model folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bouba.cli.base import commands, json_option, print_json, short, training_installed

if TYPE_CHECKING:
    from bouba.training.run import Outcome

SHOWN = (
    "text_to_image.hit_rate@1", "text_to_image.hit_rate@10", "text_to_image.mAP",
    "sound_to_text.hit_rate@1", "sound_to_text.MRR",
)  # fmt: skip


@commands.command()
@click.argument("run", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="RUN.toml")
@click.option("--restart", is_flag=True, help="Begin again instead of going on where the run was stopped.")
@json_option
def train(run: Path, restart: bool, as_json: bool) -> None:
    """Train a model on pairs of pictures and texts, as RUN.toml says, and write its folder.

    A run that was stopped goes on when the same command is given again, with the same result. Several GPUs:
    torchrun --nproc-per-node 4 -m bouba train RUN.toml

    \b
    Examples:
      bouba train run.toml
      bouba add ~/shop --gallery ~/shop.bouba --model mine
      bouba evaluate others.jsonl --model mine --against builtin
    """
    with training_installed(), _bars() as advance:
        from bouba.training.config import read_run
        from bouba.training.run import train as trained

        outcome = trained(read_run(run), restart=restart, note=lambda text: click.echo(text, err=True), advance=advance)
    if os.environ.get("RANK", "0") != "0":  # one of several processes: the first one speaks
        return
    if as_json:
        print_json(
            {"model": str(outcome.folder), "step": outcome.step, "share": outcome.share, "figures": outcome.figures,
             "before": outcome.before}
        )  # fmt: skip
    else:
        click.echo(_told(outcome))


def _told(outcome: Outcome) -> str:
    lines = [f"{short(str(outcome.folder))}: best at step {outcome.step}."]
    if outcome.before and outcome.share is not None:
        lines.append(f"Guard: {outcome.share:.0%} of the way from the old weights to the new ones.")
    for name, figures in outcome.figures.items():
        for metric in (name for name in SHOWN if name in figures):
            old = outcome.before.get(name, {}).get(metric)
            lines.append(f"{name}: {metric} {figures[metric]:.4f}" + (f" (was {old:.4f})" if old is not None else ""))
    return "\n".join([*lines, f"Use it: bouba add FOLDER --model {short(str(outcome.folder))}"])


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """One bar after another, for whatever takes more than two seconds."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def advance(what: str, done: int, total: int) -> None:
        if what not in bars:
            for bar in bars.values():
                bar.close()
            bars[what] = tqdm(desc=what, total=total or None, delay=2, disable=None, dynamic_ncols=True)
        bars[what].update(done - bars[what].n)

    try:
        yield advance
    finally:
        for bar in bars.values():
            bar.close()
