"""The connection to a Milvus: made when first needed, patient while a server restarts, and never noisy.

What pymilvus or gRPC raise becomes a StoreError that names the place and no secret."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from bouba.errors import StoreError, StoreUnavailable
from bouba.stores.milvus.address import TOKEN_VARIABLE, Address

if TYPE_CHECKING:
    from pymilvus import MilvusClient

CONNECT_S = 5.0
CALL_S = 20.0  # for one answer; pymilvus itself tries again meanwhile
PATIENCE_S = 60.0  # a server that was killed holds its own place for some 30 s before it starts again

# https://github.com/milvus-io/milvus/blob/v2.3.5/pkg/util/merr/errors.go: what passes by itself.
_NOT_READY = {1, 2, 8, 401, 500, 501, 503, 600, 601, 602, 901, 902, 903, 905}
_NOT_LOADED = {101, 103}
_NO_COLLECTION = 100
_PASSING = re.compile(
    r"not ready|unavailable|no available|not available|channel.*not found|node.*offline|not serving|stopping|closed"
    r"|session|not healthy|timeout|timed out|deadline|rate limit|shard|fail connecting",
    re.I,
)
_DENIED = re.compile(r"auth|unauthenticated|permission|privilege|api ?key", re.I)
_TOO_BIG = re.compile(r"larger than max|resource.?exhausted|exceeds? .*(size|limit)|result size", re.I)
_PARSE = re.compile(r"(cannot|failed to) (parse|create).*(expr|plan)|invalid expression|expression", re.I)

T = TypeVar("T")


class Refused(StoreError):
    """The server does not understand an expression."""


class TooBig(StoreError):
    """The answer does not fit into one message."""


class Missing(StoreError):
    """No such collection."""


class NotLoaded(StoreUnavailable):
    """The collection is not in the server's memory."""


class Connection:
    def __init__(self, address: Address) -> None:
        self.address = address
        self._mutex = threading.RLock()
        self._client: MilvusClient | None = None
        self._dropped: weakref.finalize[[str], Connection] | None = None  # a file is let go without a `close` too
        self._met = False  # whether the server ever answered: from then on it is waited for

    def call(self, ask: Callable[[MilvusClient], T]) -> T:
        """What `ask` gives; asked again, with growing pauses, while the server cannot answer.

        So `ask` may be done twice. Raises StoreUnavailable after PATIENCE_S, or soon if no server was ever there."""
        deadline, pause = time.monotonic() + PATIENCE_S, 0.05
        while True:
            try:
                answer = ask(self._opened())
            except StoreError:
                raise
            except Exception as problem:
                code, text = _code(problem), _text(problem)
                passes = self._met and code not in _NOT_LOADED and _passes(problem, code, text)
                if not passes or time.monotonic() + pause > deadline:
                    raise self._translated(problem, code, text) from None
            else:
                self._met = True
                return answer
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    @property
    def version(self) -> tuple[int, ...]:
        """(2, 3, 5); of Milvus Lite its own."""
        name = str(self.call(lambda client: client.get_server_version(timeout=CALL_S)))
        return tuple(map(int, re.findall(r"\d+", name)[:3]))

    def close(self) -> None:
        with self._mutex:
            client, self._client = self._client, None
            if client is not None:
                with contextlib.suppress(Exception):
                    client.close()
            if self._dropped is not None:
                self._dropped.detach()
                self._dropped = None
                _FILES.let_go(self.address.uri)

    def _opened(self) -> MilvusClient:
        with self._mutex:
            if self._client is None:
                self._client = _FILES.open(self.address) if self.address.is_file else _client(self.address)
                if self.address.is_file:
                    self._dropped = weakref.finalize(self, _FILES.note, self.address.uri)
            return self._client

    def _translated(self, problem: Exception, code: int, text: str) -> StoreError:
        at = self.address
        if code == _NO_COLLECTION:
            return Missing(f"{at}: {text}")
        if code in _NOT_LOADED:
            return NotLoaded(f"{at}: {text}")
        if _TOO_BIG.search(text):
            return TooBig(f"{at}: {text}")
        if _DENIED.search(text):
            return StoreUnavailable(
                f"{at}: the server refuses this user, password or token. Give them as USER:PASSWORD@HOST, as "
                f"?token=TOKEN, or in the environment as {TOKEN_VARIABLE}."
            )
        if not _passes(problem, code, text):
            return (
                Refused(f"{at}: {text}") if _PARSE.search(text) else StoreUnavailable(f"{at}: Milvus refuses: {text}")
            )
        if not self._met:
            return StoreUnavailable(
                f"{at}: no Milvus answered within {CONNECT_S:.0f} s. Is it running, and are host, port and tls right?"
            )
        return StoreUnavailable(
            f"{at}: Milvus has not answered for {PATIENCE_S:.0f} s ({text}). What was counted is kept; when the server "
            "is back, the same command goes on from there."
        )


