"""A question -> its JSON, with pictures and recordings as files beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from bouba.client.wire import File
from bouba.errors import MediaError
from bouba.media import DEFAULT_AUDIO_LIMITS, load_image, load_text, read_source
from bouba.media.containers import sniff_sound
from bouba.media.kinds import sniff
from bouba.media.source import describe_source
from bouba.types import AllOf, AnyOf, Not, Query, Question

if TYPE_CHECKING:
    from bouba.types import AudioSource, ImageSource

_WEB = ("http://", "https://")


class Asking:
    """A question for a server: `json`, and the `files` that it refers to by the names of their fields.

    Raises MediaError for a file that cannot be read or is neither picture nor recording (nothing else leaves this
    machine) and for a text that is empty or too long, FetchRefused for an address unless `fetch`."""

    def __init__(self, question: Question, fetch: bool = False) -> None:
        self._fetch = fetch
        self.files: list[File] = []
        self.json = self._question(question)

    def _question(self, question: Question) -> dict[str, Any]:
        match question:
            case Query():
                return self._query(question)
            case Not(part):
                return {"not": self._question(part)}
            case AllOf(parts, weights):
                return self._several("all", parts, weights)
            case AnyOf(parts, weights):
                return self._several("any", parts, weights)

    def _several(self, name: str, parts: Sequence[Question], weights: Sequence[float]) -> dict[str, Any]:
        asked: dict[str, Any] = {name: [self._question(part) for part in parts]}
        return {**asked, "weights": list(weights)} if weights else asked

    def _query(self, query: Query) -> dict[str, Any]:
        asked = {
            one.name: value
            for one in fields(query)
            if one.name not in ("image", "audio") and (value := getattr(query, one.name)) != one.default
        }
        if query.text is not None:
            load_text(query.text)
        if query.image is not None:
            asked["image"] = self._media(query.image, picture_bytes)
        if query.audio is not None:
            asked["audio"] = self._media(query.audio, _sound_bytes)
        return asked

    def _media(self, source: Any, read: Callable[[Any], bytes]) -> dict[str, str]:
        if self._fetch and isinstance(source, str) and source.lower().startswith(_WEB):
            return {"url": source}  # the server reads it, if it may
        file = File(f"file{len(self.files)}", f"file{len(self.files)}", read(source))
        self.files.append(file)
        return {"part": file.field}


def picture_bytes(source: ImageSource) -> bytes:
    """A picture's file; one that Pillow holds becomes a PNG of the pixels that would be searched for here.

    Raises MediaError for what is no picture."""
    if isinstance(source, Image.Image):
        stream = BytesIO()
        load_image(source).rgb.save(stream, "PNG", compress_level=1)
        return stream.getvalue()
    return _sniffed(source, read_source(source), sniff)


def _sound_bytes(source: AudioSource) -> bytes:
    return _sniffed(source, read_source(source, limits=DEFAULT_AUDIO_LIMITS), sniff_sound)


def _sniffed(source: object, data: bytes, known: Callable[[bytes], object]) -> bytes:
    try:
        known(data)
    except MediaError as error:
        raise type(error)(f"{describe_source(source)}: {error}") from error
    return data
