"""What one sees in a photo where a sound is heard, for each of AudioSet's 521 classes: seen.tsv, written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Literal, cast, get_args

from bouba.errors import TrainingError

Kind = Literal["speech", "sound", "music", "none"]
TABLE = "seen.tsv"
COLUMNS = ["class", "kind", "weight", "seen"]
BETWEEN = " | "


@dataclass(frozen=True, slots=True)
class SoundClass:
    """A class of sounds and what it looks like.

    `kind` is speech where words can be understood, none where nothing in particular makes the sound. `weight`, 0 to 1,
    says how much one expects to see something in particular; `seen` has phrases of captions, the likeliest first, and
    is empty exactly where the weight is 0."""

    name: str
    kind: Kind
    weight: float
    seen: tuple[str, ...]


def read_classes() -> tuple[SoundClass, ...]:
    """In YAMNet's order. Raises TrainingError for a table with a mistake, naming the line."""
    return parse_classes((resources.files(__package__) / TABLE).read_text(encoding="utf-8"))


def parse_classes(table: str) -> tuple[SoundClass, ...]:
    header, *lines = table.splitlines()
    if header.split("\t") != COLUMNS:
        raise TrainingError(f"{TABLE} line 1: the columns are {header.split()}, and must be {COLUMNS}.")
    classes: dict[str, SoundClass] = {}
    for number, line in enumerate(lines, 2):
        try:
            found = _parse(line)
            if found.name in classes:
                raise ValueError(f"{found.name!r} is there twice")
        except ValueError as error:
            raise TrainingError(f"{TABLE} line {number}: {error}.") from error
        classes[found.name] = found
    return tuple(classes.values())


def _parse(line: str) -> SoundClass:
    fields = line.split("\t")
    if len(fields) != len(COLUMNS):
        raise ValueError(f"{len(fields)} columns, not {len(COLUMNS)}, divided by tabs")
    name, kind, number, phrases = fields
    if kind not in get_args(Kind):
        raise ValueError(f"kind {kind!r} is none of {', '.join(get_args(Kind))}")
    weight = float(number)
    if not 0 <= weight <= 1:
        raise ValueError(f"weight {number} is not between 0 and 1")
    seen = tuple(phrases.split(BETWEEN)) if phrases else ()
    if not name or any(not phrase or phrase != phrase.strip() for phrase in seen):
        raise ValueError(f"a name or a phrase is empty or has spaces around it: {line!r}")
    if bool(seen) != (weight > 0):
        raise ValueError(f"weight {number} with {len(seen)} phrases: none goes with 0, and only with 0")
    return SoundClass(name, cast(Kind, kind), weight, seen)
