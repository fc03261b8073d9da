"""Files by parts: Range, If-Range and If-None-Match of RFC 9110."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bouba.server.originals import KINDS

if TYPE_CHECKING:
    from bouba.types import Item

CHUNK_BYTES = 2**18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class Ranged:
    """An open file, and what is told of it."""

    file: IO[bytes]
    size: int
    media_type: str
    disposition: str

    @classmethod
    def of(cls, file: IO[bytes], item: Item, download: bool) -> Ranged:
        size = file.seek(0, os.SEEK_END)
        kind = item.media_type if item.media_type in KINDS else "application/octet-stream"
        name = quote(item.path.replace("\\", "/").rpartition("/")[2][:200], safe="")
        return cls(file, size, kind, f"{'attachment' if download else 'inline'}; filename*=UTF-8''{name}")

    def part(self, start: int, stop: int) -> Iterator[bytes]:
        """Bytes from `start` up to `stop`; closes the file."""
        with self.file:
            self.file.seek(start)
            while start < stop and (data := self.file.read(min(CHUNK_BYTES, stop - start))):
                start += len(data)
                yield data


def is_fresh(request: Request, etag: str) -> bool:
    """Whether the client has it."""
    given = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return etag in given or given == ["*"]


def answer_of(request: Request, ranged: Ranged, etag: str, headers: Mapping[str, str]) -> Response:
    """All of a file, or the one range that is asked for; of several ranges all of it, which RFC 9110 allows."""
    wanted = _RANGE.fullmatch(request.headers.get("range", "").strip())
    current = request.headers.get("if-range", etag) == etag
    start, stop = _span(wanted, ranged) if wanted and current else (0, ranged.size)
    told = {
        **headers,
        "Accept-Ranges": "bytes",
        "Content-Length": str(stop - start),
        "Content-Disposition": ranged.disposition,
    }
    partly = wanted is not None and current
    if partly:
        told["Content-Range"] = f"bytes {start}-{stop - 1}/{ranged.size}"
    status = 206 if partly else 200
    if request.method == "HEAD":
        ranged.file.close()
        return Response(
            status_code=200, media_type=ranged.media_type, headers={**told, "Content-Length": str(ranged.size)}
        )
    return StreamingResponse(ranged.part(start, stop), status, told, ranged.media_type)


def _span(wanted: re.Match[str], ranged: Ranged) -> tuple[int, int]:
    """First byte and the one after the last. Raises HTTPException where there are none."""
    first, last = wanted.groups()
    if first:
        start, stop = int(first), min(int(last) + 1, ranged.size) if last else ranged.size
    else:
        start, stop = max(0, ranged.size - int(last or 0)), ranged.size
    if start >= stop:
        ranged.file.close()
        detail = f"There are {ranged.size} bytes, and none of them is in this range."
        raise HTTPException(416, detail, {"Content-Range": f"bytes */{ranged.size}"})
    return start, stop
