"""By what name a server is addressed, and from whose page: what keeps other sites' scripts out.

A server on loopback asks for no key, but any page in a browser on the same machine can send to it. Two checks stand
against that. *Host*: a page whose own name is made to resolve to 127.0.0.1 (DNS rebinding) still says that name.
*Origin* and *Sec-Fetch-Site*: browsers say which site a request comes from, and scripts cannot change it (Fetch
Metadata, https://www.w3.org/TR/fetch-metadata/; OWASP CSRF cheat sheet). What is no browser sends neither, and may ask.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers

from bouba.server.guard.refusal import Refused

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?")
_ORIGIN = re.compile(r"(https?)://(.+)", re.IGNORECASE)
_PORTS = {"http": "80", "https": "443"}
_SAFE = ("GET", "HEAD")


def is_loopback(host: str) -> bool:
    """Whether a name or an address, as one listens on it or writes it into a URL, never leaves this machine."""
    name = host.lower().rstrip(".").strip("[]")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761, 6.3
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def check_host(headers: Headers, hosts: Collection[str], any_name: bool) -> None:
    """Raises Refused for a request that is addressed to somebody else. `hosts` may be addressed, and loopback;
    `any_name` where only a key lets anybody in, and no names were given."""
    named = headers.getlist("host")
    match = _HOST.fullmatch(named[0]) if len(named) == 1 else None
    if match is None:
        raise Refused(400, "The request needs one Host header: a name or an address, and maybe a port.", "BadRequest")
    name = match[1].lower().rstrip(".")
    if any_name or is_loopback(name) or name in {host.lower().strip("[]") for host in hosts}:
        return
    raise Refused(
        421,
        f"This server is not called {name!r}. Use http://127.0.0.1, or start it with: bouba serve --allow-host {name}",
    )


def check_site(method: str, headers: Headers, origins: Collection[str]) -> None:
    """Raises Refused for what another site's page asks for; `origins` are those whose pages may.

    To follow a link here from anywhere is no danger: what it opens is this server's own page."""
    origin = headers.get("origin")
    if origin is not None and origin.lower().rstrip("/") in {known.lower().rstrip("/") for known in origins}:
        return
    site = headers.get("sec-fetch-site", "none").lower()
    foreign = site not in ("same-origin", "none")
    is_link = method in _SAFE and headers.get("sec-fetch-mode", "").lower() == "navigate"
    if origin is not None and not _same_origin(origin, headers.get("host", "")):
        foreign = True
    if foreign and not is_link:
        asking = origin if origin not in (None, "null") else "another site"
        raise Refused(403, f"A page of {asking} may not ask this server. Allow it with: bouba serve --allow-origin URL")


def _same_origin(origin: str, host: str) -> bool:
    """Host and port alone are compared: behind a proxy that speaks TLS this server sees http."""
    asking = _ORIGIN.fullmatch(origin)
    if asking is None:  # "null": a sandboxed frame, a file, a redirect between sites
        return False
    port = _PORTS[asking[1].lower()]
    return _with_port(asking[2], port) == _with_port(host, port)


def _with_port(host: str, default: str) -> tuple[str, str] | None:
    match = _HOST.fullmatch(host)
    return (match[1].lower(), match[2] or default) if match else None
