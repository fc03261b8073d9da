"""Which columns of a pair file are pictures, sounds and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bouba.errors import ManifestError
from bouba.evaluation.data.rows import AUDIO_COLUMNS, TEXT_COLUMNS, column_of

# Of several, the first that a file has. Names that say only "a file" stand for a sound where a sound is named so too.
PICTURE_COLUMNS = tuple("image image_path image_file img img_path picture".split())
FILE_COLUMNS = tuple("path file file_path filepath filename file_name".split())


@dataclass(frozen=True, slots=True)
class Columns:
    """Column names; in what the caller asks for, None and () leave the choice to the file."""

    image: str | None = None
    audio: str | None = None
    texts: tuple[str, ...] = ()
    item: str | None = None
    group: str | None = None
    split: str | None = None

    @property
    def names(self) -> list[str]:
        named = (self.image, self.audio, *self.texts, self.item, self.group, self.split)
        return list(dict.fromkeys(name for name in named if name is not None))


def choose_columns(there: Sequence[str], asked: Columns, where: str) -> Columns:
    """The columns to read. Who names a picture or a sound column gets no other of the two.

    Raises ManifestError where a named column is missing, or nothing is known to hold media or texts."""

    def named(name: str | None) -> str | None:
        found = column_of(there, (name,)) if name else None
        if name and not found:
            raise ManifestError(f"{where}: none of its columns ({_listed(there)}) is called {name}.")
        return found

    image, audio = named(asked.image), named(asked.audio)
    if not image and not audio:
        audio = column_of(there, AUDIO_COLUMNS)
        image = column_of(there, PICTURE_COLUMNS if audio else PICTURE_COLUMNS + FILE_COLUMNS)
    if not image and not audio:
        raise ManifestError(
            f"{where}: none of its columns ({_listed(there)}) names pictures or sounds: call it "
            f"{PICTURE_COLUMNS[0]}, {FILE_COLUMNS[0]} or {AUDIO_COLUMNS[0]}, or say which one it is."
        )
    texts = tuple(filter(None, map(named, asked.texts))) or _known_texts(there)
    if not texts and not (image and audio):
        raise ManifestError(
            f"{where}: none of its columns ({_listed(there)}) is called {' or '.join(TEXT_COLUMNS)}. "
            "Name the ones with the texts."
        )
    return Columns(
        image, audio, texts, named(asked.item), named(asked.group), named(asked.split) or column_of(there, ("split",))
    )


def _known_texts(there: Sequence[str]) -> tuple[str, ...]:
    found = column_of(there, TEXT_COLUMNS)
    return (found,) if found else ()


def _listed(there: Sequence[str]) -> str:
    shown = ", ".join(map(str, there[:30]))
    return f"{shown}, ..." if len(there) > 30 else shown
