"""A client of a real server finds what the gallery finds, and fails as it fails."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import bouba
from bouba.client import Client
from bouba.encoders import Model, load_model
from bouba.errors import BoubaError, MediaUnsupported, ModelMissing, QueryError, WhereError
from bouba.types import Query, Result

pytest.importorskip("fastapi")


@pytest.fixture
def client(live: str) -> Iterator[Client]:
    with Client(live) as opened:
        yield opened


@pytest.fixture
def changing(photos: Path, tiny_model: Model) -> Iterator[tuple[Client, bouba.Gallery]]:
    """A client of a gallery that a test may change."""
    from live_server import live_server

    with bouba.open("memory://", tiny_model) as gallery, live_server(gallery) as url, Client(url) as client:
        gallery.add(photos)
        yield client, gallery


def same(ours: Result, theirs: Result) -> None:
    """But for the decimals that JSON leaves out, and what a server tells of duplicates."""
    assert [hit.id for hit in ours] == [hit.id for hit in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert replace(one.item, attributes={}) == replace(other.item, attributes={})
        assert one.item.attributes == other.item.attributes
        assert [(part.asked, part.wanted) for part in one.parts] == [(part.asked, part.wanted) for part in other.parts]
        assert [item.id for item in one.duplicates] == [item.id for item in other.duplicates]
        assert one.rank == other.rank
    assert (ours.found, ours.notes, ours.confidence) == (theirs.found, theirs.notes, theirs.confidence)
    assert ours.to_dict() == theirs.to_dict()


def test_search_has_the_signature_of_a_gallery() -> None:
    assert inspect.signature(Client.search) == inspect.signature(bouba.Gallery.search)


@pytest.mark.parametrize(
    "asked",
    [
        {"query": "red"},
        {"query": "red without blue", "k": 3},
        {"query": "red without blue", "k": 3, "exact": True},
        {"query": "green", "raw": True, "k": 5},
        {"query": "green", "diverse": True, "k": 5},
        {"query": "red", "where": "price < 5 and sold"},
        {"query": "blue", "where": "made > 2024-01-01"},
        {"query": Query("red") & ~Query("white") | Query("blue", text_weight=2)},
        {"query": Query("red", text_weight=0.5), "k": 1},
        {"query": "red", "where": "width > 100000"},
    ],
    ids=repr,
)
def test_the_same_hits(client: Client, stocked: bouba.Gallery, asked: dict[str, Any]) -> None:
    same(client.search(**asked), stocked.search(**asked))


def test_the_same_hits_for_pictures_and_examples(client: Client, stocked: bouba.Gallery, shelf: Path) -> None:
    blue, like = shelf / "photos/blue.png", [hit.id for hit in stocked.search("green", k=2)]
    with Image.open(blue) as held:
        for image in (blue, str(blue), blue.read_bytes(), held):
            same(client.search("red", image=image), stocked.search("red", image=image))
    same(client.search(image=io.BytesIO(blue.read_bytes()), k=1), stocked.search(image=blue, k=1))
    same(client.search("red", like=like, unlike=[]), stocked.search("red", like=like))
    same(client.search(~Query(image=blue) & Query("red")), stocked.search(~Query(image=blue) & Query("red")))


@pytest.mark.parametrize(
    "asked",
    [
        {"query": "red", "where": "prize < 5"},
        {"query": "red", "where": "price <"},
        {"query": ""},
        {},
        {"query": "red", "like": ["0" * 32]},
        {"query": "red", "min_probability": 0.5},  # not calibrated
        {"query": "red", "concept": "none"},
        {"query": "red", "raw": True, "diverse": True},
        {"image": b"no picture"},
        {"image": "https://example.org/a.jpg"},
        {"query": Query("red", text_weight=0.0)},
    ],
    ids=repr,
)
def test_the_same_errors(client: Client, stocked: bouba.Gallery, asked: dict[str, Any]) -> None:
    with pytest.raises(BoubaError) as here:
        stocked.search(**asked)
    with pytest.raises(BoubaError) as there:
        client.search(**asked)
    assert (type(there.value), str(there.value)) == (type(here.value), str(here.value))


@pytest.mark.parametrize("asked", [{"query": Query("red", text_weight=float("nan"))}, {"query": "red", "k": 0}])
def test_what_cannot_be_asked(client: Client, asked: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        client.search(**asked)


def test_a_result_shows_as_a_grid(client: Client, stocked: bouba.Gallery) -> None:
    result = client.search("red", k=2)
    assert result.thumbnail(result[0].id) == stocked.thumbnail(result[0].id)
    page = result._repr_html_()
    assert len(re.findall(r'src="data:image/jpeg;base64,/9j/', page)) == 2
    assert result.thumbnail("0" * 32) is None


def test_items(client: Client, stocked: bouba.Gallery, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouba.client.client.PAGE", 5)
    assert sorted(item.id for item in client.items()) == sorted(item.id for item in stocked.items())
    assert {item.id for item in client.items("price < 5")} == {item.id for item in stocked.items("price < 5")}
    assert (len(client), client.count("price < 5")) == (12, 1)
    with pytest.raises(WhereError):
        list(client.items("prize < 5"))
    ids = [hit.id for hit in stocked.search(image=shelf / "photos/blue.png", k=3)]
    monkeypatch.setattr("bouba.client.client.IDS", 2)
    assert client.get([ids[2], "0" * 32, ids[0], 'x" or id like "%', ids[1], ids[0]]) == stocked.get(
        [ids[2], ids[0], ids[1], ids[0]]
    )
    assert client.get([]) == []
    assert client.find(ids[0][:8]) == client.find(str(shelf / "photos/blue.png")) == stocked.get([ids[0]])
    assert client.find("none.png") == client.find("ffff0000ffff") == []
    assert client.image(ids[0]) == (shelf / "photos/blue.png").read_bytes()
    assert client.image("0" * 32) is None


def test_dates_are_dates_and_texts_that_look_like_one_are_texts(client: Client) -> None:
    (item,) = client.items("price = 8")
    assert item.attributes == {"price": 8.0, "brand": "2024-07-01T00:00", "made": datetime(2024, 7, 1, 12)}
    assert client.fields["made"] == "date"
    assert client.fields["id"] == "text"


def test_delete(changing: tuple[Client, bouba.Gallery], photos: Path) -> None:
    client, stocked = changing
    ids = [hit.id for hit in stocked.search("red", k=2)]
    assert client.delete([*ids, "0" * 32, "nothing"]) == 2
    assert client.delete(ids) == 0
    assert len(stocked) == 10
    assert (photos / "red.png").exists()


def test_feedback_and_concepts(changing: tuple[Client, bouba.Gallery]) -> None:
    client, stocked = changing
    red, blue = (stocked.search(colour, k=1)[0].id for colour in ("red", "blue"))
    turned = client.feedback("white", liked=[red], disliked=[blue], save_as="Reddish", k=3)
    assert [hit.id for hit in turned] == [hit.id for hit in stocked.search("white", like=[red], unlike=[blue], k=3)]
    (concept,) = client.concepts()
    assert (concept["name"], concept["like"], concept["unlike"]) == ("Reddish", [red], [blue])
    same(client.search(concept="reddish"), stocked.search(concept="reddish"))
    client.remove_concept("Reddish")
    assert client.concepts() == []
    with pytest.raises(QueryError):
        client.remove_concept("Reddish")


def test_explain(client: Client, stocked: bouba.Gallery, shelf: Path, tmp_path: Path) -> None:
    from live_server import live_server

    with pytest.raises(ModelMissing, match="tiny"):  # it has no grid
        client.explain("red", stocked.search("red", k=1)[0].id)
    pytest.importorskip("torch")
    from tiny_grid import write_tiny_grid

    model = load_model(write_tiny_grid(tmp_path / "grid"))
    with bouba.open("memory://", model) as gallery:
        red, _ = gallery.add([shelf / "photos/red.png", shelf / "photos/blue.png"]).ids
        with live_server(gallery) as url, Client(url) as other:
            for query in ("red", Query(image=shelf / "photos/blue.png")):
                with Image.open(io.BytesIO(other.explain(query, red))) as drawn:
                    assert drawn.format == "PNG"
                    assert drawn.size == (64, 48)
            with pytest.raises(QueryError, match="0" * 32):
                other.explain("red", "0" * 32)


def test_facets_and_galleries(client: Client, live: str) -> None:
    facets = {facet["field"]: facet for facet in client.facets()["facets"]}
    assert (facets["price"]["min"], facets["price"]["max"]) == (3.5, 8)
    assert client.facets("price < 5")["total"] == 1
    (gallery,) = client.galleries()
    assert (gallery["items"], gallery["attributes"]["price"]) == (12, "number")
    assert client.ready()
    with pytest.raises(QueryError, match="none"), Client(live, gallery="none") as other:
        other.search("red")


def test_threads_share_a_client(client: Client, stocked: bouba.Gallery) -> None:
    colours = ["red", "green", "blue", "yellow"] * 6
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda colour: client.search(colour, k=2)[0].id, colours))
    assert found == [stocked.search(colour, k=2)[0].id for colour in colours]


def test_a_picture_that_is_none_for_the_server_alone(client: Client) -> None:
    with pytest.raises(MediaUnsupported, match="PDF"):
        client.search(image=b"%PDF-1.7")
