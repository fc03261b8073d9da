"""Galleries over HTTP, and the page: `bouba serve`, or `create_app` inside another app (docs/server.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bouba.errors import ServerError
from bouba.server.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from bouba.gallery import Gallery

__all__ = ["Settings", "create_app"]

_DEFAULTS = Settings()


def create_app(gallery: Gallery | Mapping[str, Gallery], settings: Settings = _DEFAULTS) -> FastAPI:
    """An ASGI app that serves a gallery, or several by their names, of which the first is the one asked by default.

    It can be run by any ASGI server, once, or mounted in another app. Galleries stay open: who opened them closes them,
    after the app has ended. Raises ServerError for a name that is none, where it would listen to other machines without
    keys, and where the extra `server` is not installed."""
    try:
        from bouba.server.app import build_app
    except ModuleNotFoundError as error:
        raise missing_extra(error) from None
    return build_app(gallery, settings)


def missing_extra(error: ModuleNotFoundError) -> Exception:
    """What to raise for a package that is not there: the error itself where it is none of the extra's."""
    if error.name is None or error.name.startswith("bouba"):
        return error
    return ServerError(f"{error.name} is not installed: pip install 'bouba[server]'.")
