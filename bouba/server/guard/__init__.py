"""What stands between a server and whoever asks it.

addressing.py   is it meant for this server, and does another site's page ask?
access.py       who asks, and may they?              keys.py      the keys, hashed in a file
bodies.py       how large, how slow, how packed      session.py   a key in a browser
headers.py      what browsers are told not to do     rates.py     how often somebody may ask
audit.py        who changed what                     refusal.py   what is answered instead
wire.py         the connection itself

Only `check_binding` and keys.py work without `bouba[server]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bouba.errors import ServerError
from bouba.server.guard.keys import KeyFile

if TYPE_CHECKING:
    from bouba.server.settings import Settings

__all__ = ["check_binding"]


def check_binding(settings: Settings) -> None:
    """Raises ServerError where others could reach the server and no key keeps them out, and for keys that let nobody
    in."""
    if settings.keys_file is not None:
        if not any(key.is_live() for key in KeyFile(settings.keys_file).all()):
            raise ServerError(
                f"{settings.keys_file} holds no key that is still good. Make one: "
                f"bouba keys new NAME --file {settings.keys_file}"
            )
    elif not settings.on_loopback:
        raise ServerError(
            f"On {settings.host} others could reach this server, so it needs keys. Make one with 'bouba keys new "
            "NAME', then: bouba serve --keys FILE. Or stay on this machine: --host 127.0.0.1"
        )
