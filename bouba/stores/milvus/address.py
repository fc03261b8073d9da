"""`milvus://[USER[:PASSWORD]@]HOST[:PORT]/COLLECTION?...` or `milvus:///PATH/FILE.db?collection=...`, checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Literal, cast, get_args
from urllib.parse import unquote, urlsplit

from bouba.errors import StoreUnknown
from bouba.stores.place import Place, is_milvus_file

Consistency = Literal["strong", "session", "bounded", "eventually"]
IndexName = Literal["auto", "flat", "hnsw", "hnsw_sq", "ivf_flat", "ivf_sq8", "diskann"]

TOKEN_VARIABLE = "BOUBA_MILVUS_TOKEN"
PORT, TLS_PORT = 19530, 443
LITE_COLLECTION = "bouba"
MAX_NAME = 200  # characters; Milvus allows 255, and a generation's number comes behind

_SERVER_OPTIONS = ("token", "tls", "db", "tenant", "consistency", "index")
_FILE_OPTIONS = ("collection", "tenant", "index")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Address:
    """Which gallery on which Milvus, and how it is to be used."""

    place: Place
    uri: str = field(repr=False)  # what pymilvus is given: http(s)://HOST:PORT, or a file
    token: str = field(repr=False)
    name: str  # the gallery's: in Milvus an alias of the collection of its present generation
    database: str = ""
    tenant: str = ""  # one of several galleries that share a collection
    consistency: Consistency = "session"
    index: IndexName = "auto"
    is_file: bool = False

    @classmethod
    def of(cls, place: Place) -> Address:
        """Raises StoreUnknown for what is no address, or an option that does not fit it."""
        is_file = is_milvus_file(place.rest)
        options = place.take(*(_FILE_OPTIONS if is_file else _SERVER_OPTIONS))
        if is_file:
            uri, name, token = place.rest, options.get("collection", LITE_COLLECTION), ""
        else:
            uri, name, token = _server(place)
        return cls(
            place,
            uri,
            token,
            _checked(place, "collection", name),
            _checked(place, "db", options["db"]) if options.get("db") else "",
            options.get("tenant", ""),
            cast(Consistency, _choice(place, "consistency", get_args(Consistency), "session")),
            cast(IndexName, _choice(place, "index", get_args(IndexName), "auto")),
            is_file,
        )

    def __str__(self) -> str:
        return self.place.uri


def _server(place: Place) -> tuple[str, str, str]:
    """URI, gallery and token."""
    user, _, rest = place.rest.rpartition("@")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise StoreUnknown(f"{place.uri}: no host and port. The port is a number from 1 to 65535.") from None
    if not host:
        raise StoreUnknown(f"{place.uri}: no host. Write milvus://HOST:{PORT}/COLLECTION, or milvus:///PATH/FILE.db.")
    tls = _choice(place, "tls", ("true", "false"), "false") == "true"
    token = place.options.get("token", "")
    if user and not token:
        token = ":".join(unquote(part) for part in user.partition(":")[::2])
    token = token or os.environ.get(TOKEN_VARIABLE, "")
    shown = f"[{host}]" if ":" in host else host
    uri = f"{'https' if tls else 'http'}://{shown}:{port or (TLS_PORT if tls else PORT)}"
    return uri, parts.path.strip("/"), token


def _checked(place: Place, what: str, name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise StoreUnknown(
            f"{place.uri}: the {what} is {name!r:.80}; in Milvus a name has letters a-z, digits and _, begins with no "
            f"digit and has at most {MAX_NAME} characters. Write milvus://HOST:{PORT}/COLLECTION."
        )
    return name


def _choice(place: Place, option: str, allowed: tuple[str, ...], default: str) -> str:
    value = place.options.get(option, default)
    if value not in allowed:
        raise StoreUnknown(f"{place.uri}: {option}={value!r:.40} is none of {', '.join(allowed)}.")
    return value
