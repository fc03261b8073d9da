"""A bouba server in place of a gallery here, for the commands that can ask either."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from bouba.cli.base import opened
from bouba.errors import AccessDenied

if TYPE_CHECKING:
    from bouba.gallery import Gallery

_F = TypeVar("_F", bound=Callable[..., Any])


def server_options(command: _F) -> _F:
    key = click.option(
        "--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
        help="A file with the server's key. [default: $BOUBA_KEY]",
    )  # fmt: skip
    server = click.option(
        "--server", metavar="URL", help="Ask the bouba server there; --gallery is then a name of one of its galleries."
    )
    return server(key(command))


@contextmanager
def asked(
    uri: str, model: str | None, server: str | None, key_file: Path | None, must_exist: bool = True
) -> Iterator[Gallery]:
    """The gallery here, or the server's."""
    if server is None:
        if key_file is not None:
            raise click.UsageError("--key-file is the key of a server: name it with --server.")
        with opened(uri, model, must_exist) as gallery:
            yield gallery
        return
    if model is not None:
        raise click.UsageError("--model works on a gallery here; a server's gallery has its own: leave it out.")
    from bouba.client import Client

    with Client(server, _key(key_file), gallery=_named_gallery(uri)) as client:
        yield cast("Gallery", client)  # it has all of one that these commands ask for


def _key(key_file: Path | None) -> str | None:
    if key_file is None:
        return os.environ.get("BOUBA_KEY", "").strip() or None
    try:
        return key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessDenied(f"The key cannot be read from {key_file}: {error}.") from error


def _named_gallery(uri: str) -> str | None:
    """The name that was typed: a place that the environment or the default names is one on this machine."""
    typed = click.get_current_context().get_parameter_source("uri") is ParameterSource.COMMANDLINE
    return uri if typed else None
