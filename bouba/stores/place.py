"""A gallery's URI, taken apart: which store, what the store makes of the rest, and where this machine keeps its own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from bouba.errors import StoreUnknown

FOLDERS = ("file", "zvec")  # schemes whose rest is a folder
NAMING = ("db", "collection", "tenant")  # options of milvus:// that tell one gallery from another


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
        if scheme == "milvus":
            return cls._milvus(rest, options)
        return cls(_shown(scheme, rest), scheme, rest, options)

    @classmethod
    def _milvus(cls, rest: str, options: Mapping[str, str]) -> Place:
        """A file is named by its absolute path, so that it has one folder here wherever it is opened from."""
        if is_milvus_file(rest):
            rest = os.path.abspath(os.path.expanduser(rest))
        naming = {name: options[name] for name in NAMING if options.get(name)}
        query = f"?{urlencode(naming)}" if naming else ""
        return cls(_shown("milvus", rest) + query, "milvus", rest, options)

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


def is_milvus_file(rest: str) -> bool:
    """Whether the rest of a milvus:// URI is a Milvus Lite file, not a server."""
    return rest.endswith(".db") and rest.startswith(("/", "./", "../", "~"))


def _shown(scheme: str, rest: str) -> str:
    if scheme in FOLDERS or "@" not in rest:
        return f"{scheme}://{rest}"
    user, _, host = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}@{host}"
