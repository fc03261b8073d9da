"""Concepts of a gallery: what was looked for, and taught by examples, under a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bouba.cli.base import commands, gallery_option, json_option, model_option, opened, print_json, short
from bouba.cli.gallery import one_item

if TYPE_CHECKING:
    from bouba.concepts import Concept
    from bouba.gallery import Gallery


@commands.group()
def concept() -> None:
    """Keep what you look for under a name, taught by hits that you like and dislike.

    \b
    Examples:
      bouba concept save "my kind of sofa" --like 3f9a2c41 --like b07e55d2 --unlike 91c0aa37 a green sofa
      bouba search --concept "my kind of sofa" "by a window"
    """


@concept.command()
@click.argument("name")
@click.argument("text", nargs=-1, metavar="[TEXT...]")
@click.option("--like", multiple=True, metavar="ITEM", help="More like this one: an id, its first digits or a path.")
@click.option("--unlike", multiple=True, metavar="ITEM", help="Less like this one.")
@gallery_option
@model_option
@json_option
def save(
    name: str, text: tuple[str, ...], like: tuple[str, ...], unlike: tuple[str, ...], uri: str, model: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Save a text, items to be like and items to be unlike; a concept of that name is replaced.

    Give --like and --unlike once for each item. Ids are those of `bouba search --json`.

    \b
    Example:
      bouba concept save "red ones" --like photos/a.jpg --unlike photos/b.jpg red
    """
    with opened(uri, model) as gallery:
        liked, disliked = item_ids(gallery, like), item_ids(gallery, unlike)
        saved = gallery.concepts.save(name, " ".join(text) if text else None, like=liked, unlike=disliked)
    if as_json:
        print_json(saved.to_dict())
    else:
        click.echo(f'Saved. Search for it: bouba search --concept "{saved.name}"')


@concept.command("list")
@gallery_option
@json_option
def list_concepts(uri: str, as_json: bool) -> None:
    """List them, a line each."""
    with opened(uri) as gallery:
        concepts = gallery.concepts.list()
    if as_json:
        print_json({"concepts": [one.to_dict() for one in concepts]})
        return
    for one in concepts:
        click.echo(f"{one.name}: {_told(one)}")
    if not concepts:
        click.echo('None yet. Save one: bouba concept save NAME --like ITEM "words"')


@concept.command()
@click.argument("name")
@gallery_option
@json_option
def show(name: str, uri: str, as_json: bool) -> None:
    """What a concept is made of."""
    with opened(uri) as gallery:
        one = gallery.concepts.get(name)
        paths = {item.id: item.path for item in gallery.get([*one.like, *one.unlike])}
    if as_json:
        print_json(one.to_dict())
        return
    click.echo(f"name    {one.name}")
    click.echo(f"saved   {one.saved}")
    if one.text is not None:
        click.echo(f"text    {one.text}")
    for title, ids in (("like", one.like), ("unlike", one.unlike)):
        for id in ids:
            click.echo(f"{title:<8}{id[:12]}  {short(paths[id]) if id in paths else '(no longer in the gallery)'}")


@concept.command()
@click.argument("name")
@gallery_option
@json_option
def remove(name: str, uri: str, as_json: bool) -> None:
    """Forget a concept. The items stay."""
    with opened(uri) as gallery:
        gallery.concepts.remove(name)
        left = len(gallery.concepts.names())
    if as_json:
        print_json({"removed": name, "concepts": left})
    else:
        click.echo(f"Removed; {left} left.")


def item_ids(gallery: Gallery, names: Sequence[str]) -> tuple[str, ...]:
    """Raises QueryError for a name that is no item's, or several items'."""
    return tuple(one_item(gallery, name).id for name in names)


def _told(one: Concept) -> str:
    counts = [f"{len(ids)} {title}" for title, ids in (("like", one.like), ("unlike", one.unlike)) if ids]
    return ", ".join([f"“{one.text}”"] * (one.text is not None) + counts)
