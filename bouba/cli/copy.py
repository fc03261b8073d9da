"""The command that copies a gallery to another store, or to Parquet and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bouba.cli.base import commands, json_option, print_json

if TYPE_CHECKING:
    from bouba.copying import CopyReport


@commands.command()
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@json_option
def copy(source: str, destination: str, as_json: bool) -> None:
    """Copy a gallery to another place: a folder, a server, or Parquet, and back.

    Everything comes along: vectors, attributes, concepts, thumbnails. Every item is read back and compared. Stopped
    or killed, the same command goes on where it was. DST must be new: two galleries are never mixed.

    \b
    Examples:
      bouba copy ~/Pictures/.bouba backup.parquet
      bouba copy backup.parquet restored.bouba
      bouba copy shop.bouba file:///mnt/disk/shop.bouba
    """
    from bouba.copying import copy as copy_gallery

    with _bars() as progress:
        report = copy_gallery(source, destination, progress)
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report)


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """One for each stage, on a terminal, for what takes more than two seconds."""
    from tqdm import tqdm

    bars: dict[str, tqdm[None]] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(desc=stage, unit=" items", delay=2, disable=None, dynamic_ncols=True)
        bars[stage].total = total
        bars[stage].update(done - bars[stage].n)

    try:
        yield progress
    finally:
        for bar in bars.values():
            bar.close()


def _print(report: CopyReport) -> None:
    counts = {"copied": report.copied, "there already": report.skipped, "no longer in the source": report.removed}
    told = [f"{count:,} {what}" for what, count in counts.items() if count] or ["nothing to copy"]
    rate = f" ({report.rate:,.0f} items/s)" if report.items > 1 else ""
    click.echo(
        f"{', '.join(told)}; {report.verified:,} verified, checksum {report.checksum}; {report.seconds:.1f} s{rate}."
    )
    for note in report.notes:
        click.echo(note, err=True)
