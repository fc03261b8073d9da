"""WebDataset's tar shards, as img2dataset writes them: KEY.jpg beside KEY.txt and KEY.json.

The layout: github.com/webdataset/webdataset, "The WebDataset format": members of one sample follow each other and share
the name up to the first dot of its last part; github.com/rom1504/img2dataset, "output_format"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from bouba.errors import ManifestError, MediaCorrupt, MediaError, MediaUnsupported
from bouba.ingest.attributes import field_name, normalise
from bouba.ingest.entries import Entry, recipe_of
from bouba.ingest.report import Failure
from bouba.media.blob import Blob, Part, State
from bouba.media.packed import member_path
from bouba.media.tar import Member, tar_members

if TYPE_CHECKING:
    from bouba.types import AttributeValue

IMAGES = frozenset("jpg jpeg jpe jfif png webp gif bmp tif tiff avif heic heif".split())
MAX_TEXT_BYTES = 2**20  # of KEY.json and KEY.txt
_NAME = re.compile(r"((?:.*/)?[^/.]+)\.([^/]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar file. Every picture in it is an entry; its texts and metadata become attributes."""

    blob: Blob
    state: State
    given: Mapping[str, AttributeValue] | None = None
    count: int | None = field(default=None, init=False)

    @property
    def recipe(self) -> str:
        return recipe_of("shard", sorted((self.given or {}).items()))

    def entries(self) -> Iterator[Entry | Failure]:
        lonely = 0
        with self.blob.open() as file:
            for sample in _samples(tar_members(file, self.blob.name)):
                pictures = [member for member in sample if _kind(member) in IMAGES]
                texts = [member for member in sample if _kind(member) in ("txt", "json")]
                lonely += bool(texts and not pictures)
                yield from self._sample(file, pictures, texts) if pictures else ()
        if lonely:
            raise ManifestError(
                f"{self.blob.name}: {lonely:,} texts have no picture beside them and were left out. The members of one "
                "sample must follow each other (tar --sort=name)."
            )

    def _sample(self, file: BinaryIO, pictures: list[Member], texts: list[Member]) -> Iterator[Entry | Failure]:
        try:
            attributes = {**self._attributes(file, texts), **(self.given or {})}
        except ManifestError as error:
            yield Failure.of(f"{self.blob.name}/{pictures[0].name}", error, self.blob.name)
            return
        for member in pictures:
            try:
                path = member_path(self.blob.name, member.name)
                if member.sparse:
                    raise MediaUnsupported(f"{path} is stored as a sparse file. Write the shard again without.")
                part = Part(self.blob, member.offset, member.size)
                yield Entry(part, path, attributes or None, self.state, self.blob.name)
            except MediaError as error:
                yield Failure.of(f"{self.blob.name}/{ascii(member.name)[1:-1]}", error, self.blob.name)

    def _attributes(self, file: BinaryIO, texts: list[Member]) -> dict[str, AttributeValue]:
        """The keys of KEY.json, and the text of KEY.txt as the caption unless they have one."""
        values: dict[str, object] = {}
        for member in sorted(texts, key=_kind):
            text = self._text(file, member)
            if _kind(member) == "json":
                values |= self._metadata(member, text)
            elif not values.get("caption"):
                values["caption"] = text.strip()
        settled = {field_name(name): normalise(value) for name, value in values.items() if name}
        return {name: value for name, value in settled.items() if value is not None}

    def _text(self, file: BinaryIO, member: Member) -> str:
        name = f"{self.blob.name}/{member.name}"
        if member.size > MAX_TEXT_BYTES or member.sparse:
            raise ManifestError(f"{name} has {member.size:,} bytes, the limit is {MAX_TEXT_BYTES:,}.")
        file.seek(member.offset)
        try:
            return file.read(member.size).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ManifestError(f"{name} is not UTF-8: {error.reason}.") from error

    def _metadata(self, member: Member, text: str) -> dict[str, object]:
        name = f"{self.blob.name}/{member.name}"
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"{name} is not JSON: {error}.") from error
        if not isinstance(value, dict):
            raise ManifestError(f"{name} is not a JSON object.")
        return value


def _samples(members: Iterator[Member]) -> Iterator[list[Member]]:
    sample: list[Member] = []
    try:
        for member in members:
            if sample and _key(member) != _key(sample[0]):
                yield sample
                sample = []
            sample.append(member)
    except MediaCorrupt:  # what comes before the damage counts
        if sample:
            yield sample
        raise
    if sample:
        yield sample


def _key(member: Member) -> str:
    found = _NAME.fullmatch(member.name.removeprefix("./"))
    return found[1] if found else member.name


def _kind(member: Member) -> str:
    return member.name.rpartition(".")[2].lower() if "." in member.name else ""
