"""Who asks, and whether they may: the outermost check of every request that could read or change anything.

Without keys a server serves this machine alone, and everybody on it may do everything (`guard.check_binding` sees to
that). With keys nothing but the page's files and the health checks is answered without one; routes say what more they
need with `require`. Anything new is therefore closed until somebody opens it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from bouba.errors import ServerError, StoreUnavailable
from bouba.server.guard.addressing import check_host, check_site
from bouba.server.guard.audit import AuditLog
from bouba.server.guard.keys import SCOPES, Key, KeyFile, Scope
from bouba.server.guard.rates import Buckets
from bouba.server.guard.refusal import Refused, too_often
from bouba.server.guard.session import COOKIE, Sessions

if TYPE_CHECKING:
    from bouba.server.settings import Settings

FAILED_A_MINUTE, FAILED_BURST = 10, 20  # wrong keys from one address
PAGE_HEADER = ("x-bouba", "page")  # which no form of another site can send

_PAGES = {"/", "/shop", "/medical", "/moderation", "/favicon.ico"}
_OPEN = frozenset({*_PAGES, "/healthz", "/readyz", "/version", "/openapi.json"})
_OPEN_BELOW = "/page/"
_SESSION = "/session"
_CORS_METHODS = ("GET", "POST", "DELETE")
_CORS_HEADERS = ("Authorization", "Content-Type", "X-Request-Id")
_CORS_EXPOSED = ("Retry-After", "X-Request-Id")
_log = logging.getLogger("bouba.server.guard")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Without keys it is anybody on this machine, who may do everything."""

    address: str
    key_id: str | None = None
    name: str = ""
    scope: Scope = "admin"
    galleries: tuple[str, ...] | None = None  # those that it may see; None for all
    by_cookie: bool = False

    def may(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def sees(self, gallery: str) -> bool:
        return self.galleries is None or gallery in self.galleries


class Door:
    """What decides who comes in, and remembers it: keys, sessions, rates, the audit log."""

    def __init__(self, settings: Settings) -> None:
        self.keys = KeyFile(settings.keys_file) if settings.keys_file is not None else None
        self.sessions = Sessions()
        self.audit = AuditLog(settings.audit_file)
        self._asked = Buckets()
        self._failed = Buckets()

    def nobody(self, request: Request) -> Caller:
        """Who asks without being asked for a key."""
        address = client_address(request.scope)
        return Caller(address) if self.keys is None else Caller(address, scope="read", galleries=())

    def caller(self, request: Request) -> Caller | None:
        """None where a key is needed and there is none. Raises Refused for a wrong key, and for too many requests."""
        if self.keys is None:
            return self.nobody(request)
        found = self._by_header(request) or self._by_cookie(request)
        if found is None:
            return None
        key, by_cookie = found
        self._count(key)
        return Caller(client_address(request.scope), key.id, key.name, key.scope, key.galleries, by_cookie)

    def open_session(self, request: Request, secret: str) -> str | None:
        """A new session for a key, in place of the one that there is; None where no key is needed."""
        if self.keys is None:
            return None
        key = self.keys.find(secret)
        if key is None:
            raise self._wrong(request)
        self._count(key)
        self._note(request, "session.open", key=key.id)
        self.sessions.close(request.cookies.get(COOKIE, ""))
        return self.sessions.open(key.id)

    def close_session(self, request: Request) -> None:
        session = request.cookies.get(COOKIE, "")
        key_id = self.sessions.key_id(session)
        if key_id is not None:
            self._note(request, "session.close", key=key_id)
            self.sessions.close(session)

    def note_refused(self, request: Request, why: str) -> None:
        self._note(request, "refused", why=why, method=request.method, path=request.url.path[:200])

    def _note(self, request: Request, action: str, **facts: Any) -> None:
        """Where nothing is changed: a full disk neither lets anybody in nor keeps anybody out."""
        try:
            self.audit.write(request, action, **facts)
        except StoreUnavailable as error:
            _log.warning("%s", error)

    def _by_header(self, request: Request) -> tuple[Key, bool] | None:
        """What is no bearer token is meant for somebody else, as a proxy that asks for passwords."""
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if self.keys is None or kind.lower() != "bearer":
            return None
        key = self.keys.find(secret.strip())
        if key is None:
            raise self._wrong(request)
        return key, False

    def _by_cookie(self, request: Request) -> tuple[Key, bool] | None:
        """An unknown cookie is no attempt: a restart leaves many behind."""
        key_id = self.sessions.key_id(request.cookies.get(COOKIE, ""))
        key = self.keys.by_id(key_id) if self.keys is not None and key_id is not None else None
        return None if key is None else (key, True)

    def _count(self, key: Key) -> None:
        wait_s = self._asked.take(key.id, key.rate, key.burst)
        if wait_s:
            raise too_often(wait_s, f"This key may ask {key.rate:,} times a minute, and {key.burst:,} times at once.")

    def _wrong(self, request: Request) -> Refused:
        """A right key is let in however many wrong ones came from the same address: keys cannot be guessed, so that
        locking out would only hit those behind the same proxy. What is limited is the noise in the audit log."""
        address = client_address(request.scope)
        wait_s = self._failed.take(_network(address), FAILED_A_MINUTE, FAILED_BURST)
        if wait_s:
            return too_often(wait_s, "Too many wrong keys came from this address.")
        self.note_refused(request, "wrong key")
        return _unknown("This key is not known: it is mistyped, expired or revoked.", ' error="invalid_token"')


class Access:
    """ASGI middleware: puts `guard` (Door) and `caller` (Caller) into the request's state, or refuses it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self.door = Door(settings)
        self._checked: ASGIApp = self._check
        if settings.origins:
            self._checked = CORSMiddleware(
                self._check, settings.origins, _CORS_METHODS, _CORS_HEADERS, expose_headers=_CORS_EXPOSED
            )

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._checked(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:  # there is no other way in
            await send({"type": "websocket.close", "code": 1008})

    async def _check(self, scope: Connection, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            request.state.guard = self.door
            self._admit(request)
        except Refused as refused:
            await refused.response(scope)(scope, receive, send)
        except ServerError as error:
            _log.error("%s", error)
            down = Refused(503, "The server's keys cannot be read just now.", "ServerUnavailable", {"Retry-After": "5"})
            await down.response(scope)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _admit(self, request: Request) -> None:
        """Raises Refused, and ServerError where the keys cannot be read."""
        hosts, origins = self._settings.hosts, self._settings.origins
        check_host(request.headers, hosts, any_name=self.door.keys is not None and not hosts)
        check_site(request.method, request.headers, origins)
        if is_open(request.method, _path(request.scope)):
            request.state.caller = self.door.nobody(request)
            return
        caller = self.door.caller(request)
        if caller is None:
            raise _unknown("A key is needed: send it as 'Authorization: Bearer bouba_...'.")
        request.state.caller = caller


def require(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency of a route: whoever asks it has a key of this scope, or Refused is raised."""

    async def permitted(request: Request) -> Caller:
        caller: Caller = request.state.caller
        if not caller.may(scope):
            door: Door = request.state.guard
            door.note_refused(request, f"needs {scope}")
            raise Refused(403, f"This needs a key of scope {scope}; {caller.name!r} has {caller.scope}.")
        name, value = PAGE_HEADER
        if scope != "read" and caller.by_cookie and request.headers.get(name) != value:
            raise Refused(403, "With a session, changes need the header 'X-Bouba: page'.")
        return caller

    return permitted


def is_open(method: str, path: str) -> bool:
    """Whether anybody may ask for it: the page's files, health checks, and what hands out sessions."""
    if path == _SESSION:
        return method in ("POST", "DELETE")
    return method in ("GET", "HEAD") and (path in _OPEN or path.startswith(_OPEN_BELOW))


def client_address(scope: Connection) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _unknown(detail: str, error: str = "") -> Refused:
    return Refused(401, detail, headers={"WWW-Authenticate": f'Bearer realm="bouba"{"," + error if error else ""}'})


def _path(scope: Connection) -> str:
    """Without the prefix that it is mounted below."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _network(address: str) -> str:
    """An IPv6 host has 2^64 addresses of its own (RFC 4291, 2.5.4): they count as one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(IPv6Network((int(parsed), 64), strict=False)) if isinstance(parsed, IPv6Address) else address
