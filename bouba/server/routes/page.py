"""The page and its files, as they lie in the package."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from fastapi import APIRouter, HTTPException, Request, Response

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

FOR_GOOD = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    body: bytes
    packed: bytes  # the same as gzip
    media_type: str
    tag: str  # of the content: a browser asks whether it changed, and is told in a few bytes
    cache: str = "no-cache"

    @classmethod
    def of(cls, body: bytes, suffix: str) -> Asset:
        return cls(body, gzip.compress(body, mtime=0), TYPES[suffix], hashlib.sha256(body).hexdigest()[:20])


@cache
def assets() -> Mapping[str, Asset]:
    """All files of the page, by their path: what is not among them is not there, and no request reaches a disk.

    Styles and modules are there a second time, below the edition of them all, where browsers keep them for good. The
    page names those, so that of all its files only itself is asked for again."""
    there = dict(sorted(_read(files("bouba.server") / "page", PurePosixPath())))
    edition = hashlib.sha256(b"".join(there.values())).hexdigest()[:12]
    for path in [path for path in there if path.endswith(".html")]:
        for folder in (b"css", b"js"):
            there[path] = there[path].replace(b'"page/%s/' % folder, b'"page/%s/%s/' % (edition.encode(), folder))
    plain = {path: Asset.of(body, PurePosixPath(path).suffix) for path, body in there.items()}
    kept = {f"{edition}/{path}": replace(asset, cache=FOR_GOOD) for path, asset in plain.items() if "/" in path}
    return {**plain, **kept}


def _read(folder: Traversable, below: PurePosixPath) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        path = below / entry.name
        if entry.is_dir():
            yield from _read(entry, path)
        elif path.suffix in TYPES:
            yield str(path), entry.read_bytes()


def _answer(path: str, request: Request) -> Response:
    asset = assets().get(path)
    if asset is None:
        raise HTTPException(404, f"The page has no file {path!r:.80}.")
    packs = "gzip" in request.headers.get("accept-encoding", "")
    tag = f'"{asset.tag}-gz"' if packs else f'"{asset.tag}"'
    headers = {"ETag": tag, "Cache-Control": asset.cache, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(asset.packed if packs else asset.body, headers=headers, media_type=asset.media_type)


@router.api_route("/", methods=["GET", "HEAD"])
def index(request: Request) -> Response:
    return _answer("index.html", request)


@router.api_route("/shop", methods=["GET", "HEAD"])
@router.api_route("/medical", methods=["GET", "HEAD"])
@router.api_route("/moderation", methods=["GET", "HEAD"])
def view(request: Request) -> Response:
    """The page of an app."""
    return _answer(f"{PurePosixPath(request.url.path).name}.html", request)


@router.api_route("/favicon.ico", methods=["GET", "HEAD"])
def icon(request: Request) -> Response:
    """Browsers ask for it by this name, whatever the page says."""
    return _answer("icon.svg", request)


@router.api_route("/page/{path:path}", methods=["GET", "HEAD"])
def file(path: str, request: Request) -> Response:
    return _answer(path, request)
