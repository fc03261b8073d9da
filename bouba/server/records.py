"""Items and results -> JSON, with links, and with no more of a path than the caller may see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

if TYPE_CHECKING:
    from bouba.types import Item, Result


@dataclass(frozen=True, slots=True)
class View:
    """How records are shown to who asks."""

    query: str  # of every link: "?gallery=NAME", or nothing for the default one
    paths: bool  # whole, or the file's name alone

    def item(self, item: Item) -> dict[str, Any]:
        return self._linked(item.to_dict())

    def result(self, result: Result) -> dict[str, Any]:
        """`Result.to_dict()`, with `threshold`, `cutoff` and links."""
        record = result.to_dict()
        hits = [self._linked(hit) for hit in record.pop("hits")]
        for hit in hits:
            if "duplicates" in hit:
                hit["duplicates"] = [self._linked(one) for one in hit["duplicates"]]
        limits = {"threshold": round(result.threshold, 4), "cutoff": round(result.cutoff, 4)}
        return {**record, **limits, "hits": hits}

    def links(self, item_id: str) -> dict[str, str]:
        """To an item's pictures."""
        return {kind: f"items/{item_id}/{kind}{self.query}" for kind in ("thumbnail", "image")}

    def path(self, path: str) -> str:
        if self.paths:
            return path
        return path.partition("?")[0].replace("\\", "/").rstrip("/").rpartition("/")[2]

    def _linked(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "path": self.path(record["path"]), **self.links(record["id"])}


def as_json(record: Any) -> Response:
    """To be called in a thread: a page of 500 hits takes milliseconds."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate, as a JSON escape may leave it, becomes that escape again.
    return Response(text.encode("utf-8", "backslashreplace"), media_type="application/json")