def _client(address: Address) -> MilvusClient:
    pymilvus = _pymilvus()
    made: MilvusClient = pymilvus.MilvusClient(
        address.uri, token=address.token, db_name=address.database, timeout=CONNECT_S
    )
    return made


def _pymilvus() -> Any:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it writes to standard error
    try:
        import pymilvus
    except ModuleNotFoundError as error:
        raise StoreUnavailable(
            f"{error.name} is not installed, which galleries on Milvus need: pip install 'bouba[milvus]'."
        ) from None
    # It logs whatever it raises, with a traceback.
    for name in ("pymilvus", "milvus_lite"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return pymilvus


class _Files:
    """Milvus Lite serves a file from inside this process, and to no other; it lets go when the last store closes."""

    def __init__(self) -> None:
        self._users: Counter[str] = Counter()
        self._noted: deque[str] = deque()
        self._mutex = threading.Lock()

    def open(self, address: Address) -> MilvusClient:
        with self._mutex:
            self._settle()
            try:
                os.makedirs(os.path.dirname(address.uri), exist_ok=True)
                client = _client(address)
            except OSError as error:
                raise StoreUnavailable(f"{address}: {error.strerror}.") from None
            except StoreUnavailable:
                raise
            except Exception as error:
                raise StoreUnavailable(_why_no_file(address, error)) from None
            self._users[address.uri] += 1
            return client

    def let_go(self, path: str) -> None:
        self.note(path)
        with self._mutex:
            self._settle()

    def note(self, path: str) -> None:
        """For the garbage collector, which may come while any lock is held: the next who opens or closes lets go."""
        self._noted.append(path)

    def _settle(self) -> None:
        while self._noted:
            path = self._noted.popleft()
            self._users[path] -= 1
            if self._users[path] == 0:
                from milvus_lite.server_manager import server_manager_instance

                server_manager_instance.release_server(path)


_FILES = _Files()


def _why_no_file(address: Address, error: Exception) -> str:
    try:
        import milvus_lite  # noqa: F401
    except ModuleNotFoundError:
        return f"{address}: milvus-lite is not installed: pip install 'bouba[milvus]'."
    if os.path.isfile(address.uri):
        return f"{address} is a file of another program or of Milvus Lite 2; Milvus Lite 3 keeps a folder there."
    return (
        f"{address} cannot be opened ({_text(error)}). A Milvus Lite file serves one process at a time: end the other "
        "one, or use a server."
    )


def _code(problem: Exception) -> int:
    code = getattr(problem, "code", 0)
    return code if isinstance(code, int) else 0


def _passes(problem: Exception, code: int, text: str) -> bool:
    """Whether the same question may be answered a moment later."""
    status = getattr(problem, "code", None)
    if callable(status):  # gRPC's
        return status().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "ABORTED", "UNKNOWN")
    return code in _NOT_READY or bool(getattr(problem, "retriable", False)) or bool(_PASSING.search(text))


def _text(problem: Exception) -> str:
    """One line, without addresses of code and without whatever stands behind a token."""
    text = str(getattr(problem, "message", "") or problem or type(problem).__name__)
    return re.sub(r"\s+", " ", text).strip()[:300]
