"""Commands on models: what they are, and pulling one from a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import bouba
from bouba.cli.base import commands, json_option, print_json, training_installed

if TYPE_CHECKING:
    from bouba.training.export.precision import Precision


class _FoldersOrCommand(click.Group):
    """`models DIR...` describes folders; only the name of a command below it is one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[DIR...] [--json]  |  pull NAME [OPTIONS]"]


@commands.group(cls=_FoldersOrCommand)
def models() -> None:
    """The model that bouba carries, or what is in the model folders named; pull others.

    \b
    Examples:
      bouba models
      bouba models my-model --json
      bouba models pull openclip:ViT-B-32/laion2b_s34b_b79k
    """


@models.command(hidden=True)
@click.argument("folders", nargs=-1, metavar="[DIR...]")
@json_option
def show(folders: tuple[str, ...], as_json: bool) -> None:
    """The model that bouba carries, or what is in the model folders named."""
    described = [bouba.load_model(folder).describe() for folder in folders or (None,)]
    if as_json:
        print_json({"models": described})
        return
    for model in described:
        _print(model)


@models.command()
@click.argument("name")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="The model folder to write. [default: a folder among the user's data]")  # fmt: skip
@click.option("--precision", type=click.Choice(["fp32", "fp16", "int8-weights"]), default="fp32", show_default=True,
              help="How the weights are stored.")  # fmt: skip
@click.option("--accept-licence", is_flag=True, help="Go on where the weights' licence is unknown or limits their use.")
@json_option
def pull(name: str, out: Path | None, precision: Precision, accept_licence: bool, as_json: bool) -> None:
    """Convert a dual encoder of OpenCLIP or transformers into a model folder.

    NAME is openclip:ARCH/TAG, openclip:ARCH//CHECKPOINT, hf:ORG/NAME or hf:FOLDER.

    \b
    Examples:
      bouba models pull openclip:ViT-B-32/laion2b_s34b_b79k
      bouba models pull hf:google/siglip-base-patch16-224 --precision fp16 --out siglip
    """
    with training_installed():
        from bouba.training.hub import pull as pull_model

        folder = pull_model(
            name, out, precision=precision, accept_licence=accept_licence, say=lambda line: click.echo(line, err=True)
        )
    described = bouba.load_model(folder).describe()
    if as_json:
        print_json(described)
    else:
        _print(described)
        click.echo(f"Use it: bouba add ~/Pictures --model {folder if out else described['name']}")


def _print(model: dict[str, Any]) -> None:
    click.echo(f"{model['name']} {model['version']}  {model['dim']} dimensions, {model['bytes'] / 1e6:.1f} MB")
    click.echo(f"  folder   {model['folder']}")
    click.echo(f"  licence  {model['licence']}")
    if model["runs"]["tuned"]:
        towers = ", ".join(f"{tower} on {model['runs'][tower]['provider']}" for tower in ("image", "text"))
        click.echo(f"  tuned    {towers}; `bouba tune --reset` undoes it")
    for data in model["trained_on"]:
        click.echo(f"  data     {data.get('name')}: {data.get('rows')} rows; {data.get('terms')}")
