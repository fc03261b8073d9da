"""The nouns that every part of bouba shares. Imports nothing of ours."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    Vectors = npt.NDArray[np.float32]  # [n, dim], rows of length 1
    Pixels = npt.NDArray[np.uint8]  # [height, width, 3], RGB

    Samples = npt.NDArray[np.float32]  # [n], mono, in [-1, 1]

    ImageSource = str | PathLike[str] | bytes | BinaryIO | Image
    AudioSource = str | PathLike[str] | bytes | BinaryIO

AttributeValue = str | float | bool | datetime | tuple[str, ...]


class AttributeType(StrEnum):
    """The types that an attribute can have; one name has one type in one gallery."""

    TEXT = "text"
    NUMBER = "number"  # float64
    DATE = "date"  # naive datetime, microseconds; a time with an offset is converted to UTC
    BOOLEAN = "boolean"
    TEXTS = "list of text"

    @classmethod
    def of(cls, value: AttributeValue) -> AttributeType:
        match value:
            case bool():
                return cls.BOOLEAN
            case str():
                return cls.TEXT
            case datetime():
                return cls.DATE
            case tuple():
                return cls.TEXTS
        return cls.NUMBER


# What bouba itself records about every item, and can be filtered on like any attribute.
ITEM_FIELDS: Mapping[str, AttributeType] = {
    "id": AttributeType.TEXT,
    "path": AttributeType.TEXT,
    "width": AttributeType.NUMBER,
    "height": AttributeType.NUMBER,
    "bytes": AttributeType.NUMBER,
    "media_type": AttributeType.TEXT,
    "taken": AttributeType.DATE,
    "phash": AttributeType.TEXT,
}


@dataclass(frozen=True, slots=True)
class Item:
    """One picture in a gallery, without its vector."""

    id: str  # first 32 hex digits of the SHA-256 of the file's bytes
    path: str  # absolute path or URL; empty for a picture that came as bytes
    width: int  # pixels of the original, after EXIF orientation
    height: int
    bytes: int
    media_type: str  # "image/jpeg"
    taken: datetime | None = None  # EXIF time taken, else the file's modification time
    phash: str = ""  # 16 hex digits: 64-bit perceptual hash
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record: the fields above, dates in ISO 8601."""
        return {
            "id": self.id,
            "path": self.path,
            "width": self.width,
            "height": self.height,
            "bytes": self.bytes,
            "media_type": self.media_type,
            "taken": self.taken.isoformat() if self.taken else None,
            "phash": self.phash,
            "attributes": {k: _jsonable(v) for k, v in self.attributes.items()},
        }


def _jsonable(value: AttributeValue) -> str | float | bool | list[str]:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


HeardAs = Literal["auto", "speech", "sound"]


class Composable:
    """What questions are made of: `a & b` is all of them, `a | b` any of them, `~a` none of it."""

    __slots__ = ()

    def __and__(self, other: Question) -> AllOf:
        return AllOf((*_flat(self, AllOf), *_flat(other, AllOf)))

    def __or__(self, other: Question) -> AnyOf:
        return AnyOf((*_flat(self, AnyOf), *_flat(other, AnyOf)))

    def __invert__(self) -> Question:
        return self.part if isinstance(self, Not) else Not(cast("Question", self))


@dataclass(frozen=True, slots=True)
class Query(Composable):
    """What is looked for: words, a picture, a recording, a concept, or several of them, each with its weight in the
    mean; then turned towards the items that it is to be like, and away from those that it is to be unlike."""

    text: str | None = None
    image: ImageSource | None = None
    audio: AudioSource | None = None
    text_weight: float = 1.0
    image_weight: float = 1.0
    audio_weight: float = 1.0
    audio_as: HeardAs = "auto"  # whether the recording is taken for speech or for a sound; "auto" listens
    transcript: str | None = None  # what is said in the recording, where that is known better than recognised
    concept: str | None = None  # the name of one that the gallery keeps
    concept_weight: float = 1.0
    like: tuple[str, ...] = ()  # ids of items
    unlike: tuple[str, ...] = ()

    @property
    def has_parts(self) -> bool:
        """Whether there is anything but examples."""
        return any(part is not None for part in (self.text, self.image, self.audio, self.concept))


@dataclass(frozen=True, slots=True)
class AllOf(Composable):
    """Items that match every part; without weights all parts count alike."""

    parts: tuple[Question, ...]
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf(Composable):
    """Items that match at least one part."""

    parts: tuple[Question, ...]
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Not(Composable):
    """Items that do not show it."""

    part: Question


Question = Query | AllOf | AnyOf | Not


