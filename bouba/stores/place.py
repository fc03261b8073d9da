"""A gallery's URI, taken apart: which store, what the store makes of the rest, and where this machine keeps its own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from bouba.errors import StoreUnknown

FOLDERS = ("file",)  # schemes whose rest is a folder


@dataclass(frozen=True, slots=True)
class Place:
    """`SCHEME://REST?NAME=VALUE&...`, or a plain path, which is a folder and has no options."""

    uri: str  # to be shown: complete, but for passwords and tokens
    scheme: str
    rest: str = field(repr=False)  # between "://" and "?", passwords included
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, uri: str | os.PathLike[str]) -> Place:
        """Raises StoreUnknown for options that are none."""
        text = os.fspath(uri)
        if "://" not in text:
            folder = os.path.abspath(os.path.expanduser(text))
            return cls(folder, "file", folder)
        scheme, _, whole = text.partition("://")
        rest, _, query = whole.partition("?")
        try:
            options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        except ValueError as error:
            raise StoreUnknown(f"{_shown(scheme, rest)}: after the ? stand options, NAME=VALUE&NAME=VALUE.") from error
        return cls(_shown(scheme, rest), scheme, rest, options)

    @property
    def folder(self) -> Path | None:
        """Where this machine keeps ledger and words: the gallery's own folder, one of the user's for a store that is
        elsewhere; None where all is in memory."""
        if self.scheme == "memory":
            return None
        if self.scheme in FOLDERS:
            return Path(self.rest).expanduser()
        from platformdirs import user_data_path

        name = hashlib.sha256(self.uri.encode()).hexdigest()[:16]
        return user_data_path("bouba", appauthor=False) / "remote" / name

    def take(self, *names: str) -> Mapping[str, str]:
        """The options, of which a store knows these. Raises StoreUnknown for another one."""
        for name in self.options:
            if name not in names:
                known = f"it has {', '.join(names)}" if names else "it has none"
                raise StoreUnknown(f"{self.uri}: {self.scheme}:// has no option {name!r}; {known}.")
        return self.options


def _shown(scheme: str, rest: str) -> str:
    parts = urlsplit(f"//{rest}")
    if scheme in FOLDERS or parts.password is None:
        return f"{scheme}://{rest}"
    user, _, host = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}@{host}"
