"""For each part of a query a number and a map, whatever the model and wherever the picture still is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import write_tiny_model

import bouba
from bouba.errors import MediaMissing, QueryError
from bouba.explain import explain
from bouba.types import Item, Query


@pytest.fixture(params=["grid", "crops"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def gallery(method: str, tmp_path: Path) -> Iterator[bouba.Gallery]:
    if method == "crops":
        folder = write_tiny_model(tmp_path / "model")
    else:
        pytest.importorskip("torch")
        from tiny_grid import write_tiny_grid

        folder = write_tiny_grid(tmp_path / "model")
    with bouba.open("memory://", folder) as opened:
        yield opened


@pytest.fixture
def cornered(tmp_path: Path) -> Path:
    """Blue, a red square in the lower right, a green one in the upper left."""
    path = tmp_path / "corners.png"
    image = Image.new("RGB", (400, 300), "blue")
    image.paste("red", (260, 190, 400, 300))
    image.paste("#00ff00", (0, 0, 130, 100))
    image.save(path)
    return path


def added(gallery: bouba.Gallery, path: Path) -> Item:
    gallery.add([path, *_others(path.parent)])
    return gallery.find(str(path))[0]


def _others(folder: Path) -> list[Path]:
    path = folder / "yellow.png"
    Image.new("RGB", (60, 60), "yellow").save(path)
    return [path]


def test_each_part_has_its_own_map_and_number(gallery: bouba.Gallery, method: str, cornered: Path) -> None:
    item = added(gallery, cornered)
    green = gallery.encode(Query("green"))
    found = explain(gallery, item, {"a": Query("red"), "b": green, "both": Query("red", image=cornered)})
    assert found.method == method
    assert [heat.name for heat in found.heats] == ["a", "b", "both"]
    assert [heat.where for heat in found.heats[:2]] == ["lower right", "upper left"]
    assert found.notes == ()
    for heat, query in zip(found.heats, ("red", "green"), strict=False):
        hit = next(hit for hit in gallery.search(query) if hit.id == item.id)
        assert heat.score == pytest.approx(hit.score, abs=1e-5)


def test_a_text_alone(gallery: bouba.Gallery, cornered: Path) -> None:
    (heat,) = explain(gallery, added(gallery, cornered), "red").heats
    x, y = heat.peak
    assert heat.name == "red"
    assert 0.65 < x < 1
    assert 0.6 < y < 1


def test_the_record_is_json(gallery: bouba.Gallery, cornered: Path) -> None:
    found = explain(gallery, added(gallery, cornered), "red")
    record = json.loads(json.dumps(found.to_dict()))
    assert record["path"] == str(cornered)
    assert record["box"] == [0, 0, 1, 1]
    (part,) = record["parts"]
    assert set(part) == {"part", "score", "where", "peak", "cells"}
    np.testing.assert_allclose(part["cells"], found.heats[0].cells, atol=1e-4)


def test_the_overlay_is_the_picture_for_each_part(gallery: bouba.Gallery, cornered: Path) -> None:
    item = added(gallery, cornered)
    one, two = (explain(gallery, item, {name: Query("red") for name in names}).overlay() for names in ("a", "ab"))
    assert one.size == (400, 300)
    assert two.height == 300
    assert two.width > 800


def test_a_file_that_is_gone_or_changed_is_shown_by_its_thumbnail(gallery: bouba.Gallery, cornered: Path) -> None:
    item = added(gallery, cornered)
    Image.new("RGB", (400, 300), "white").save(cornered)
    changed = explain(gallery, item, "red")
    cornered.unlink()
    gone = explain(gallery, item, "red")
    for found, reason in ((changed, "has changed since it was added"), (gone, "no such file")):
        assert found.heats[0].where == "lower right"
        assert max(found.picture.size) <= 256
        (note,) = found.notes
        assert reason in note
        assert "thumbnail" in note


def test_a_picture_that_came_as_bytes(gallery: bouba.Gallery, cornered: Path) -> None:
    gallery.add(cornered.read_bytes())
    (item,) = gallery.items()
    found = explain(gallery, item, "red")
    assert found.heats[0].where == "lower right"
    assert "was added without a file" in found.notes[0]


def test_no_file_and_no_thumbnail(
    gallery: bouba.Gallery, cornered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    item = added(gallery, cornered)
    cornered.unlink()
    monkeypatch.setattr(gallery, "thumbnail", lambda _: None)
    with pytest.raises(MediaMissing, match=r"corners\.png.*No thumbnail"):
        explain(gallery, item, "red")


def test_what_cannot_be_explained(gallery: bouba.Gallery, cornered: Path) -> None:
    item = added(gallery, cornered)
    with pytest.raises(QueryError, match="Nothing was asked"):
        explain(gallery, item, {})
    gallery.delete([item.id])
    with pytest.raises(QueryError, match=r"corners\.png is not in this gallery"):
        explain(gallery, item, "red")


def test_a_model_that_sees_the_middle_square(gallery: bouba.Gallery, tmp_path: Path) -> None:
    """Its map covers that square, and what lies outside draws nothing."""
    folder = gallery.model.folder
    manifest = json.loads((folder / "model.json").read_text())
    manifest["image"]["resize"] = "crop"
    (folder / "model.json").write_text(json.dumps(manifest))
    path = tmp_path / "wide.png"
    image = Image.new("RGB", (900, 300), "blue")
    image.paste("red", (0, 0, 250, 300))  # unseen
    image.paste("red", (500, 0, 600, 300))
    image.save(path)
    with bouba.open("memory://", folder) as square:
        found = explain(square, added(square, path), "red")
    left, top, right, bottom = found.box
    assert (left, right) == (found.picture.width / 3, found.picture.width * 2 / 3)
    assert (top, bottom) == (0, found.picture.height)
    assert found.heats[0].peak[0] > 0.6
