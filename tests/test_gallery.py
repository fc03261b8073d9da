"""The two verbs, and what a gallery remembers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import write_tiny_model

import bouba
from bouba.encoders import Model
from bouba.errors import (
    GalleryBroken,
    GalleryMissing,
    MediaEmpty,
    MediaMissing,
    ModelMismatch,
    ModelMissing,
    QueryError,
    StoreUnknown,
    WhereError,
)


@pytest.fixture
def filled(gallery: bouba.Gallery, photos: Path) -> bouba.Gallery:
    gallery.add(photos)
    return gallery


def test_text_finds_its_colour(filled: bouba.Gallery) -> None:
    result = filled.search("red", k=3)
    assert {Path(hit.path).stem for hit in result.hits[:2]} == {"red"}
    assert [hit.rank for hit in result] == [1, 2, 3]
    assert result.hits[0].score > 0.99
    assert [hit.score for hit in result] == sorted((hit.score for hit in result), reverse=True)


def test_picture_finds_itself(filled: bouba.Gallery, photos: Path) -> None:
    best = filled.search(image=photos / "blue.png", k=1)[0]
    assert (best.path, round(best.score, 4)) == (str(photos / "blue.png"), 1.0)


def test_text_and_picture_together(filled: bouba.Gallery, photos: Path) -> None:
    def scores(**weights: float) -> dict[str, float]:
        result = filled.search(bouba.Query("red", image=photos / "green.png", **weights))
        return {Path(hit.path).stem: hit.score for hit in result}

    assert scores()["red"] == pytest.approx(scores()["green"], abs=0.05)
    assert scores()["red"] > scores()["blue"] + 0.5
    assert next(iter(scores(text_weight=5))) == "red"
    assert next(iter(scores(image_weight=5))) == "green"


def test_score_is_the_cosine(filled: bouba.Gallery, tiny_model: Model, photos: Path) -> None:
    hit = filled.search("yellow", k=1)[0]
    with Image.open(hit.path) as image:
        vector = tiny_model.encode_image([image.convert("RGB")])[0]
    assert hit.score == pytest.approx(float(vector @ tiny_model.encode_text(["yellow"])[0]), abs=1e-5)


def test_filter(filled: bouba.Gallery) -> None:
    result = filled.search("red", where='media_type = "image/jpeg"')
    assert len(result) == 6
    assert all(hit.item.media_type == "image/jpeg" for hit in result)
    assert not filled.search("red", where="width > 100000").found


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, QueryError),
        ({"query": ""}, MediaEmpty),
        ({"query": " \n\t "}, MediaEmpty),
        ({"query": "red", "k": 0}, QueryError),
        ({"query": "red", "k": 10**6}, QueryError),
        ({"query": "red", "k": "5"}, QueryError),
        ({"query": bouba.Query("red", text_weight=0)}, QueryError),
        ({"query": bouba.Query("red", text_weight=float("nan"))}, QueryError),
        ({"query": "red", "where": "colour = 1"}, WhereError),
        ({"query": "red", "where": ""}, WhereError),
        ({"image": "no/such.png"}, MediaMissing),
    ],
)
def test_bad_questions(filled: bouba.Gallery, arguments: dict, error: type[Exception]) -> None:
    with pytest.raises(error):
        filled.search(**arguments)


def test_long_text_is_read_to_its_end(filled: bouba.Gallery) -> None:
    text = "red " * 8 + "blue " * 200
    assert Path(filled.search(text, k=1)[0].path).stem == "blue"


def test_delete(filled: bouba.Gallery, photos: Path) -> None:
    ids = [hit.id for hit in filled.search("red", k=2)]
    assert filled.delete(ids) == 2
    assert filled.delete(ids) == 0
    assert (len(filled), filled.known(ids), filled.thumbnail(ids[0])) == (10, set(), None)
    assert filled.add(photos).added == 2


def test_find_by_prefix_and_path(filled: bouba.Gallery, photos: Path) -> None:
    item = filled.find(str(photos / "red.png"))[0]
    assert filled.find(item.id[:8]) == [item]
    assert filled.find("ffffffff00") == []
    assert filled.find(str(photos / "none.png")) == []


def test_result_as_json_and_html(filled: bouba.Gallery) -> None:
    result = filled.search("red", k=2)
    shape = json.loads(json.dumps(result.to_dict()))
    assert shape["found"] is True
    assert list(shape["hits"][0])[:4] == ["rank", "id", "path", "score"]
    html = result._repr_html_()
    assert html.count("<img") == 2
    assert html.count("data:image/jpeg;base64,/9j/") == 2


def test_html_escapes_hostile_names(gallery: bouba.Gallery, paint) -> None:
    gallery.add(paint("red", 'a"><script>x.png'))
    assert "<script>" not in gallery.search("red")._repr_html_()


def test_empty_gallery_finds_nothing(gallery: bouba.Gallery) -> None:
    assert (len(gallery), gallery.search("red").found, list(gallery.items())) == (0, False, [])


class TestOnDisk:
    @pytest.fixture
    def place(self, tmp_path: Path, photos: Path, tiny_model_folder: Path) -> Path:
        with bouba.open(tmp_path / "g", tiny_model_folder) as gallery:
            gallery.add(photos)
        return tmp_path / "g"

    def test_reopened_with_its_own_model(self, place: Path) -> None:
        with bouba.open(place) as gallery:
            assert (gallery.model.name, len(gallery)) == ("tiny", 12)
            assert gallery.search("red", k=1).found

    def test_another_model_is_refused_by_name(self, place: Path, tmp_path: Path) -> None:
        other = write_tiny_model(tmp_path / "other", "stranger", bias=100.0)
        with pytest.raises(ModelMismatch) as error:
            bouba.open(place, other)
        for part in ("tiny 0.1", "stranger 0.1", "--gallery OTHER"):
            assert part in str(error.value)

    def test_the_same_model_elsewhere_is_welcome(self, place: Path, tmp_path: Path) -> None:
        assert len(bouba.open(place, write_tiny_model(tmp_path / "copy"))) == 12

    def test_its_model_is_gone(self, place: Path, tmp_path: Path) -> None:
        meta = json.loads((place / "gallery.json").read_text())
        meta["gallery"]["model"]["source"] = str(tmp_path / "gone")
        (place / "gallery.json").write_text(json.dumps(meta))
        with pytest.raises(ModelMissing, match="--model"):
            bouba.open(place)

    def test_newer_format(self, place: Path) -> None:
        meta = json.loads((place / "gallery.json").read_text())
        (place / "gallery.json").write_text(json.dumps({**meta, "format": 99}))
        with pytest.raises(GalleryBroken, match="newer"):
            bouba.open(place)

    def test_lost_ledger_costs_no_picture(self, place: Path, photos: Path) -> None:
        (place / "ledger.sqlite").unlink()
        with bouba.open(place) as gallery:
            assert gallery.search("red").found
            assert gallery.add(photos).added == 0
            assert len(gallery) == 12

    def test_damaged_ledger_says_what_to_do(self, place: Path, photos: Path) -> None:
        (place / "ledger.sqlite").write_bytes(b"not a database" * 100)
        with bouba.open(place) as gallery, pytest.raises(GalleryBroken, match="Delete that one file"):
            gallery.add(photos)


def test_places_that_are_no_gallery(tmp_path: Path) -> None:
    with pytest.raises(GalleryMissing, match="bouba add"):
        bouba.open(tmp_path / "none", must_exist=True)
    with pytest.raises(StoreUnknown, match="ftp"):
        bouba.open("ftp://host/x")
    with pytest.raises(ModelMissing, match=r"model\.json"):
        bouba.open(tmp_path / "g", tmp_path)


def test_vectors_are_unit_and_float32(filled: bouba.Gallery) -> None:
    for _, vectors in filled.batches():
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_where_the_own_model_was_replaced_migrating_is_all_that_is_advised(tmp_path: Path, photos: Path) -> None:
    folder = write_tiny_model(tmp_path / "own")
    with bouba.open(tmp_path / "g", folder) as gallery:
        gallery.add(photos)
    write_tiny_model(folder, bias=90.0)
    with pytest.raises(ModelMismatch, match=r"compared\. Go over to this one: bouba migrate") as told:
        bouba.open(tmp_path / "g")
    assert "without naming" not in str(told.value)
