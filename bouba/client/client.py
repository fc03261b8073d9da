"""A server's gallery: search it, look at its items, add to it, teach it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bouba.client.answers import item_of, result_of, understood
from bouba.client.problems import NotThere
from bouba.client.questions import Asking
from bouba.client.wire import Request, Wire, with_form, with_json
from bouba.errors import QueryError, ServerUnavailable, StoreError
from bouba.query.searching import whole
from bouba.types import ITEM_FIELDS, AttributeType, Item, Query, Question, Result

if TYPE_CHECKING:
    from bouba.client.report import Uploaded
    from bouba.types import AttributeValue, AudioSource, ImageSource

PAGE = 500  # items of one request
IDS = 100  # in one filter: an address of some 4 KB


class Client:
    """One gallery of a bouba server. Close it, or use it in a `with`; any number of threads may share it.

    `url`: where `bouba serve` answers, "http://localhost:8642". `key`: one of `bouba keys new`, where the server wants
    one. `gallery`: its name, by default the server's first. `timeout_s`: how long one answer may take, and how long a
    busy server is waited for.
    Every method raises ServerUnavailable where there is no answer, ServerBusy where the server refuses for too long,
    AccessDenied without the right key, and otherwise what the same mistake raises with a `Gallery`."""

    def __init__(
        self, url: str, key: str | None = None, *, gallery: str | None = None, timeout_s: float = 30.0
    ) -> None:
        self._wire = Wire(url, key, gallery, timeout_s)
        self._name = gallery
        self._types: Mapping[str, AttributeType] = {}  # of attributes seen so far

    @property
    def uri(self) -> str:
        """The server's address."""
        return self._wire.url

    def search(
        self,
        query: Question | str | None = None,
        *,
        image: ImageSource | None = None,
        audio: AudioSource | None = None,
        concept: str | None = None,
        like: Sequence[str] = (),
        unlike: Sequence[str] = (),
        k: int = 12,
        where: str | None = None,
        fetch: bool = False,
        min_probability: float | None = None,
        raw: bool = False,
        exact: bool = False,
        diverse: bool = False,
    ) -> Result:
        """As `Gallery.search`; pictures and recordings are sent to the server. With `fetch` a URL is sent as such, for
        a server that may read it. A server gives at most 500 hits. Of a hit's `duplicates` only id and path are known,
        and paths are names alone where the server keeps the rest to itself."""
        rest = Query(None, image, audio, concept=concept, like=tuple(like), unlike=tuple(unlike))
        asked = Asking(whole(query, rest), fetch)
        wish = _wish(k, where, min_probability, raw, exact, diverse)
        return self._result("search", {"query": asked.json, **wish}, asked)

    def feedback(
        self,
        query: Question | str | None = None,
        *,
        liked: Sequence[str] = (),
        disliked: Sequence[str] = (),
        save_as: str | None = None,
        k: int = 12,
        where: str | None = None,
        fetch: bool = False,
    ) -> Result:
        """The same question, turned towards the items that were liked and away from the others; with `save_as` it is
        kept as a concept. The server notes what was liked."""
        asked = Asking(whole(query, Query()), fetch)
        said = {"liked": list(liked), "disliked": list(disliked), "save_as": save_as, "k": k, "where": where}
        body = {"query": asked.json, **{name: value for name, value in said.items() if value is not None}}
        return self._result("feedback", body, asked, repeatable=False)

    def explain(self, query: Question | str, id: str) -> bytes:
        """Why an item matches: a PNG of the picture under its heat map, of at most 1024 px."""
        asked = Asking(whole(query, Query()))
        return bytes(self._wire.send(_posted("explain", {"query": asked.json, "id": id}, asked)).data)

    def get(self, ids: Sequence[str]) -> list[Item]:
        """The items with these ids, in this order; ids that are not there are left out."""
        known = _well_formed(ids)
        found: dict[str, Item] = {}
        for start in range(0, len(known), IDS):
            among = ", ".join(f'"{id}"' for id in known[start : start + IDS])
            found |= {item.id: item for item in self.items(f"id in ({among})")}
        return [found[id] for id in ids if id in found]

    def find(self, name: str) -> list[Item]:
        """Items whose id begins with `name` (at least 4 hex digits), or the one that has the same bytes as this file
        here."""
        if re.fullmatch(r"[0-9a-f]{4,32}", name) and (found := list(self.items(f'id like "{name}%"'))):
            return found
        if not os.path.isfile(name):
            return []
        from bouba.ingest.reading import content_id
        from bouba.media import read_source

        return self.get([content_id(read_source(name))])

    def items(self, where: str | None = None) -> Iterator[Item]:
        """Every item that fits the filter, in no stated order."""
        offset = 0
        while True:
            page = self._page(where, PAGE, offset)
            with understood(self.uri):
                items = [item_of(record, self._type_of) for record in page["items"]]
            yield from items
            offset += len(items)
            if not items or offset >= page["total"]:
                return

    def count(self, where: str | None = None) -> int:
        with understood(self.uri):
            return int(self._page(where, 1, 0)["total"])

    def __len__(self) -> int:
        return self.count()

    def add(
        self,
        sources: ImageSource | Iterable[ImageSource],
        attributes: Mapping[str, AttributeValue] | None = None,
        *,
        fetch: bool = False,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Uploaded:
        """Send folders (recursive), files, bytes or PIL images to the gallery, some at a time; it keeps a copy of each.

        `attributes` go to every picture; addresses are read by the server, if it may, and only with `fetch`;
        `progress` is called with the number of sources that are done with, and of all."""
        from bouba.client.adding import add

        return add(self._wire, sources, attributes or {}, fetch, progress)

    def delete(self, ids: Sequence[str]) -> int:
        """Remove items; returns how many were there. Of files the server deletes only those that were sent to it."""
        removed, known = 0, _well_formed(ids)
        for start in range(0, len(known), IDS):
            chosen = {"ids": known[start : start + IDS]}
            removed += int(self._wire.json(with_json("DELETE", "items", chosen))["removed"])
        return removed

    def thumbnail(self, item_id: str) -> bytes | None:
        """A JPEG of at most 256 px; None if there is none."""
        return self._file(item_id, "thumbnail")

    def image(self, item_id: str) -> bytes | None:
        """The picture's file; None if the server has it no longer."""
        return self._file(item_id, "image")

    def concepts(self) -> list[dict[str, Any]]:
        """What the gallery keeps under names: `{"name", "text", "like", "unlike", "saved"}` each."""
        with understood(self.uri):
            return list(self._wire.json(Request("GET", "concepts"))["concepts"])

    def remove_concept(self, name: str) -> None:
        """Raises QueryError where none has this name."""
        self._wire.send(Request("DELETE", f"concepts/{quote(name, safe='')}"))

    def facets(self, where: str | None = None) -> dict[str, Any]:
        """What can be filtered by, with counts: `{"total", "facets": [{"field", "type", "values" | "min", "max"}]}`."""
        return self._wire.json(Request("GET", "facets", {"where": where}))

    def galleries(self) -> list[dict[str, Any]]:
        """All galleries of the server: `{"name", "items", "hears", "explains", "model", "writable", "attributes"}`."""
        with understood(self.uri):
            return list(self._wire.json(Request("GET", "galleries"))["galleries"])

    @property
    def fields(self) -> Mapping[str, AttributeType]:
        """What can be filtered on: bouba's own fields and the attributes seen so far."""
        with understood(self.uri):
            ours = [one for one in self.galleries() if self._name in (None, one["name"])]
            if not ours:
                raise QueryError(f"{self.uri} has no gallery called {self._name!r}.")
            self._types = {name: AttributeType(kind) for name, kind in ours[0]["attributes"].items()}
        return {**ITEM_FIELDS, **self._types}

    def ready(self) -> bool:
        """Whether the server is there and every gallery of it answers."""
        try:
            self._wire.send(Request("GET", "readyz"))
        except (ServerUnavailable, StoreError):
            return False
        return True

    def close(self) -> None:
        self._wire.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.uri!r}, gallery={self._name!r})"

    def _result(self, path: str, body: dict[str, Any], asked: Asking, *, repeatable: bool = True) -> Result:
        record = self._wire.json(_posted(path, body, asked, repeatable))
        with understood(self.uri):
            return result_of(record, self._type_of, self.thumbnail)

    def _page(self, where: str | None, limit: int, offset: int) -> dict[str, Any]:
        return self._wire.json(Request("GET", "items", {"where": where, "limit": limit, "offset": offset}))

    def _file(self, item_id: str, what: str) -> bytes | None:
        try:
            return bytes(self._wire.send(Request("GET", f"items/{quote(item_id, safe='')}/{what}")).data)
        except NotThere:
            return None

    def _type_of(self, name: str) -> AttributeType | None:
        return self._types.get(name) or self.fields.get(name)


def _well_formed(ids: Sequence[str]) -> list[str]:
    """Each once; what is no id is that of no item."""
    return [id for id in dict.fromkeys(ids) if re.fullmatch(r"[0-9a-f]{32}", id)]


def _posted(path: str, body: dict[str, Any], asked: Asking, repeatable: bool = True) -> Request:
    if asked.files:
        return with_form(path, {"body": body}, asked.files, repeatable=repeatable)
    return with_json("POST", path, body, repeatable=repeatable)


def _wish(
    k: int, where: str | None, min_probability: float | None, raw: bool, exact: bool, diverse: bool
) -> dict[str, Any]:
    """How the question is to be answered; what is as usual is left out."""
    given = {"where": where, "min_probability": min_probability}
    wanted = {"raw": raw, "exact": exact, "diverse": diverse}
    return {
        "k": k,
        **{name: value for name, value in given.items() if value is not None},
        **{name: value for name, value in wanted.items() if value},
    }
