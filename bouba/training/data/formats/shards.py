"""WebDataset's tar shards as img2dataset writes them: KEY.jpg beside KEY.txt and KEY.json.

The layout: github.com/webdataset/webdataset, "The WebDataset format": members of one sample share the name up to the
first dot of its last part; github.com/rom1504/img2dataset, "output_format": KEY.json has "caption"."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, BinaryIO

from bouba.errors import ManifestError, MediaCorrupt
from bouba.media import tar
from bouba.media.tar import tar_members
from bouba.training.data.formats.table import Table
from bouba.training.data.media import Member

_IMAGES = frozenset("jpg jpeg png webp gif bmp tif tiff avif heic heif".split())
_SOUNDS = frozenset("wav flac mp3 ogg opus m4a".split())
_NAME = re.compile(r"((?:.*/)?[^/.]+)\.([^/]*)")
_MAX_TEXT_BYTES = 2**24  # of KEY.json and KEY.txt


def read_shard(path: Path) -> Table:
    """Raises ManifestError for a shard that is compressed, cut short or damaged."""
    samples: dict[str, dict[str, Any]] = {}
    try:
        with path.open("rb") as file:
            for member in tar_members(file, str(path)):
                if found := _NAME.fullmatch(member.name.removeprefix("./")):
                    sample = samples.setdefault(found[1], {})
                    _take(path, file, member, found[1], found[2].lower(), sample)
    except (OSError, MediaCorrupt) as error:
        words = str(error).removeprefix(f"{path}: ").removeprefix("is not a tar file that can be read. ")
        raise ManifestError(f"{path} is not a tar file that can be read: {words}") from error
    rows = [(f"{path.name}, {key}", _row(sample)) for key, sample in samples.items()]
    columns = dict.fromkeys(name for _, row in rows for name in row)
    return Table(tuple(columns), lambda wanted: rows)


def _take(path: Path, file: BinaryIO, member: tar.Member, key: str, kind: str, sample: dict[str, Any]) -> None:
    """Put one member into its sample; kinds that nobody asked for (npy, cls) are left."""
    origin = f"{path.name}, {key}"
    if member.sparse:
        raise ManifestError(f"{path}: {member.name} is a sparse file. Write the shard again without.")
    column = "image" if kind in _IMAGES else "audio" if kind in _SOUNDS else kind
    if column in sample:
        raise ManifestError(f"{origin} has a second {column} ({member.name}): keys are not unique in this shard.")
    if kind in _IMAGES or kind in _SOUNDS:
        sample[column] = Member(str(path), member.offset, member.size, f"{path.stem}/{key}")
    elif kind in ("txt", "json"):
        text = _text(file, member, origin)
        sample[column] = _metadata(text, f"{origin}.json") if kind == "json" else text


def _text(file: BinaryIO, member: tar.Member, origin: str) -> str:
    if member.size > _MAX_TEXT_BYTES:
        raise ManifestError(f"{origin}: {member.name} has {member.size:,} bytes, the limit is {_MAX_TEXT_BYTES:,}.")
    file.seek(member.offset)
    try:
        return file.read(member.size).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{origin}: {member.name} is not UTF-8: {error.reason}.") from error


def _metadata(text: str, origin: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{origin} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ManifestError(f"{origin} is not a JSON object.")
    return value


def _row(sample: dict[str, Any]) -> dict[str, Any]:
    """The columns of KEY.json, with the media and the text of the sample itself in place of any so named."""
    row = {**sample.get("json", {}), "image": sample.get("image"), "audio": sample.get("audio")}
    if "txt" in sample:
        row["txt"] = sample["txt"]
        row["caption"] = row.get("caption") or sample["txt"]
    return {name: value for name, value in row.items() if value is not None}
