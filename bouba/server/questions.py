"""Questions as JSON -> questions as `Gallery.search` takes them, with their pictures and recordings checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from bouba.errors import FetchRefused, MediaTooLarge, QueryError
from bouba.media import AudioLimits, Limits, decode_audio, load_image, read_source
from bouba.query.composition import taken_apart, together
from bouba.types import AllOf, AnyOf, Not, Query
from bouba.types import Question as Asked

if TYPE_CHECKING:
    from PIL.Image import Image

    from bouba.server.schemas import Media, Question
    from bouba.server.settings import Settings

DEEPEST, MOST_PARTS = 8, 32
MOST_CHARACTERS = 8000  # of all texts together: to encode so many takes a second
MOST_DECODED_BYTES = 256 * 2**20  # of one picture, while it is decoded: several threads do at once
MOST_DECODE_S = 20.0  # of one recording


class Sent(Protocol):
    """A file of a request: the name of a form's field, or base64."""

    part: str | None
    base64: str | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Of one request's questions: `files` are those that came with it, `side` is what its model needs of a picture."""

    files: Mapping[str, bytes]
    settings: Settings
    side: int  # pixels

    def question(self, given: Question) -> Asked:
        """Raises QueryError for too many parts or too long texts, MediaError for a picture or a recording that cannot
        be used, FetchRefused for an address where none is to be read."""
        leaves = list(_leaves(given))
        if len(leaves) > MOST_PARTS:
            raise QueryError(f"The question has {len(leaves)} parts, the limit is {MOST_PARTS}. Ask for less at once.")
        characters = sum(len(one.text or "") + len(one.transcript or "") for one in leaves)
        if characters > MOST_CHARACTERS:
            raise QueryError(
                f"The texts of the question have {characters:,} characters together, the limit is {MOST_CHARACTERS:,}."
            )
        return self._question(given)

    def _question(self, given: Question) -> Asked:
        if given.not_ is not None:
            return Not(self._question(given.not_))
        weights = tuple(given.weights or ())
        if given.all is not None:
            return AllOf(tuple(map(self._question, given.all)), weights)
        if given.any is not None:
            return AnyOf(tuple(map(self._question, given.any)), weights)
        return Query(
            given.text,
            None if given.image is None else self.picture(given.image),
            None if given.audio is None else self._recording(given.audio),
            given.text_weight,
            given.image_weight,
            given.audio_weight,
            given.audio_as,
            given.transcript,
            given.concept,
            given.concept_weight,
            tuple(given.like),
            tuple(given.unlike),
        )

    def picture(self, media: Media) -> Image:
        """Decoded here, within tighter limits than those of somebody's own files."""
        limits = Limits(max_bytes=self.settings.most_upload_bytes, max_decoded_bytes=MOST_DECODED_BYTES)
        return load_image(self._bytes(media), side=self.side, limits=limits).rgb

    def _recording(self, media: Media) -> bytes:
        """Decoded here too, only to see how long it is: an hour of speech takes minutes to understand."""
        data = self._bytes(media)
        limits = AudioLimits(
            max_bytes=self.settings.most_upload_bytes,
            max_seconds=self.settings.most_audio_s,
            max_decode_s=MOST_DECODE_S,
        )
        decode_audio(data, limits=limits)
        return data

    def _bytes(self, media: Media) -> bytes:
        if media.url is not None:
            if not self.settings.fetch:
                raise FetchRefused("Addresses are read only by a server that was started with --fetch: send the file.")
            return read_source(media.url, limits=Limits(max_bytes=self.settings.most_upload_bytes), fetch=True)
        return file_sent(media, self.files, self.settings.most_upload_bytes)

    def described(self, given: Question) -> dict[str, Any]:
        """For a log: what was asked, with the hash of each file in its place."""
        record: dict[str, Any] = given.model_dump(by_alias=True, exclude_defaults=True, exclude={"image", "audio"})
        for name in ("image", "audio"):
            media: Media | None = getattr(given, name)
            if media is not None:
                digest = {"url": media.url} if media.url else {"sha256": hashlib.sha256(self._bytes(media)).hexdigest()}
                record[name] = digest
        for name in ("all", "any"):
            if (parts := getattr(given, name)) is not None:
                record[name] = [self.described(part) for part in parts]
        return record if given.not_ is None else {"not": self.described(given.not_)}


def turned(question: Asked, liked: tuple[str, ...], disliked: tuple[str, ...]) -> Asked:
    """The question after feedback, which counts more than examples given before; of several parts the first that is
    wanted is turned."""
    match question:
        case Query():
            like = [*(one for one in question.like if one not in disliked), *liked]
            unlike = [*(one for one in question.unlike if one not in liked), *disliked]
            return replace(question, like=tuple(dict.fromkeys(like)), unlike=tuple(dict.fromkeys(unlike)))
        case Not():
            return question & Query(like=liked, unlike=disliked)
    parts = list(question.parts)
    for at, part in enumerate(parts):
        if not isinstance(part, Not):
            parts[at] = turned(part, liked, disliked)
            return replace(question, parts=tuple(parts))
    return question & Query(like=liked, unlike=disliked)


def wanted(question: Asked) -> Query:
    """All that a question wants, as one query; where that cannot be said in one, the first part of it.

    Raises QueryError where nothing is."""
    queries = list(_wanted(taken_apart(question)[0]))
    if not queries:
        raise QueryError("The question only says what is not wanted: there is nothing to show in a picture.")
    return (together(queries) if len(queries) > 1 else None) or queries[0]


def _wanted(question: Asked) -> Iterator[Query]:
    match question:
        case Query():
            yield question
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _wanted(part)


def _leaves(given: Question, depth: int = 1) -> Iterator[Question]:
    if depth > DEEPEST:
        raise QueryError(f"The question is more than {DEEPEST} levels deep. Ask it in a flatter way.")
    parts = [*(given.all or ()), *(given.any or ()), *((given.not_,) if given.not_ is not None else ())]
    if not parts:
        yield given
    for part in parts:
        yield from _leaves(cast("Question", part), depth + 1)


def file_sent(media: Sent, files: Mapping[str, bytes], most_bytes: int) -> bytes:
    """Raises QueryError for a field that is not there and for what is no base64, MediaTooLarge."""
    data = _part(media.part, files) if media.part is not None else _decoded(media.base64 or "")
    if len(data) > most_bytes:
        raise MediaTooLarge(f"{len(data):,} bytes, the limit of one file is {most_bytes:,}. Send a smaller one.")
    return data


def _part(name: str, files: Mapping[str, bytes]) -> bytes:
    if name not in files:
        there = ", ".join(files) or "none"
        raise QueryError(f"The form has no file field {name!r:.80}; it has: {there:.300}.")
    return files[name]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: characters beyond ASCII
        raise QueryError(f"base64: these are not the bytes of a file ({error}).") from None
