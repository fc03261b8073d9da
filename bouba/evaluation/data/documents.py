"""Datasets in one JSON document: Karpathy's splits and COCO's captions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bouba.errors import ManifestError
from bouba.evaluation.data.lines import Record, Table, one_text, read_text


def read_document(path: Path) -> Table | None:
    """The captions of a `.json` file, or None if it is JSON lines under that name.

    Karpathy: `{"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]}`
    (cs.stanford.edu/people/karpathy/deepimagesent). Every split is told apart: `restval` is not `train`.
    COCO: `{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}`
    (cocodataset.org/#format-data)."""
    document = _document(path)
    if document is None:
        return None
    if not isinstance(document, dict) or "images" not in document:
        raise ManifestError(
            f"{path}: a JSON document without 'images' is not COCO's or Karpathy's. Write rows as .jsonl."
        )
    reader = _coco if "annotations" in document else _karpathy
    return Table("captions", tuple(reader(path, document)))


def _document(path: Path) -> object:
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # a second line: JSON lines
            return None
        raise ManifestError(f"{path.name}, line {error.lineno} is not JSON: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path.name} is not JSON that can be read: {error}.") from error


def _karpathy(path: Path, document: Mapping[str, Any]) -> Iterator[Record]:
    for origin, image in _entries(path, document, "images"):
        folder = one_text(image.get("filepath"), origin, "filepath")
        name = _required(image, "filename", origin)
        captions = [_required(s, "raw", where) for where, s in _entries(path, image, "sentences", origin)]
        split = one_text(image.get("split"), origin, "split") or None
        yield Record(origin, f"{folder}/{name}" if folder else name, tuple(captions), split)


def _coco(path: Path, document: Mapping[str, Any]) -> Iterator[Record]:
    captions: dict[object, list[str]] = {}
    images = []
    for origin, image in _entries(path, document, "images"):
        key = _key(image, "id", origin)
        if key in captions:
            raise ManifestError(f"{origin}: a second image has the id {key}.")
        captions[key] = []
        images.append((origin, _required(image, "file_name", origin), captions[key]))
    for origin, annotation in _entries(path, document, "annotations"):
        key = _key(annotation, "image_id", origin)
        if key not in captions:
            raise ManifestError(f"{origin}: no image has the id {key}.")
        captions[key].append(_required(annotation, "caption", origin))
    for origin, name, texts in images:
        yield Record(origin, name, tuple(texts))


def _entries(
    path: Path, holder: Mapping[str, Any], name: str, inside: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    entries = holder.get(name)
    where = inside or path.name
    if not isinstance(entries, list):
        raise ManifestError(f"{where}: {name} is not a list.")
    for number, entry in enumerate(entries):
        origin = f"{where}, {name}[{number}]"
        if not isinstance(entry, dict):
            raise ManifestError(f"{origin} is not an object.")
        yield origin, entry


def _required(entry: Mapping[str, Any], name: str, origin: str) -> str:
    text = one_text(entry.get(name), origin, name)
    if not text:
        raise ManifestError(f"{origin} has no {name}.")
    return text


def _key(entry: Mapping[str, Any], name: str, origin: str) -> int | str:
    key = entry.get(name)
    if not isinstance(key, int | str):
        raise ManifestError(f"{origin}: {name} holds {key!a:.60}, not a number or a text.")
    return key
