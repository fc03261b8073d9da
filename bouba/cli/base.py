"""What the commands share: the group, the options, errors and exit codes, printing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

import bouba
from bouba.errors import BoubaError, TrainingError

if TYPE_CHECKING:
    from bouba.gallery import Gallery

_F = TypeVar("_F", bound=Callable[..., Any])


def main() -> None:
    """Run the command; whatever goes wrong ends in a message, not a traceback."""
    try:
        sys.exit(commands(standalone_mode=False))  # a command returns nothing, or the code of the Exit that it raised
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BoubaError as error:
        _fail(str(error), 1)
    except (click.Abort, KeyboardInterrupt):
        _fail("Stopped. What was counted is kept; the same command goes on from there.", 130)
    except Exception as error:
        if os.environ.get("BOUBA_DEBUG"):
            raise
        _fail(f"A bug in bouba: {type(error).__name__}: {error}. Set BOUBA_DEBUG=1 to see where, and report it.", 70)


def _fail(message: str, code: int) -> None:
    click.echo(f"bouba: {message}", err=True)
    sys.exit(code)


def gallery_option(command: _F) -> _F:
    return click.option(
        "--gallery", "-g", "uri", default="./.bouba", envvar="BOUBA_GALLERY", show_default=True, show_envvar=True,
        metavar="PLACE", help="The gallery: a folder's path, or milvus://HOST/NAME and others.",
    )(command)  # fmt: skip


def model_option(command: _F) -> _F:
    return click.option("--model", "-m", metavar="DIR", help="A model folder. [default: the gallery's own]")(command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
where_option = click.option("--where", metavar="EXPR", help="Only items that fit, e.g. 'width > 1000'.")


@contextmanager
def opened(uri: str, model: str | None = None, must_exist: bool = True, dims: int | None = None) -> Iterator[Gallery]:
    with bouba.open(uri, model, must_exist=must_exist, dims=dims) as gallery:
        yield gallery


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example:  bouba add ~/Pictures   then   bouba search 'a dog on the beach' --open",
)
@click.version_option(bouba.__version__, prog_name="bouba")
def commands() -> None:
    """Find pictures by words, sounds, speech or another picture, offline."""


@contextmanager
def training_installed() -> Iterator[None]:
    """For what needs PyTorch: says how to get it where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("bouba"):
            raise
        raise TrainingError(f"{error.name} is not installed: pip install 'bouba[train]'.") from None


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, for what takes more than two seconds; it counts what is safely stored."""
    from tqdm import tqdm

    with tqdm(unit=" pictures", delay=2, disable=None, dynamic_ncols=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def short(path: str) -> str:
    """Relative where the file lies below the current folder."""
    here = os.path.join(os.getcwd(), "")
    return path.removeprefix(here)


def print_json(value: dict[str, Any]) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))
