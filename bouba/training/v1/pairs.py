"""The training data as pictures with the texts that describe them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """One picture and every text that it may be paired with."""

    image: Path
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where pairs come from, what they may be used for, and which fields of a row are its texts."""

    name: str
    manifest: str  # relative to the data folder
    fields: tuple[str, ...]
    terms: str
    url: str


SOURCES = (
    Source(
        "flickr8k",
        "flickr8k/pairs.jsonl",
        ("captions",),
        "research use; photos belong to their Flickr owners; cite Hodosh, Young and Hockenmaier 2013",
        "https://www.jair.org/index.php/jair/article/view/10833",
    ),
    Source(
        "web",
        "web/pairs.jsonl",
        ("captions",),
        "Conceptual-Captions style; images belong to their owners; research use",
        "https://ai.google.com/research/ConceptualCaptions/",
    ),
    Source("scenes", "scenes/pairs.jsonl", ("captions",), "none stated; research use", ""),
    Source(
        "objects",
        "objects/labels.jsonl",
        ("label", "synonyms"),
        "ImageNet terms: non-commercial research",
        "https://www.image-net.org/download.php",
    ),
)


def read_pairs(data: Path, source: Source, split: str) -> list[Pair]:
    """The rows of one split, in file order; a text that a row repeats is kept once."""
    folder = (data / source.manifest).parent
    pairs = []
    with (data / source.manifest).open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["split"] == split:
                pairs.append(Pair(folder / row["image"], _texts(row, source.fields)))
    return pairs


def _texts(row: dict[str, str | list[str]], fields: tuple[str, ...]) -> tuple[str, ...]:
    values = (row[name] for name in fields)
    texts = [text for value in values for text in ([value] if isinstance(value, str) else value)]
    return tuple(dict.fromkeys(texts))
