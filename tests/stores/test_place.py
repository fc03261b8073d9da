"""A gallery's URI, taken apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from bouba.errors import StoreUnknown
from bouba.stores import open_store
from bouba.stores.place import Place


def test_a_path_is_a_folder_and_has_no_options(tmp_path: Path) -> None:
    place = Place.of(tmp_path / "what?a=1")
    assert (place.scheme, place.uri, dict(place.options)) == ("file", str(tmp_path / "what?a=1"), {})
    assert place.folder == tmp_path / "what?a=1"
    assert Place.of("~/photos").folder == Path.home() / "photos"


def test_options_stand_after_the_question_mark() -> None:
    place = Place.of("far://host:1/photos?a=1&b=x%20y")
    assert (place.scheme, place.rest, dict(place.options)) == ("far", "host:1/photos", {"a": "1", "b": "x y"})
    assert place.uri == "far://host:1/photos"
    with pytest.raises(StoreUnknown, match="NAME=VALUE"):
        Place.of("far://host/photos?a")


def test_passwords_are_never_shown() -> None:
    place = Place.of("far://ann:s3cret@host:1/photos?token=t0p")
    assert place.uri == "far://ann@host:1/photos"
    assert "s3cret" not in repr(place)
    assert "t0p" not in repr(place)


def test_a_store_elsewhere_has_a_folder_here_that_its_password_does_not_change() -> None:
    folders = {Place.of(f"far://{user}host/{name}").folder for user in ("a:1@", "a:2@") for name in "xy"}
    assert len(folders) == 2
    assert Place.of("memory://").folder is None


@pytest.mark.parametrize("uri", ["memory://?size=1", "file:///tmp/g?size=1"])
def test_unknown_options_are_refused(uri: str) -> None:
    with pytest.raises(StoreUnknown, match="no option 'size'"):
        open_store(uri)


def test_unknown_schemes_are_refused_with_the_known_ones() -> None:
    with pytest.raises(StoreUnknown, match="memory://"):
        open_store("ftp://host/x")
