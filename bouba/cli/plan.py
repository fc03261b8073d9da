"""The command that says what a gallery of a size will take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import click

from bouba.cli.base import commands, json_option, print_json, progress_bar
from bouba.errors import PlanError

_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_TIMES = {"": 1.0, "ms": 1.0, "s": 1000.0}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _count(_: click.Context, option: click.Parameter, text: str) -> int:
    return round(_number(option, text.replace(",", "").replace("_", ""), _COUNTS, "10M"))


def _milliseconds(_: click.Context, option: click.Parameter, text: str) -> float:
    return _number(option, text, _TIMES, "50ms")


def _number(option: click.Parameter, text: str, units: Mapping[str, float], example: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in units:
        raise click.BadParameter(f"{text!r}: write it as {example}.", param=option)
    return float(match[1]) * units[match[2]]


@commands.command()
@click.option("--items", callback=_count, required=True, metavar="N", help="How many pictures: 250k, 10M, 1B.")
@click.option("--p95", callback=_milliseconds, default="100ms", show_default=True, metavar="TIME",
              help="How long 95 of 100 searches may take.")  # fmt: skip
@click.option("--recall", type=float, default=0.95, show_default=True, metavar="SHARE",
              help="Of the 10 nearest, the share that a search must find.")  # fmt: skip
@click.option("--dims", type=int, default=512, show_default=True, metavar="N", help="Dimensions that are kept.")
@click.option("--curves", type=_FILE, help="Measurements of your own machine, instead of those that bouba ships.")
@click.option("--prices", type=_FILE, help="Your own price list (TOML).")
@click.option("--check", "checks", is_flag=True, help="Build a sample and measure whether the prediction holds here.")
@click.option("--items-sample", callback=_count, default="20k", show_default=True, metavar="N", help="Of --check.")
@json_option
def plan(
    items: int, p95: float, recall: float, dims: int, curves: Path | None, prices: Path | None, checks: bool,
    items_sample: int, as_json: bool,
) -> None:  # fmt: skip
    """Which store and index, how much memory and disk, which machine, and what it costs a year.

    From curves that were measured, prolonged by their slopes: every figure is a range, and what lies far beyond
    the measured sizes is called a guess. Nothing is contacted; prices are a dated list. --check exits with 1 where
    the prediction for the sample's size did not hold on this machine.

    \b
    Examples:
      bouba plan --items 10M --p95 50ms --recall 0.95
      bouba plan --items 100M --dims 256 --json
      bouba plan --items 1M --check
    """
    from bouba.plan import Wish, check
    from bouba.plan import plan as planned
    from bouba.plan.report import check_text, plan_text

    made = planned(Wish(items, p95, recall, dims), curves=curves, prices=prices)
    if not checks:
        print_json(made.to_dict()) if as_json else click.echo(plan_text(made))
        return
    with progress_bar() as progress:
        done = check(made, items_sample, curves=curves, progress=progress)
    if as_json:
        print_json({**made.to_dict(), "check": done.to_dict()})
    else:
        click.echo(f"{plan_text(made)}\n\n{check_text(done)}")
    if not done.held:
        worse = ", ".join(figure.name for figure in done.figures if not figure.held)
        raise PlanError(f"The prediction did not hold on this machine: {worse}. Measure it: docs/scale.md.")
