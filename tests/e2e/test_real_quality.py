"""The built-in model on real photos that it was not trained on. The full figures: `python -m benchmarks.recall`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import bouba

PHOTOS = 150


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[dict]:
    lines = (shared / "flickr8k/pairs.jsonl").read_text(encoding="utf-8").splitlines()
    val = [row for row in map(json.loads, lines) if row["split"] == "val"][:PHOTOS]
    return [{**row, "image": str(shared / "flickr8k" / row["image"])} for row in val]


@pytest.fixture(scope="module")
def gallery(rows: list[dict], tmp_path_factory: pytest.TempPathFactory) -> Iterator[bouba.Gallery]:
    place = tmp_path_factory.mktemp("real")
    (place / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with bouba.open(place / "gallery") as opened:
        assert opened.add(place / "pairs.jsonl").added == PHOTOS
        yield opened


def test_captions_find_their_photos(gallery: bouba.Gallery, rows: list[dict]) -> None:
    found = [any(hit.path == row["image"] for hit in gallery.search(row["captions"][0], k=10)) for row in rows]
    assert sum(found) / PHOTOS > 0.85


def test_photos_find_themselves(gallery: bouba.Gallery, rows: list[dict]) -> None:
    for row in rows[:20]:
        best = gallery.search(image=row["image"], k=1)[0]
        assert best.path == row["image"]
        assert best.score > 0.999


def test_captions_are_attributes_to_filter_on(gallery: bouba.Gallery, rows: list[dict]) -> None:
    caption = rows[0]["captions"][0].replace("\\", "\\\\").replace('"', '""')
    assert [item.path for item in gallery.items(f'captions has "{caption}"')] == [rows[0]["image"]]


def test_a_vector_does_not_depend_on_its_batch(gallery: bouba.Gallery, rows: list[dict]) -> None:
    texts = [row["captions"][0] for row in rows[:20]]
    together = gallery.model.encode_text(texts)
    alone = [gallery.model.encode_text([text])[0] for text in texts]
    assert min(float(a @ b) for a, b in zip(together, alone, strict=True)) > 0.9999
