"""What Milvus knows of a gallery beside its items: which collection is its, and how it is described.

NAME                   an alias of the collection of the gallery's present generation: the switch of a migration
NAME_g1, NAME_g2, ...  collections, one a generation; the next one beside the present while a migration is under way
properties             of a collection: the gallery's description, its attributes' types, and notes between processes

Galleries with a tenant begin together in NAME__tenants_DIM_g1, each with an alias and properties of its own; a
migration gives a tenant a collection of its own. Properties are Milvus' metadata: what was written is read at once,
from everywhere, and nothing has to be loaded.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bouba.errors import GalleryBroken, StoreError
from bouba.stores.milvus.connection import CALL_S, Connection, Missing
from bouba.stores.milvus.keys import tenant_key
from bouba.types import AttributeType

FORMAT = 1
MAX_META_BYTES = 1_000_000  # packed; etcd, which keeps the properties, takes 1.5 MB for all of a collection's metadata
PACK_FROM = 20_000  # characters
_NUMBERED = re.compile(r"(.+)_g([1-9]\d{0,8})")


@dataclass(frozen=True, slots=True)
class Described:
    """A collection as the server describes it."""

    collection: str
    dim: int
    properties: Mapping[str, str] = field(repr=False)


class Catalog:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        address = connection.address
        key = tenant_key(address.tenant) if address.tenant else ""
        self._base = f"{address.name}__t_{key}" if key else address.name
        self._prefix = f"bouba.{key}." if key else "bouba."
        self._shared = f"{address.name}__tenants_"
        self.alias = self._base

    def current(self) -> Described | None:
        """The gallery's collection; None if there is none yet."""
        return self.describe(self.alias)

    def describe(self, name: str) -> Described | None:
        try:
            found = self._connection.call(lambda client: client.describe_collection(name, timeout=CALL_S))
        except Missing:
            if self._connection.address.database:  # old servers say the same of a database that is not there
                self._names()
            return None
        vector = next((one for one in found["fields"] if one["name"] == "vector"), None)
        if vector is None or not _NUMBERED.fullmatch(found["collection_name"]):
            raise StoreError(
                f"{self._connection.address}: there is a collection {found['collection_name']!r} that bouba did not "
                "make. Use another name."
            )
        properties = {str(k): str(v) for k, v in dict(found.get("properties") or {}).items()}
        return Described(found["collection_name"], int(vector["params"]["dim"]), properties)

    def is_current(self, collection: str) -> bool:
        """Whether the gallery's alias still names it; costs a millisecond.

        Old servers look for an alias in the default database only, so it is asked for as a collection."""
        described = self.current()
        return described is None or described.collection == collection

    def first_name(self, dim: int) -> str:
        return f"{self._shared}{dim}_g1" if self._connection.address.tenant else f"{self._base}_g1"

    def name_after(self, collection: str) -> str:
        return f"{self._base}_g{_number(collection) + 1}"

    def sweep(self, collection: str) -> None:
        """Earlier generations go: collections of this gallery alone, its rows in those that tenants share."""
        for name in self._names():
            found = _NUMBERED.fullmatch(name)
            if found and found[1] == self._base and _number(name) < _number(collection):
                self.drop(name)
            elif found and found[1].startswith(self._shared) and self._prefix != "bouba." and name != collection:
                self._empty(name)

    def _names(self) -> list[str]:
        return list(self._connection.call(lambda client: client.list_collections(timeout=CALL_S)))

    def _empty(self, shared: str) -> None:
        key = tenant_key(self._connection.address.tenant)
        self._connection.call(lambda client: client.delete(shared, filter=f'tenant == "{key}"', timeout=CALL_S))

    def point_to(self, collection: str) -> None:
        """The gallery is this collection from now on, for all processes at once."""
        there = self.current() is not None
        if there:
            self._connection.call(lambda client: client.alter_alias(collection, self.alias, timeout=CALL_S))
        else:
            self._connection.call(lambda client: client.create_alias(collection, self.alias, timeout=CALL_S))

    def drop(self, collection: str) -> None:
        self._connection.call(lambda client: client.drop_collection(collection, timeout=CALL_S))

    def meta(self, described: Described) -> dict[str, Any] | None:
        packed = described.properties.get(f"{self._prefix}meta", "")
        return self._unpacked(packed)["gallery"] if packed else None

    def stamp(self, described: Described) -> str:
        """Tells one writing of the description from another."""
        packed = described.properties.get(f"{self._prefix}meta", "")
        return str(self._unpacked(packed)["stamp"]) if packed else ""

    def write_meta(self, collection: str, meta: Mapping[str, Any], stamp: str) -> None:
        content = json.dumps({"format": FORMAT, "stamp": stamp, "gallery": dict(meta)}, separators=(",", ":"))
        packed = content
        if len(content) > PACK_FROM:
            packed = "z" + base64.b64encode(zlib.compress(content.encode(), 6)).decode()
        if len(packed.encode()) > MAX_META_BYTES:
            raise StoreError(
                f"{self._connection.address}: the gallery's description takes {len(packed):,} bytes, Milvus keeps "
                f"{MAX_META_BYTES:,}. Remove some concepts."
            )
        self._set(collection, {"meta": packed})

    def fields(self, described: Described) -> dict[str, AttributeType]:
        prefix = f"{self._prefix}field."
        entries = (json.loads(text) for key, text in described.properties.items() if key.startswith(prefix) and text)
        return {name: AttributeType(kind) for name, kind in entries}

    def add_fields(self, collection: str, fields: Mapping[str, AttributeType]) -> None:
        """A property each, so that two machines that add different ones do not undo each other's."""
        from bouba.stores.milvus.facts import key_of

        named = {f"field.{key_of(name)}": json.dumps([name, str(kind)]) for name, kind in fields.items()}
        if named:
            self._set(collection, named)

    def note(self, described: Described, name: str) -> float:
        """A moment that `leave_note` left; 0.0 if there is none."""
        return float(described.properties.get(f"{self._prefix}{name}") or 0.0)

    def leave_note(self, collection: str, name: str, moment: float) -> None:
        self._set(collection, {name: repr(moment)})

    def _set(self, collection: str, properties: Mapping[str, str]) -> None:
        named = {f"{self._prefix}{name}": value for name, value in properties.items()}
        self._connection.call(
            lambda client: client.alter_collection_properties(collection, properties=named, timeout=CALL_S)
        )

    def _unpacked(self, packed: str) -> dict[str, Any]:
        at = self._connection.address
        try:
            text = zlib.decompress(base64.b64decode(packed[1:])).decode() if packed.startswith("z") else packed
            content: dict[str, Any] = json.loads(text)
            written = int(content["format"])
        except (ValueError, KeyError, TypeError, zlib.error) as problem:
            raise GalleryBroken(f"{at}: the gallery's description in Milvus cannot be read ({problem}).") from None
        if written > FORMAT:
            raise GalleryBroken(f"{at} was written by a newer bouba (format {written}; this one reads {FORMAT}).")
        return content


def _number(collection: str) -> int:
    found = _NUMBERED.fullmatch(collection)
    return int(found[2]) if found else 0
