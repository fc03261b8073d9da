"""A shop over HTTP: questions, products, rules; who may change what."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import bouba
from bouba.apps.shop import Shop
from bouba.encoders import Model
from bouba.server.guard.keys import KeyFile


@pytest.fixture
def store(tmp_path: Path, tiny_model: Model, paint: Any) -> Iterator[bouba.Gallery]:
    """A gallery with a shop of three products."""
    feed = tmp_path / "feed.jsonl"
    rows = [
        {
            "id": "a/1",
            "title": "Red cap",
            "colour": "Red",
            "category": "Caps",
            "price": "10 EUR",
            "image": str(paint("red")),
        },
        {
            "id": "b",
            "title": "Blue cap",
            "colour": "Blue",
            "category": "Caps",
            "price": "20 EUR",
            "image": str(paint("blue")),
        },
        {
            "id": "c",
            "title": "Red bag",
            "colour": "Red",
            "category": "Bags",
            "price": "30 EUR",
            "image": str(paint("red", seed=9)),
        },
    ]
    feed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with bouba.open(tmp_path / "store.bouba", tiny_model) as gallery:
        with Shop(gallery) as shop:
            assert shop.import_feed(feed).added == 3
        yield gallery


@pytest.fixture
def client(store: bouba.Gallery, serve: Any) -> TestClient:
    return serve(store)


def test_a_sentence_with_filters(client: TestClient) -> None:
    answer = client.post("/shop/search", json={"text": "red cap under 15"}).json()
    assert [one["label"] for one in answer["chips"]] == ["colour Red", "category Caps", "price < 15 EUR"]
    assert answer["chips"][2]["without"] == "red cap"
    assert [one["id"] for one in answer["products"]] == ["a/1"]
    picture = answer["products"][0]["pictures"][0]
    assert client.get(f"/{picture['thumbnail']}").headers["content-type"] == "image/jpeg"
    assert {one["field"] for one in answer["facets"]} == {"price", "category", "colour"}


def test_filters_beside_it_and_what_was_let_go_of(client: TestClient) -> None:
    filters = [{"field": "price", "op": "between", "value": [15, 25]}, {"field": "colour", "value": ["Red"]}]
    answer = client.post("/shop/search", json={"filters": filters, "facets": False}).json()
    assert [one["label"] for one in answer["relaxed"]] == ["price 15 to 25 EUR"]
    assert {one["id"] for one in answer["products"]} == {"a/1", "c"}


def test_a_picture_as_a_part_and_inside_json(client: TestClient, png: Any) -> None:
    body = {"image": {"part": "photo"}, "text": "caps"}
    answer = client.post(
        "/shop/search", data={"body": json.dumps(body)}, files={"photo": ("p.png", png("blue"), "image/png")}
    )
    assert answer.json()["products"][0]["id"] == "b"
    inside = {"image": {"base64": base64.b64encode(png("blue")).decode()}}
    assert client.post("/shop/search", json=inside).json()["products"][0]["id"] == "b"


def test_one_product_and_what_is_near_it(client: TestClient) -> None:
    product = client.get("/shop/products/a/1").json()
    assert (product["title"], product["category"], product["price"]) == (
        "Red cap",
        ["Caps"],
        {"min": 10.0, "max": 10.0},
    )
    assert client.get("/shop/similar", params={"product": "a/1"}).json()["products"][0]["id"] == "c"
    assert [one["id"] for one in client.get("/shop/goes-with", params={"product": "a/1"}).json()["products"]] == ["c"]
    assert client.get("/shop/info").json()["products"] == 3


def test_rules_are_added_used_logged_and_removed(client: TestClient) -> None:
    made = client.post("/shop/rules", json={"kind": "pin", "products": ["c"], "words": "summer"})
    assert made.status_code == 200
    assert client.post("/shop/search", json={"text": "summer"}).json()["products"][0]["id"] == "c"
    (rule,) = client.get("/shop/rules").json()["rules"]
    assert (rule["id"], rule["used"]) == (made.json()["id"], 1)
    conflict = client.post("/shop/rules", json={"kind": "hide", "products": ["c"]})
    assert (conflict.status_code, conflict.json()["code"]) == (422, "RuleConflict")
    assert client.delete(f"/shop/rules/{rule['id']}").status_code == 200
    assert client.delete(f"/shop/rules/{rule['id']}").status_code == 404
    assert [one["action"] for one in client.get("/shop/rules/log").json()["log"]] == ["remove", "add"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": "x", "more": 1}, 422),
        ({"limit": 0}, 422),
        ({"filters": [{"field": "price", "op": "is", "value": ["x"]}]}, 422),
        ({"filters": [{"field": "colour", "value": []}]}, 422),
        ({"image": {"base64": "AAAA"}}, 415),
        ({"image": {"part": "none"}}, 422),
        ({"image": {"url": "https://example.org/a.jpg"}}, 422),
    ],
)
def test_wrong_questions(client: TestClient, body: dict[str, Any], status: int) -> None:
    assert client.post("/shop/search", json=body).status_code == status


def test_what_is_not_there(client: TestClient, pictures: bouba.Gallery, serve: Any) -> None:
    assert client.get("/shop/products/nope").status_code == 404
    assert client.get("/shop/similar", params={"product": "nope"}).status_code == 404
    bare = serve(pictures)
    for answer in (bare.post("/shop/search", json={"text": "x"}), bare.get("/shop/rules"), bare.get("/shop/info")):
        assert answer.status_code == 409
        assert "bouba shop import" in answer.json()["detail"]


def test_rules_are_for_keys_that_may_write(store: bouba.Gallery, serve: Any, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    reading, writing = (keys.new(scope, scope, 600)[1] for scope in ("read", "write"))
    client = serve(store, keys_file=tmp_path / "keys.json")
    rule = {"kind": "hide", "products": ["c"]}
    for key, status in ((reading, 403), (writing, 200)):
        headers = {"Authorization": f"Bearer {key}"}
        assert client.post("/shop/search", json={"text": "cap"}, headers=headers).status_code == 200
        assert client.get("/shop/rules", headers=headers).status_code == status
        assert client.post("/shop/rules", json=rule, headers=headers).status_code == status
    assert client.post("/shop/search", json={"text": "cap"}).status_code == 401


def test_a_server_that_only_answers(store: bouba.Gallery, serve: Any) -> None:
    client = serve(store, writable=False)
    assert client.post("/shop/rules", json={"kind": "hide", "products": ["c"]}).status_code == 403
    assert client.post("/shop/search", json={"text": "cap"}).status_code == 200
