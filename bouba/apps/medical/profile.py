"""DICOM PS3.15 (2026c), Annex E: the basic application level confidentiality profile as data.

`profile.tsv` is Table E.1-1 row by row: tag (`x` for any digit of a repeating group), action, name. The one row that is
a rule instead of a tag, private attributes, is `is_private` here. Actions, of Table E.1-1a: X remove, Z make empty,
D replace by a dummy, U replace by a UID that is the same for the same input. Where the table leaves a choice, which
depends on whether an object's definition wants the attribute, that action is taken which every definition allows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Action(StrEnum):
    """What is done with an attribute."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"


# X/Z: empty is allowed for types 2 and 3, D for all types. "X/Z/U*" is for sequences of references: they stay, and the
# UIDs in their items are replaced.
CHOICES: Mapping[str, Action] = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.UID,
    "X/Z": Action.EMPTY,
    "Z/D": Action.DUMMY,
    "X/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.UID,
}

# Retain Patient Characteristics Option: its column's K.
CHARACTERISTICS = frozenset(
    {0x00100040, 0x00101010, 0x00101020, 0x00101030, 0x00102160, 0x001021A0, 0x001021C0, 0x00102203}
)


@cache
def table() -> Mapping[str, tuple[str, str]]:
    """Table E.1-1: tag, as eight hexadecimal digits of which some may be `x`, -> the table's action, the name."""
    rows = (files("bouba.apps.medical") / "profile.tsv").read_text(encoding="utf-8").splitlines()
    split = (row.split("\t") for row in rows)
    return {tag: (action, name) for tag, action, name in split}


@cache
def action_of(tag: int) -> Action | None:
    """Of a tag as a 32-bit number; None for one that the profile leaves as it is."""
    key = f"{tag:08X}"
    group = f"{key[:2]}xx"
    found = next((table()[name] for name in (key, group + key[4:], f"{group}xxxx") if name in table()), None)
    return CHOICES[found[0]] if found else None


def is_private(tag: int) -> bool:
    return bool(tag >> 16 & 1)
