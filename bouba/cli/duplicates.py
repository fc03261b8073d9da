"""`bouba duplicates`: files that show one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bouba.cli.base import commands, gallery_option, json_option, opened, print_json, progress_bar, short, where_option

if TYPE_CHECKING:
    from bouba.duplicates import Copy, Group


@commands.command()
@gallery_option
@where_option
@click.option("--distance", type=click.IntRange(0, 16), default=10, show_default=True, metavar="BITS",
              help="How many of the 64 bits of two perceptual hashes may differ.")  # fmt: skip
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.png",
              help="Write the first groups as one picture, a row each.")  # fmt: skip
@json_option
def duplicates(uri: str, where: str | None, distance: int, sheet: Path | None, as_json: bool) -> None:
    """List pictures that are in the gallery several times: the same bytes, or the same picture saved anew.

    Each group begins with the picture to keep, the one with the most pixels. Nothing is deleted.

    \b
    Examples:
      bouba duplicates
      bouba duplicates --where 'taken >= 2024-01-01' --sheet twice.png
      bouba duplicates --distance 4 --json
    """
    from bouba.duplicates import find_duplicates, save_groups

    with opened(uri) as gallery:
        with progress_bar() as progress:
            groups = find_duplicates(gallery, where, max_bits=distance, progress=progress)
        if sheet is not None and groups:
            save_groups(groups, gallery.thumbnail, sheet)
    more, savable = sum(group.files - 1 for group in groups), sum(group.savable_bytes for group in groups)
    if as_json:
        print_json({"more": more, "savable_bytes": savable, "groups": [group.to_dict() for group in groups]})
        return
    for group in groups:
        _print_group(group)
    told = f"In more than one file: {len(groups):,}; files more than one of each: {more:,}, {_size(savable)}."
    click.echo(told if groups else "No picture is here more than once.")


def _print_group(group: Group) -> None:
    click.echo(f"{group.files:,} files, {_size(group.savable_bytes)} more than one")
    for number, copy in enumerate(group.copies):
        _print_copy("keep" if number == 0 else "", copy)


def _print_copy(mark: str, copy: Copy) -> None:
    item = copy.item
    size = f"{f'{item.width}x{item.height}':>11}  {_size(item.bytes):>9}"
    first, *others = [short(file) for file in copy.files] or [item.id]
    click.echo(f"  {mark:<4}  {size}  {first}")
    for file in others:
        click.echo(f"        {'the same bytes':>22}  {file}")


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
