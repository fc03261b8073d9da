"""explain: where in a picture a query matches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bouba.cli.base import commands, gallery_option, json_option, opened, print_json, short
from bouba.cli.gallery import one_item
from bouba.types import Query

if TYPE_CHECKING:
    from bouba.explain import Explanation


@commands.command()
@click.argument("name", metavar="ITEM")
@click.argument("text", nargs=-1, metavar="[TEXT...]")
@click.option("--image", "-i", metavar="FILE", help="A picture that was looked for, by itself or beside the text.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.png",
              help="Write the picture with the heat map over it.")  # fmt: skip
@click.option("--fetch", is_flag=True, help="Allow http(s) URLs, of the item or as the picture.")
@gallery_option
@json_option
def explain(
    name: str, text: tuple[str, ...], image: str | None, out: Path | None, fetch: bool, uri: str, as_json: bool
) -> None:
    """Show where in a picture a query matches. ITEM is an id (or its first digits) or a path.

    With a text and a picture there are three maps: of both together, and of each alone.

    \b
    Examples:
      bouba explain photos/beach.jpg a dog --out heat.png
      bouba explain 3f9a2c41 "in the snow" --image sledge.jpg --json
    """
    from bouba.explain import explain as explained

    with opened(uri) as gallery:
        found = explained(gallery, one_item(gallery, name), _parts(" ".join(text), image), fetch=fetch)
    if out is not None:
        from bouba.overlay import save

        save(found.overlay(), out)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found, out)


def _parts(text: str, image: str | None) -> dict[str, Query]:
    if not text and image is None:
        raise click.UsageError("Say what was looked for: a text, --image FILE, or both.")
    alone = ({text: Query(text)} if text else {}) | ({f"like {image}": Query(image=image)} if image else {})
    return {" + ".join(alone): Query(text, image), **alone} if len(alone) > 1 else alone


def _print(found: Explanation, out: Path | None) -> None:
    click.echo(short(found.item.path) or found.item.id)
    for heat in found.heats:
        click.echo(f"  {heat.score:6.3f}  {heat.name}  (matches best: {heat.where})")
    for note in found.notes:
        click.echo(f"bouba: {note}", err=True)
    if out is not None:
        click.echo(f"Wrote {out}.")
