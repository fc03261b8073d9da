"""A gallery as tools for assistants: an MCP server (modelcontextprotocol.io), by the official SDK."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio.from_thread
import anyio.to_thread
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import ContentBlock, ImageContent, TextContent, ToolAnnotations
from pydantic import Field

from bouba.client import Client
from bouba.errors import MediaError, MediaMissing, MediaUnsupported, QueryError
from bouba.ingest.reading import content_id
from bouba.ingest.sources import PICTURE_SUFFIXES
from bouba.media import decode_image, read_source
from bouba.types import Not, Query, Question, Result

if TYPE_CHECKING:
    from bouba.client import Uploaded
    from bouba.gallery import Gallery
    from bouba.ingest import Report
    from bouba.types import Hit, ImageSource, Item

MOST_HITS = 50  # of one answer, which an assistant reads whole
PICTURES = 6  # thumbnails of one answer
CLOSEST = 3  # hits to show where nothing matches
SIDE = 1024  # pixels of a picture that is shown
FAILURES = 10  # named in one answer

_T = TypeVar("_T")

_INSTRUCTIONS = """\
Finds pictures in a private collection by what they show. Ask `search` in plain words ("two dogs playing in the snow"),
or with a picture or a recording. Each hit has an id; `show` gives the picture for an id. A probability says how likely
a hit is what was asked for. Where the answer is that nothing matches, believe it: tell the user so, and do not present
the closest pictures as results.{fields}"""

_SEARCH = """\
Find pictures by words, by a picture, by a recording (speech or a sound), or several of them at once.

Returns one line for each hit, best first: id, probability, path, size, date, attributes; then thumbnails of the first
hits in the same order. Says "Nothing matches" where the collection holds no such picture."""

_SHOW = "Show one picture: the picture itself, at most 1024 pixels, and everything that is known of it."

_ADD = """\
Add pictures to the collection: files, or folders with all pictures below them. What is in it already costs nothing.
Only these folders and what lies below them may be added: {folders}."""


def create_server(gallery: Gallery | Client, folders: Sequence[Path] = ()) -> FastMCP:
    """An MCP server with the tools `search` and `show`, and `add` for what lies below `folders`, where there are any.

    Its `run()` speaks over standard input and output until that is closed."""
    tools = _Tools(gallery, tuple(folder.resolve() for folder in folders))
    server = FastMCP("bouba", _INSTRUCTIONS.format(fields=_told_fields(gallery)), log_level="WARNING")
    reads = ToolAnnotations(readOnlyHint=True, openWorldHint=False)
    add = partial(server.add_tool, structured_output=False)
    add(tools.search, description=_SEARCH, title="Search pictures", annotations=reads)
    add(tools.show, description=_SHOW, title="Show a picture", annotations=reads)
    if folders:
        adds = ToolAnnotations(readOnlyHint=False, destructiveHint=False, idempotentHint=True, openWorldHint=False)
        named = ", ".join(map(str, tools.folders))
        add(tools.add, description=_ADD.format(folders=named), title="Add pictures", annotations=adds)
    return server


def _told_fields(gallery: Gallery | Client) -> str:
    fields = ", ".join(f"{name} ({kind})" for name, kind in gallery.fields.items())
    return f"\n`where` filters on: {fields}."


class _Tools:
    """What each tool does. The work is done in threads, so that the connection stays alive meanwhile."""

    def __init__(self, gallery: Gallery | Client, folders: tuple[Path, ...]) -> None:
        self._gallery = gallery
        self.folders = folders

    async def search(
        self,
        text: Annotated[str | None, Field(description="What the pictures show, in plain words.")] = None,
        image: Annotated[
            str | None, Field(description="A picture to look for: its path on this machine, or its bytes in base64.")
        ] = None,
        audio: Annotated[
            str | None, Field(description="A recording (or video) to look for what is said or heard in: its path.")
        ] = None,
        without: Annotated[str | None, Field(description="What the pictures must not show, in plain words.")] = None,
        like: Annotated[
            list[str] | None, Field(description="Ids of earlier hits (or their first digits) that hits are to be like.")
        ] = None,
        where: Annotated[
            str | None,
            Field(
                description="""A filter, e.g. 'taken >= 2024-07-01 and width > 1000', 'price < 50 and brand in ("A", """
                """"B")', 'title like "%lamp%"', 'tags has "red"', 'not media_type = "image/gif"'."""
            ),
        ] = None,
        k: Annotated[int, Field(ge=1, le=MOST_HITS, description="How many hits at most.")] = 10,
    ) -> list[ContentBlock]:
        def run() -> list[ContentBlock]:
            ids = tuple(self._item(name).id for name in like or ())
            query = Query(text or None, _picture_named(image), _expanded(audio), like=ids)
            result = self._gallery.search(_composed(query, without), k=k, where=where)
            return [_text(_answer(result)), *self._thumbnails(_shown(result)[:PICTURES])]

        return await anyio.to_thread.run_sync(run)

    async def show(
        self, id: Annotated[str, Field(description="The id of a hit, or its first digits (at least 4).")]
    ) -> list[ContentBlock]:
        def run() -> list[ContentBlock]:
            item = self._item(id)
            jpeg, note = self._picture(item)
            return [_text("\n".join([_facts(item), *note])), *([_jpeg(jpeg)] if jpeg else [])]

        return await anyio.to_thread.run_sync(run)

    async def add(
        self,
        paths: Annotated[list[str], Field(min_length=1, description="Paths of pictures, or of folders of pictures.")],
        context: Context[Any, Any, Any],
    ) -> list[ContentBlock]:
        def tell(done: int, total: int) -> None:  # without it, clients take a long silence for a failure
            anyio.from_thread.run(context.report_progress, done, total or None)

        def run() -> list[ContentBlock]:
            sources: list[ImageSource] = [str(self._allowed(path)) for path in paths]
            return [_text(_told(self._gallery.add(sources, progress=tell), len(self._gallery)))]

        return await anyio.to_thread.run_sync(run)

    def _item(self, name: str) -> Item:
        id = name.strip().lower()
        found = self._gallery.find(id) if re.fullmatch(r"[0-9a-f]{4,32}", id) else []
        if len(found) != 1:
            raise QueryError(
                f"{len(found)} items have ids that begin with {name!r}; give more digits."
                if found
                else f"No item has the id {name!r}; take ids from the answers of `search`."
            )
        return found[0]

    def _allowed(self, path: str) -> Path:
        real = Path(path).expanduser().resolve()
        if not any(real.is_relative_to(folder) for folder in self.folders):
            allowed = ", ".join(map(str, self.folders))
            raise QueryError(f"{path} may not be added: only what lies below {allowed}. The user can allow more.")
        if not real.exists():
            raise MediaMissing(f"{path}: there is no such file or folder.")
        if not real.is_dir() and real.suffix.lower() not in PICTURE_SUFFIXES:  # a manifest could name any file
            raise MediaUnsupported(f"{path}: only folders and pictures can be added, by their names' endings.")
        return real

    def _thumbnails(self, hits: Sequence[Hit]) -> list[ContentBlock]:
        found = (self._gallery.thumbnail(hit.id) for hit in hits)
        return [_jpeg(jpeg) for jpeg in found if jpeg is not None]

    def _picture(self, item: Item) -> tuple[bytes | None, list[str]]:
        """The picture as JPEG, small enough to be looked at, and what is to be said of it."""
        try:
            if data := self._original(item):
                picture = decode_image(data, side=SIDE).rgb
                picture.thumbnail((SIDE, SIDE))
                stream = BytesIO()
                picture.save(stream, "JPEG", quality=85)
                return stream.getvalue(), []
            reason = "The file is gone or has changed since it was added."
        except MediaError as error:
            reason = str(error)
        thumbnail = self._gallery.thumbnail(item.id)
        return thumbnail, [f"{reason} {'No thumbnail was kept.' if thumbnail is None else 'This is its thumbnail.'}"]

    def _original(self, item: Item) -> bytes | None:
        if isinstance(self._gallery, Client):
            return self._gallery.image(item.id)
        data = read_source(item.path) if item.path else b""
        return data if content_id(data) == item.id else None


