"""`bouba tune`: which provider, threads and batch size run a model fastest here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import bouba
from bouba.cli.base import commands, json_option, print_json

if TYPE_CHECKING:
    from bouba.tune import Trial, Tuning


@commands.command()
@click.option("--model", "-m", metavar="DIR", help="The model folder to tune. [default: the built-in model]")
@click.option("--reset", is_flag=True, help="Forget what was measured: back to the defaults.")
@json_option
def tune(model: str | None, reset: bool, as_json: bool) -> None:
    """Measure how the model runs fastest on this machine, and run it so from now on.

    Tries providers, batch sizes and threads, for half a minute; leave the machine alone meanwhile. What wins is kept
    for this model on this machine.

    \b
    Examples:
      bouba tune
      bouba tune --model my-model --json
      bouba tune --reset
    """
    from bouba.tune import forget, keep, kept_at

    loaded = bouba.load_model(model)
    about = {"model": loaded.name, "fingerprint": loaded.fingerprint, "path": str(kept_at(loaded))}
    if reset:
        forgotten = forget(loaded)
        if as_json:
            print_json({**about, "reset": forgotten})
        else:
            click.echo(f"{loaded.name} {'runs with the defaults again' if forgotten else 'was not tuned here'}.")
        return
    tuning = _measured(loaded)
    keep(loaded, tuning.settings)
    if as_json:
        print_json({**about, **tuning.to_dict()})
    else:
        _print(loaded.name, tuning)


def _measured(model: bouba.Model) -> Tuning:
    from tqdm import tqdm

    from bouba.tune import tune

    with tqdm(unit=" settings", delay=2, disable=None, dynamic_ncols=True) as bar:
        return tune(model, lambda trial: bar.update())


def _print(name: str, tuning: Tuning) -> None:
    from bouba.tune import overruling

    head = _cells("tower", "provider", "threads", "batch", "group")
    click.echo(f"{head} {'a second':>9} {'load s':>7} {'cosine':>8}")
    for trial in tuning.trials:
        click.echo(_row(trial, tuning.chosen(trial)))
    if tuning.skipped:
        click.echo(f"There was no time left for {tuning.skipped} more settings.")
    for tower, setting in (("Pictures", tuning.settings.image), ("Texts", tuning.settings.text)):
        click.echo(f"{tower}: {setting}.")
    if forced := overruling():
        click.echo(f"{forced} is set, and overrules this.")
    click.echo(f"{name} runs so on this machine from now on; `bouba tune --reset` undoes it.")


def _row(trial: Trial, chosen: bool) -> str:
    setting, mark = trial.setting, "  <- chosen" if chosen else ""
    group = (setting.group or "-") if setting.provider == "openvino" else ""
    start = _cells(trial.tower, setting.provider, setting.threads or "auto", setting.batch, group)
    if trial.problem:
        return f"{start}  {trial.problem}"
    return f"{start} {trial.per_second:>9.1f} {trial.load_s:>7.2f} {trial.cosine:>8.5f}{mark}"


def _cells(tower: str, provider: str, threads: int | str, batch: int | str, group: int | str) -> str:
    return f"{tower:<6} {provider:<10} {threads:>7} {batch:>5} {group:>5}"
