"""API keys of servers."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bouba.cli.base import commands, json_option, print_json

if TYPE_CHECKING:
    from bouba.server.guard.keys import Key, KeyFile, Scope

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MOST = timedelta(weeks=5200)

file_option = click.option(
    "--file", type=click.Path(dir_okay=False, path_type=Path), envvar="BOUBA_KEYS", show_envvar=True, metavar="FILE",
    help="Where the keys are kept. [default: keys.json in your configuration folder]",
)  # fmt: skip


class Lifetime(click.ParamType[timedelta]):
    """ "90d", "12h", "2w"."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"([1-9]\d{0,4})([hdw])", str(value))
        if match is None or int(match[1]) * _UNITS[match[2]] > _MOST:
            self.fail(f"{value!r} is no time. Write hours, days or weeks: 12h, 90d, 8w.", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


@commands.group()
def keys() -> None:
    """Who may ask a server: make, list and revoke API keys.

    \b
    Examples:
      bouba keys new laptop --scope write
      bouba serve photos.bouba --host 0.0.0.0 --keys ~/.config/bouba/keys.json
    """


@keys.command()
@click.argument("name")
@click.option("--scope", type=click.Choice(["read", "write", "admin"]), default="read", show_default=True,
              help="read searches, write also adds and deletes, admin also sees /metrics.")  # fmt: skip
@click.option("--rate", type=click.IntRange(1, 1_000_000), default=6000, show_default=True, metavar="N",
              help="Requests a minute.")  # fmt: skip
@click.option("--burst", type=click.IntRange(1, 1_000_000), metavar="N", help="Requests at once. [default: a minute's]")
@click.option("--gallery", "galleries", multiple=True, metavar="NAME",
              help="Only this gallery of the server; repeatable. [default: all]")  # fmt: skip
@click.option("--expires", type=Lifetime(), metavar="TIME", help="For how long it is good: 12h, 90d, 8w.")
@file_option
@json_option
def new(
    name: str, scope: Scope, rate: int, burst: int | None, galleries: tuple[str, ...], expires: timedelta | None,
    file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Make a key and print it, this once: only its hash is kept.

    \b
    Examples:
      bouba keys new laptop --scope write
      bouba keys new kiosk --rate 600 --gallery shop --expires 90d
    """
    key, secret = _kept(file).new(name, scope, rate, burst, galleries=galleries or None, lasts=expires)
    if as_json:
        print_json({"key": secret, **key.to_dict()})
        return
    click.echo(secret)
    click.echo(f"Keep it: it is shown only now. Kept of it is the hash, in {_kept(file).path}", err=True)


@keys.command("list")
@file_option
@json_option
def list_keys(file: Path | None, as_json: bool) -> None:
    """List them, a line each; never the keys themselves."""
    found = _kept(file).all()
    if as_json:
        print_json({"keys": [key.to_dict() for key in found]})
        return
    for key in found:
        click.echo(_line(key))
    if not found:
        click.echo("None. Make one: bouba keys new NAME")


@keys.command()
@click.argument("key", metavar="KEY")
@file_option
@json_option
def revoke(key: str, file: Path | None, as_json: bool) -> None:
    """Forget a key, by its id or its name. A running server refuses it from the next request on."""
    gone = _kept(file).revoke(key)
    if as_json:
        print_json({"revoked": gone.to_dict()})
    else:
        click.echo(f"Revoked {gone.name} ({gone.id}).")


def _kept(file: Path | None) -> KeyFile:
    from bouba.server.guard.keys import KeyFile, default_path

    return KeyFile(file or default_path())


def _line(key: Key) -> str:
    sees = "all galleries" if key.galleries is None else ", ".join(key.galleries)
    end = "no end" if key.expires is None else f"{'until' if key.is_live() else 'EXPIRED'} {key.expires[:10]}"
    return f"{key.id}  {key.name}  {key.scope}  {key.rate:,} a minute  {sees}  made {key.created[:10]}  {end}"