def _composed(query: Query, without: str | None) -> Question:
    if not without:
        return query
    unwanted = Not(Query(without))
    return unwanted if query == Query() else query & unwanted


def _picture_named(image: str | None) -> str | bytes | None:
    """A path, or the bytes of a picture in base64, perhaps as a data: URL (RFC 2397)."""
    if not image or os.path.exists(path := os.path.expanduser(image)) or "://" in image:
        return image and os.path.expanduser(image)
    data = image.partition(",")[2] if image.startswith("data:") else image
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except binascii.Error:
        return path  # whose absence is told


def _expanded(audio: str | None) -> str | None:
    return os.path.expanduser(audio) if audio else None


def _shown(result: Result) -> Sequence[Hit]:
    return result.matches or result.hits[:CLOSEST]


def _answer(result: Result) -> str:
    heard = [f"Heard speech: “{result.heard.transcript}”"] if result.heard and result.heard.transcript else []
    if result.heard and not heard:
        heard = [f"Heard: {', '.join(name for name, _ in result.heard.tags[:3]) or 'nothing that has a name'}"]
    notes = [*heard, *(result.heard.notes if result.heard else ()), *result.notes]
    return "\n".join([*notes, _head(result), *map(_row, _shown(result))])


def _head(result: Result) -> str:
    if not result.hits:
        return "Nothing found: the collection is empty, or the filter leaves nothing."
    if result.confidence is None:
        return f"The {len(result.hits)} nearest pictures, whether they match or not:"
    if not result.found:
        return f"Nothing matches (confidence {result.confidence:.0%}). The closest, which are probably something else:"
    return f"{len(result.matches)} match (confidence {result.confidence:.0%}):"


def _row(hit: Hit) -> str:
    chance = f"score {hit.score:.3f}" if hit.probability is None else f"{hit.probability:.0%}"
    item = hit.item
    facts = [f"{hit.rank}. {item.id}", chance, item.path or "(no file)", f"{item.width}x{item.height}"]
    facts += [f"taken {item.taken:%Y-%m-%d}"] if item.taken else []
    facts += [f"{len(hit.duplicates)} near-duplicates folded"] if hit.duplicates else []
    return "  ".join(facts + [f"{name}={_shortened(value)}" for name, value in _attributes(item).items()])


def _attributes(item: Item) -> Mapping[str, Any]:
    attributes: Mapping[str, Any] = item.to_dict()["attributes"]
    return attributes


def _shortened(value: object) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return written if len(written) <= 80 else f"{written[:79]}…"


def _facts(item: Item) -> str:
    record = item.to_dict()
    return "\n".join(f"{name}: {value}" for name, value in {**record, **record.pop("attributes")}.items())


def _told(report: Report | Uploaded, items: int) -> str:
    counts = {name: count for name, count in report.to_dict().items() if isinstance(count, int) and count}
    done = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing to add"
    failed = [f"{one.source}: {one.message.removeprefix(f'{one.source}: ')}" for one in report.failures[:FAILURES]]
    more = report.failed - len(failed)
    return "\n".join([f"{done}; {items} in the collection.", *failed, *([f"and {more} more"] if more else [])])


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _jpeg(data: bytes) -> ImageContent:
    return ImageContent(type="image", data=base64.b64encode(data).decode(), mimeType="image/jpeg")
