"""mcp: a gallery as tools for assistants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bouba.cli.base import commands, gallery_option
from bouba.cli.remote import asked, server_options
from bouba.errors import ServerError

if TYPE_CHECKING:
    from bouba.gallery import Gallery


@commands.command()
@gallery_option
@server_options
@click.option("--allow-add", "folders", multiple=True, metavar="FOLDER",
              type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Let the assistant add what lies below this folder; repeatable. [default: nothing]")  # fmt: skip
def mcp(uri: str, server: str | None, key_file: Path | None, folders: tuple[Path, ...]) -> None:
    """Let assistants look for pictures: an MCP server on standard input and output.

    An assistant starts this command itself. Its tools are search, show and, with --allow-add, add.

    \b
    Examples:
      bouba mcp --gallery ~/Pictures/.bouba
      bouba mcp --server https://pictures.example.org --key-file ~/.config/bouba/key
      bouba mcp --allow-add ~/Pictures
    """
    with asked(uri, None, server, key_file, must_exist=not folders) as gallery:
        _serve(gallery, folders)


def _serve(gallery: Gallery, folders: Sequence[Path]) -> None:
    """Until standard input is closed."""
    try:
        from bouba.mcp import create_server
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("bouba"):
            raise
        raise ServerError(f"{error.name} is not installed: pip install 'bouba[mcp]'.") from None
    create_server(gallery, folders).run("stdio")
