"""Ids <-> primary keys. An id is a content hash; any other text is kept too, but never stands in an expression.

A tenant's keys begin with digits of its own, so that one collection may hold the same picture for several."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

MAX_KEY = 512  # characters
_HASH = re.compile(r"[0-9a-f]{32}")
_ODD = "x"  # stands before the hexadecimal UTF-8 of an id that is no hash; no hash begins with it

NOTHING = 'pk == "-"'  # the expression that no item fits


def tenant_key(tenant: str) -> str:
    return hashlib.sha256(tenant.encode()).hexdigest()[:12]


class Keys:
    def __init__(self, tenant: str = "") -> None:
        self._prefix = f"{tenant_key(tenant)}-" if tenant else ""

    def of(self, id: str) -> str:
        return self._prefix + (id if _HASH.fullmatch(id) else _ODD + id.encode(errors="surrogatepass").hex())

    def id(self, key: str) -> str:
        bare = key.removeprefix(self._prefix)
        return bytes.fromhex(bare[1:]).decode() if bare.startswith(_ODD) else bare

    def among(self, ids: Iterable[str]) -> str:
        """The expression that these items fit."""
        keys = [f'"{key}"' for key in map(self.of, ids) if len(key) <= MAX_KEY]
        return f"pk in [{', '.join(keys)}]" if keys else NOTHING

    def beyond(self, op: str, digits: str) -> str:
        """The expression that every hash fits which stands so to these digits, and every id that is no hash."""
        return f'(pk {op} "{self._prefix}{digits}" or pk like "{self._prefix}{_ODD}%")'

    def beginning(self, digits: str) -> str:
        """The expression that every item fits whose id begins with these hexadecimal digits, and every id that is no
        hash."""
        return f'(pk like "{self._prefix}{digits}%" or pk like "{self._prefix}{_ODD}%")'
