"""The command that takes a gallery over to another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bouba.cli.base import commands, gallery_option, json_option, print_json, progress_bar
from bouba.errors import MediaMissing

if TYPE_CHECKING:
    from bouba.migrate import MigrationReport


@commands.command()
@click.argument("place", required=False, metavar="[GALLERY]")
@gallery_option
@click.option("--model", "-m", metavar="DIR", help="The model folder to go over to; `builtin` is bouba's own.")
@click.option("--drop-missing", is_flag=True, help="Switch even if items have neither file nor thumbnail; they go.")
@click.option("--cancel", is_flag=True, help="Drop what a stopped migration has made. The gallery stays as it is.")
@json_option
def migrate(place: str | None, uri: str, model: str | None, drop_missing: bool, cancel: bool, as_json: bool) -> None:
    """Encode a gallery anew with another model, then switch to that.

    Searches and additions go on meanwhile, in other terminals, with the old model until the switch. Stopped or
    killed, the same command goes on where it was. A picture whose file is gone or changed is encoded from its
    thumbnail, and counted.

    \b
    Examples:
      bouba migrate --model my-model/
      bouba migrate shop.bouba --model builtin
      bouba migrate shop.bouba --cancel
    """
    if cancel == (model is not None):
        raise click.UsageError("Name the new model with --model, or drop a stopped migration with --cancel.")
    if model is None:
        _cancel(place or uri, as_json)
    else:
        _migrate(place or uri, model, drop_missing, as_json)


def _cancel(uri: str, as_json: bool) -> None:
    from bouba.migrate import cancel

    cancelled = cancel(uri)
    if as_json:
        print_json({"cancelled": cancelled})
    else:
        click.echo("The migration is cancelled." if cancelled else "There was no migration to cancel.")


def _migrate(uri: str, model: str, drop_missing: bool, as_json: bool) -> None:
    from bouba.migrate import migrate

    with progress_bar() as progress:
        report = migrate(uri, model, drop_missing=drop_missing, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)
    if not report.switched:
        raise MediaMissing(
            f"Not switched: {len(report.failures):,} of {report.items:,} items have neither their file nor a thumbnail "
            "any more. Bring the files back and run it again, or let these items go with --drop-missing."
        )


def _print(report: MigrationReport) -> None:
    if report.switched and not report.encoded and not report.earlier and not report.failures:
        click.echo(f"{report.items:,} items, all of {report.model} already.")
        return
    counts = [f"{report.encoded:,} encoded"]
    counts += [f"{report.earlier:,} by earlier runs"] if report.earlier else []
    outcome = "The gallery is now of" if report.switched else "Ready for"
    click.echo(f"{', '.join(counts)}; {report.seconds:.1f} s. {outcome} {report.model}; {report.items:,} items.")
    if report.thumbnails:
        click.echo(
            f"{report.thumbnails:,} from their thumbnails, as no file with the original was found: near to what the "
            "original gives, not equal.",
            err=True,
        )
    if report.failures:
        click.echo(f"{len(report.failures):,} {'dropped' if report.switched else 'in the way'}:", err=True)
        for failure in report.failures[:5]:
            click.echo(f"  {failure.message}", err=True)
        if len(report.failures) > 5:
            click.echo("  all of them: --json", err=True)
