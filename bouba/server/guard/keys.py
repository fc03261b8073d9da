"""API keys: who may ask a server, and for what. One JSON file, replaced as a whole and under a lock.

A key is `bouba_` and 32 random characters: 192 bits. Of a key the file holds the SHA-256 only. Slow hashes (scrypt,
Argon2) make up for how little people's passwords have to be guessed; 2^192 keys cannot be tried at any speed, so the
fast one suffices, and a server can check a key with each request. (OWASP Password Storage, NIST SP 800-63B 5.1.1.2.)
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from bouba.errors import ServerError
from bouba.locks import try_lock

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)  # each may what those before it may

PREFIX = "bouba_"
FORMAT = 1
MOST_KEYS = 1000  # each is compared with what a request brings
LOCK_TIMEOUT_S = 10.0

_KEY = re.compile(PREFIX + r"[A-Za-z0-9_-]{32}")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,60}")
_GALLERY = re.compile(r"[a-z0-9_-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key."""

    id: str
    name: str
    sha256: str  # of the key, in hex
    scope: Scope
    rate: int  # requests a minute
    burst: int  # requests at once
    created: str  # ISO 8601, UTC
    expires: str | None = None
    galleries: tuple[str, ...] | None = None  # those that it may see; None for all

    def is_live(self, now: datetime | None = None) -> bool:
        return self.expires is None or (now or datetime.now(UTC)) < datetime.fromisoformat(self.expires)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the hash."""
        record = asdict(self)
        del record["sha256"]
        galleries = None if self.galleries is None else list(self.galleries)
        return {**record, "galleries": galleries, "live": self.is_live()}


def default_path() -> Path:
    """Where `bouba keys` keeps them where nothing else is said."""
    from platformdirs import user_config_path

    return user_config_path("bouba", appauthor=False) / "keys.json"


class KeyFile:
    """The keys of a file, as it is now: what another process changes counts from the next request on."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().absolute()
        self._seen: tuple[int, ...] | None = None
        self._keys: tuple[Key, ...] = ()

    def all(self) -> tuple[Key, ...]:
        """All of them, expired ones too. Costs a `stat` where nothing changed.

        Raises ServerError for a file that is missing, damaged, or may be changed by other users."""
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise ServerError(
                f"{self.path}: the keys cannot be read ({error.strerror}). Make one: bouba keys new NAME"
            ) from error
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen != self._seen:
            self._keys = self._read(status)
            self._seen = seen  # the state before it was read: what changed meanwhile is read again
        return self._keys

    def find(self, secret: str) -> Key | None:
        """The live key that this is, if it is one.

        All are compared, each in constant time, so that how long it takes says nothing."""
        keys = self.all()
        digest = _digest(secret if _KEY.fullmatch(secret) else "")
        found = None
        for key in keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found if found is not None and found.is_live() else None

    def by_id(self, id: str) -> Key | None:
        """The live key of this id."""
        return next((key for key in self.all() if key.id == id and key.is_live()), None)

    def new(
        self, name: str, scope: Scope, rate: int, burst: int | None = None, *,
        galleries: tuple[str, ...] | None = None, lasts: timedelta | None = None,
    ) -> tuple[Key, str]:  # fmt: skip
        """A new key's record, and the key itself, which is kept nowhere. `burst` is a minute's worth by default.

        Raises ServerError for a name that is none or is taken, and where the file cannot be written."""
        secret = PREFIX + secrets.token_urlsafe(24)
        now = datetime.now(UTC)
        expires = None if lasts is None else (now + lasts).isoformat(timespec="seconds")
        created = now.isoformat(timespec="seconds")
        key = Key("", name.strip(), _digest(secret), scope, rate, burst or rate, created, expires, galleries)
        _check(key)
        with self._changing() as keys:
            key = _with_id(key, keys)
            keys.append(key)
        return key, secret

    def revoke(self, which: str) -> Key:
        """Forget the key of this id or name. Raises ServerError where there is none."""
        with self._changing() as keys:
            found = [key for key in keys if key.id == which] or [key for key in keys if key.name == which]
            if not found:
                raise ServerError(f"{self.path} has no key {which!r}. See which there are: bouba keys list")
            keys.remove(found[0])
        return found[0]

    def _read(self, status: os.stat_result) -> tuple[Key, ...]:
        if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o022:
            raise ServerError(f"{self.path}: other users may change the keys. Forbid it: chmod 600 {self.path}")
        try:
            content = json.loads(self.path.read_bytes())
            if content["format"] != FORMAT:
                raise ServerError(
                    f"{self.path} was written by another bouba (format {content['format']!r}). Update it."
                )
            return tuple(map(_key, content["keys"]))
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ServerError(
                f"{self.path} holds no keys that can be read ({error}). Restore it, or delete it and make new keys."
            ) from error

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Key]]:
        """The keys as a list that is written back at the end, with no other process in between."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(self.path.with_name(f".{self.path.name}.lock")):
                keys = list(self.all()) if self.path.exists() else []
                yield keys
                self._write(keys)
        except OSError as error:
            raise ServerError(f"{self.path}: the keys cannot be written ({error.strerror or error}).") from error

    def _write(self, keys: list[Key]) -> None:
        text = json.dumps({"format": FORMAT, "keys": [asdict(key) for key in keys]}, indent=1) + "\n"
        draft = self.path.with_name(f".{self.path.name}.draft")
        draft.unlink(missing_ok=True)
        try:
            # Nobody else may read it, not even between its making and a chmod.
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _with_id(key: Key, others: list[Key]) -> Key:
    if any(key.name == other.name for other in others):
        raise ServerError(
            f"There is a key {key.name!r} already. Choose another name, or revoke it: bouba keys revoke {key.name!r}"
        )
    if len(others) >= MOST_KEYS:
        raise ServerError(f"There are {len(others):,} keys, which is the limit. Revoke some: bouba keys list")
    taken = {other.id for other in others} | {other.name for other in others}
    id = next(id for id in iter(lambda: secrets.token_hex(4), "") if id not in taken)
    return replace(key, id=id)


def _key(record: dict[str, Any]) -> Key:
    """Raises ValueError, TypeError or LookupError for what is none."""
    galleries = record.get("galleries")
    key = Key(**{**record, "galleries": None if galleries is None else tuple(galleries)})
    if not isinstance(key.id, str) or not key.id or not _DIGEST.fullmatch(key.sha256):
        raise ValueError(f"the key {key.name!r} has no id or no hash")
    if key.expires is not None and datetime.fromisoformat(key.expires).tzinfo is None:
        raise ValueError(f"the key {key.name!r} expires at a time without a zone")
    _check(key)
    return key


def _check(key: Key) -> None:
    """Raises ServerError."""
    if not _NAME.fullmatch(key.name):
        raise ServerError(f"{key.name!r}: a key's name has 1 to 60 characters on one line.")
    if key.scope not in SCOPES:
        raise ServerError(f"{key.scope!r}: a key's scope is one of {', '.join(SCOPES)}.")
    if min(key.rate, key.burst) < 1:
        raise ServerError(f"{key.name!r}: a key's rate and burst are 1 or more, not {key.rate} and {key.burst}.")
    if key.galleries is not None and not all(map(_GALLERY.fullmatch, key.galleries or ("",))):
        raise ServerError(f"{key.galleries!r}: a gallery's name has 1 to 64 of a-z, 0-9, _ and -.")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A process that dies lets go."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    with open(path, "ab") as file:
        while not try_lock(file):
            if time.monotonic() > deadline:
                raise ServerError(f"{path}: another process has held this lock for {LOCK_TIMEOUT_S:.0f} s. End it.")
            time.sleep(0.01)
        yield
