"""Attributes that change while pictures stay."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import bouba
from bouba.encoders import Model
from bouba.errors import AttributeTypeError


@pytest.fixture
def filled(gallery: bouba.Gallery, photos: Path) -> bouba.Gallery:
    gallery.add(photos, {"price": 3, "brand": "Alma"})
    return gallery


def test_set_changed_and_taken_away(filled: bouba.Gallery) -> None:
    first, second, *others = sorted(filled.items(), key=lambda item: item.id)
    changes = {first.id: {"price": 4, "until": "x"}, second.id: {"brand": None}, "0" * 32: {"price": 5}}
    assert filled.update(changes) == 2
    now = {item.id: item for item in filled.items()}
    assert now[first.id].attributes == {"price": 4.0, "brand": "Alma", "until": "x"}
    assert now[second.id].attributes == {"price": 3.0}
    assert all(now[item.id] == item for item in others)
    assert filled.count("price > 3") == 1
    assert filled.update(changes) == 0


def test_nothing_is_encoded_and_vectors_stay(filled: bouba.Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError("a picture was encoded")

    before = {item.id: row.tolist() for items, rows in filled.batches() for item, row in zip(items, rows, strict=True)}
    monkeypatch.setattr(Model, "encode_pixels", refused)
    assert filled.update({id: {"price": 9} for id in before}) == len(before)
    after = {item.id: row.tolist() for items, rows in filled.batches() for item, row in zip(items, rows, strict=True)}
    assert before == after


def test_words_follow(filled: bouba.Gallery) -> None:
    item = next(iter(filled.items()))
    filled.update({item.id: {"title": "XK-4711 lamp"}})
    assert filled.search("XK-4711", k=1)[0].id == item.id


def test_a_value_that_does_not_fit_changes_nothing(filled: bouba.Gallery) -> None:
    first, second, *_ = filled.items()
    with pytest.raises(AttributeTypeError, match="'price' is a number"):
        filled.update({first.id: {"price": 8}, second.id: {"price": "cheap"}})
    with pytest.raises(AttributeTypeError, match="'made' is a date"):
        filled.update({first.id: {"made": datetime(2024, 1, 1)}, second.id: {"made": "yesterday"}})
    assert {item.attributes["price"] for item in filled.items()} == {3.0}
