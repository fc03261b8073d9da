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


@commands.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="MODEL")
@click.argument("run", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="RUN.toml")
def calibrate(model: Path, run: Path) -> None:
    """Teach a model folder what its scores are worth: how likely a hit is a match, when nothing matches, and which
    pictures are hubs. `bouba train` does it by itself; pulled models need it.

    RUN.toml says what is held out ([validation]) and what people ask for ([[data]], whose texts are the bank of typical
    queries); its [model] is left out of account.

    \b
    Example:
      bouba models pull openclip:ViT-B-32/laion2b_s34b_b79k
      bouba calibrate ~/.local/share/bouba/models/openclip-ViT-B-32-laion2b_s34b_b79k run.toml
    """
    with training_installed():
        from bouba.training.calibrate import calibrate as calibrated
        from bouba.training.config import read_run
        from bouba.training.pairs import read_pairs

        def say(text: str) -> None:
            click.echo(text, err=True)

        sets = calibrated(model, read_pairs(read_run(run), say), say)
    click.echo(f"Calibrated {short(str(model))} on {', '.join(one.questions.name for one in sets)}.")
