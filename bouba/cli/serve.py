"""serve: galleries over HTTP, and the page."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import bouba
from bouba.cli.base import commands
from bouba.errors import BoubaError, ServerError
from bouba.server import create_app
from bouba.server.settings import DEFAULT_PORT, DEFAULT_WORKERS, Settings

if TYPE_CHECKING:
    from bouba.gallery import Gallery

DEFAULT_PLACE = "./.bouba"


@commands.command()
@click.argument("places", nargs=-1, metavar="[PLACE | NAME=PLACE]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at; others need --keys.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one.")
@click.option("--keys", "keys_file", type=click.Path(dir_okay=False, path_type=Path), envvar="BOUBA_KEYS",
              metavar="FILE", show_envvar=True, help="Ask for an API key: `bouba keys`.")  # fmt: skip
@click.option("--audit", "audit_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="A line for each change. [default: audit.jsonl beside the keys]")  # fmt: skip
@click.option("--read-only", is_flag=True, help="Refuse every change: no uploads, nothing deleted or saved.")
@click.option("--fetch", is_flag=True, help="Read http(s) addresses in questions and uploads.")
@click.option("--workers", type=click.IntRange(1, 1024), default=DEFAULT_WORKERS, show_default="8 a core",
              help="Searches that run at once.")  # fmt: skip
@click.option("--waiting", type=click.IntRange(0, 100_000), default=64, show_default=True,
              help="Searches that may wait; beyond, 429.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, 3600, min_open=True), default=30.0, show_default=True,
              metavar="SECONDS", help="Of a request that reads; beyond, 504.")  # fmt: skip
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name it is reached by; repeatable.")
@click.option(
    "--allow-origin", "origins", multiple=True, metavar="URL", help="A site whose pages may ask it; repeatable."
)
@click.option("--proxy", "proxies", multiple=True, metavar="ADDRESS",
              help="A proxy whose X-Forwarded headers are believed; repeatable.")  # fmt: skip
@click.option("--log-json", is_flag=True, help="Log JSON lines.")
@click.option("--quiet", is_flag=True, help="Log only what is wrong.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--no-batching", is_flag=True, help="Encode each question by itself; to compare.")
def serve(
    places: tuple[str, ...], keys_file: Path | None, audit_file: Path | None, read_only: bool,
    timeout: float, log_json: bool, quiet: bool, show: bool, no_batching: bool, **options: Any,
) -> None:  # fmt: skip
    """Serve galleries over HTTP, with a page to search them. A PLACE without a gallery is an empty one.

    \b
    Examples:
      bouba serve --open
      bouba serve shop=milvus://db:19530/shop press=/srv/press.bouba --read-only
      bouba serve --host 0.0.0.0 --allow-host pictures.example --keys keys.json
    """
    from bouba.server.logs import log_to_stderr
    from bouba.server.running import address_of, ended_by_sigterm, listening, run_until_stopped

    if audit_file is None and keys_file is not None:
        audit_file = keys_file.with_name("audit.jsonl")
    settings = Settings(
        keys_file=keys_file,
        audit_file=audit_file,
        writable=not read_only,
        timeout_s=timeout,
        batching=not no_batching,
        **options,
    )
    named = named_places(places or (os.environ.get("BOUBA_GALLERY", DEFAULT_PLACE),))
    log_to_stderr(as_json=log_json, quiet=quiet)
    with ended_by_sigterm(), listening(settings) as listener, opened(named) as galleries:
        threading.Thread(target=_load_tower, args=(next(iter(galleries.values())),), daemon=True).start()
        app = create_app(galleries, settings)
        click.echo(f"Serving {', '.join(galleries)} at {address_of(listener)} - Ctrl-C stops it.")
        if show:
            click.launch(address_of(listener))
        run_until_stopped(app, settings, listener)


def named_places(places: Sequence[str]) -> dict[str, str]:
    """`NAME=PLACE`, or a place, which is called after its folder. Raises ServerError for two of one name."""
    from bouba.server.names import NAME, name_of

    named: dict[str, str] = {}
    for place in places:
        name, equals, rest = place.partition("=")
        if not (equals and NAME.fullmatch(name)):
            name, rest = name_of(place), place
        if name in named:
            raise ServerError(f"Two galleries are called {name!r}: name one of them, OTHER={rest}.")
        named[name] = rest
    return named


@contextmanager
def opened(places: dict[str, str]) -> Iterator[dict[str, Gallery]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(bouba.open(place)) for name, place in places.items()}


def _load_tower(gallery: Gallery) -> None:
    """While the server's packages are imported, so that it is ready sooner. What is wrong with it, `/readyz` tells."""
    with suppress(BoubaError):
        gallery.model.provider_of("text")
