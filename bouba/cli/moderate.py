"""moderate: a guideline applied to a gallery, to pictures, or to its own tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bouba.cli.base import (
    commands,
    gallery_option,
    json_option,
    model_option,
    opened,
    print_json,
    progress_bar,
    where_option,
)
from bouba.cli.moderation import moderator_of, policy_argument, promise_line
from bouba.errors import MediaError, MediaMissing, StoreUnavailable

if TYPE_CHECKING:
    from bouba.apps.moderation import Judgement, Moderator
    from bouba.apps.moderation.scanning import Scanned

MOST_HEAT_PIXELS = 1024


@commands.command()
@policy_argument
@gallery_option
@model_option
@where_option
@click.option("--picture", "pictures", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
              help="Judge this picture instead of the gallery's; repeatable.")  # fmt: skip
@click.option("--heat", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.png",
              help="With one --picture: write it with a heat map for each broken rule.")  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Judge again what nothing has changed for.")
@click.option("--test", is_flag=True, help="Run the policy's own tests; exit code 1 where one fails.")
@json_option
def moderate(
    policy: str, uri: str, model: str | None, where: str | None, pictures: tuple[Path, ...], heat: Path | None,
    everything: bool, test: bool, as_json: bool,
) -> None:  # fmt: skip
    """Judge a gallery's pictures by a written guideline. POLICY is a TOML file, or the name of one used before.

    Nothing is encoded again: after a change of the policy a scan takes seconds. --test needs no gallery.

    \b
    Examples:
      bouba moderate policies/alcohol.toml --gallery shop.bouba
      bouba moderate policies/alcohol.toml --picture upload.jpg --heat why.png
      bouba moderate --test policies/alcohol.toml
    """
    if heat is not None and len(pictures) != 1:
        raise click.UsageError("--heat shows one picture: name it with --picture.")
    if test:
        _test(policy, model, as_json)
        return
    with opened(uri, model) as gallery, moderator_of(gallery, policy) as moderator:
        if pictures:
            _judge(moderator, pictures, heat, as_json)
            return
        with progress_bar() as progress:
            scanned = moderator.scan(where, everything=everything, progress=progress)
        waiting = moderator.queue(limit=1)[1]
        if as_json:
            print_json({**scanned.to_dict(), "waiting": waiting})
        else:
            _print_scan(scanned, waiting, moderator)


def _judge(moderator: Moderator, pictures: tuple[Path, ...], heat: Path | None, as_json: bool) -> None:
    """A picture that cannot be read is reported, and the others are judged."""
    judged, failed = [], []
    for path in pictures:
        try:
            judged.append((path, moderator.judge(path)))
        except MediaError as error:
            failed.append({"path": str(path), "kind": type(error).__name__, "message": str(error)})
    if heat is not None and judged:
        _write_heat(moderator, *judged[0], heat)
    if as_json:
        print_json({"pictures": [{"path": str(path), **one.to_dict()} for path, one in judged], "failures": failed})
    else:
        for path, one in judged:
            _print_judgement(path, one)
        for failure in failed:
            click.echo(f"bouba: {failure['message']}", err=True)
    if failed and not judged:
        raise MediaMissing("Nothing could be judged.")


def _write_heat(moderator: Moderator, path: Path, judgement: Judgement, out: Path) -> None:
    png = moderator.exhibit(judgement, path).png(MOST_HEAT_PIXELS)
    if png is None:
        click.echo("bouba: No rule is broken, so there is no heat map.", err=True)
        return
    try:
        out.write_bytes(png)
    except OSError as error:
        raise StoreUnavailable(f"{out} cannot be written: {error.strerror}.") from error


def _print_judgement(path: Path, judgement: Judgement) -> None:
    click.echo(f"{judgement.decision:<7} {path}")
    for one in judgement.findings:
        texts = ", ".join(text for text, _ in one.matched)
        click.echo(f"        {one.probability:4.0%}  {one.rule} ({one.severity}): {texts}")


def _print_scan(scanned: Scanned, waiting: int, moderator: Moderator) -> None:
    made = ", ".join(f"{scanned.decisions[name]:,} {name}" for name in ("allow", "review", "block"))
    rate = f" ({scanned.judged / scanned.seconds:,.0f} pictures/s)" if scanned.judged > 1 else ""
    click.echo(f"{scanned.items:,} pictures: {made}; {scanned.judged:,} judged in {scanned.seconds:.1f} s{rate}.")
    for name, count in scanned.broken.most_common():
        click.echo(f"{count:>9,}  {name}")
    if waiting:
        click.echo(f'{waiting:,} wait for a person: bouba moderation queue "{moderator.policy.name}"')
    for rule, one in moderator.calibrations().items():
        for what, bound in (("missed", one.miss), ("false alarms", one.false_alarm)):
            if bound is not None:
                click.echo(f"{rule}: {promise_line(what, bound)}")


def _test(policy: str, model: str | None, as_json: bool) -> None:
    import bouba
    from bouba.apps.moderation import load_policy
    from bouba.apps.moderation.testing import judging_alone, run_tests

    guideline = load_policy(policy)
    outcomes = list(run_tests(guideline, judging_alone(guideline, bouba.load_model(model))))
    failed = sum(bool(one.fault) for one in outcomes)
    if as_json:
        facts = {"policy": guideline.name, "version": guideline.version, "passed": len(outcomes) - failed}
        print_json({**facts, "failed": failed, "tests": [one.to_dict() for one in outcomes]})
    else:
        for one in outcomes:
            click.echo(f"{'FAILED' if one.fault else 'passed'}  {one.case.name}{': ' if one.fault else ''}{one.fault}")
        click.echo(f"{len(outcomes) - failed} passed, {failed} failed.")
    if failed:
        raise click.exceptions.Exit(1)