def _flat(question: Composable, kind: type[AllOf | AnyOf]) -> tuple[Question, ...]:
    if isinstance(question, kind) and not question.weights:
        return question.parts
    return (cast("Question", question),)


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of a composed question says of a hit."""

    asked: str
    probability: float  # that the item matches this part; of one that is not wanted, that it shows it
    wanted: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {"asked": self.asked, "probability": round(self.probability, 4), "wanted": self.wanted}


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was made of a query's recording."""

    kind: Literal["speech", "sound", "both"]
    seconds: float
    speech: float  # how likely somebody speaks, 0 to 1
    transcript: str = ""  # what was said
    readings: tuple[tuple[str, float], ...] = ()  # all that it may have been, with weights that sum to 1
    tags: tuple[tuple[str, float], ...] = ()  # what it sounds like, the likeliest first, each 0 to 1
    notes: tuple[str, ...] = ()  # what the user should know of the recording

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "seconds": round(self.seconds, 3),
            "speech": round(self.speech, 4),
            "transcript": self.transcript,
            "readings": [{"text": text, "weight": round(weight, 4)} for text, weight in self.readings],
            "tags": [{"name": name, "score": round(score, 4)} for name, score in self.tags],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer. `score` is the cosine between query and item, in [-1, 1]; `probability` is how likely the item is
    one of those asked for, None where the model was never calibrated."""

    rank: int  # from 1
    score: float
    item: Item
    second: float | None = None  # of the query's recording, where the window that fits best begins
    probability: float | None = None
    parts: tuple[Part, ...] = ()  # of a composed question
    duplicates: tuple[Item, ...] = ()  # less good hits that show the same picture
    vector: Vectors | None = field(default=None, repr=False, compare=False)  # the item's [dim], of length 1

    @property
    def id(self) -> str:
        return self.item.id

    @property
    def path(self) -> str:
        return self.item.path

    def to_dict(self) -> dict[str, Any]:
        """`{"rank", "id", "path", "score", ...}`: the shape that `search --json` prints."""
        record = self.item.to_dict()
        head = {"rank": self.rank, "id": record.pop("id"), "path": record.pop("path")}
        chance = {} if self.probability is None else {"probability": round(self.probability, 4)}
        parts = {"parts": [part.to_dict() for part in self.parts]} if self.parts else {}
        second = {} if self.second is None else {"second": round(self.second, 3)}
        copies = (
            {"duplicates": [{"id": one.id, "path": one.path} for one in self.duplicates]} if self.duplicates else {}
        )
        return {**head, "score": round(self.score, 6), **chance, **second, **parts, **copies, **record}


@dataclass(frozen=True, slots=True)
class Result:
    """The answers to one query, best first. In a notebook it shows as a grid of pictures.

    Iterating gives the nearest items, whether they match or not; `matches` are those likely asked for."""

    hits: tuple[Hit, ...]
    heard: Hearing | None = None  # where the query had a recording
    confidence: float | None = None  # how likely the gallery holds what was asked; None without a calibration
    threshold: float = 0.0  # of the confidence: below it nothing matches
    cutoff: float = 0.0  # of a hit's probability: below it a hit is no match
    notes: tuple[str, ...] = ()  # what the user should know of how the query was taken
    thumbnail: Callable[[str], bytes | None] = field(repr=False, compare=False, default=lambda _: None)

    @property
    def found(self) -> bool:
        """Whether anything matches."""
        return bool(self.hits) and (self.confidence is None or self.confidence >= self.threshold)

    @property
    def matches(self) -> tuple[Hit, ...]:
        """The hits likely asked for, the best one at least; none where nothing matches."""
        if not self.found:
            return ()
        likely = (hit for hit in self.hits[1:] if hit.probability is None or hit.probability >= self.cutoff)
        return (self.hits[0], *likely)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, index: int) -> Hit:
        return self.hits[index]

    def to_dict(self) -> dict[str, Any]:
        """`{"found", "matches", "hits": [...]}`, with "confidence" where it is known, "heard" for a recording and
        "notes" where there are any: the shape that `search --json` prints."""
        head: dict[str, Any] = {"found": self.found, "matches": len(self.matches)}
        if self.confidence is not None:
            head |= {"confidence": round(self.confidence, 4)}
        if self.heard:
            head |= {"heard": self.heard.to_dict()}
        if self.notes:
            head |= {"notes": list(self.notes)}
        return {**head, "hits": [hit.to_dict() for hit in self.hits]}

    def _repr_html_(self) -> str:
        if not self.hits:
            return "<p>Nothing found.</p>"
        shown = self.matches or self.hits
        cells = "".join(_figure(hit, self.thumbnail(hit.id)) for hit in shown)
        head = "" if self.found else "<p>Nothing matches. The closest:</p>"
        return f'{head}<div style="display:flex;flex-wrap:wrap;gap:8px">{cells}</div>'


def _figure(hit: Hit, jpeg: bytes | None) -> str:
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
    title = html.escape(hit.path or hit.id, quote=True)
    chance = "" if hit.probability is None else f" · {hit.probability:.0%}"
    return (
        f'<figure style="margin:0" title="{title}"><img src="{source}" alt="{title}" style="height:160px">'
        f"<figcaption>{hit.rank} · {hit.score:.3f}{chance}</figcaption></figure>"
    )
