"""/items: pages, single items, uploads and deletions; /facets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import bouba
from bouba.errors import StoreUnavailable
from bouba.server.uploads import file_name

Serve = Callable[..., TestClient]
Png = Callable[..., bytes]


def test_pages_hold_every_item_once(client: TestClient, pictures: bouba.Gallery) -> None:
    pages = [client.get("/items", params={"limit": 5, "offset": at}).json() for at in (0, 5, 10)]
    assert [len(page["items"]) for page in pages] == [5, 5, 2]
    assert {page["total"] for page in pages} == {12}
    assert {item["id"] for page in pages for item in page["items"]} == {item.id for item in pictures.items()}


def test_page_of_a_filter(client: TestClient) -> None:
    page = client.get("/items", params={"where": 'media_type = "image/jpeg"'}).json()
    assert page["total"] == len(page["items"]) == 6


@pytest.mark.parametrize("params", [{"limit": 501}, {"limit": 0}, {"offset": -1}, {"where": "("}])
def test_pages_that_are_none(client: TestClient, params: dict[str, Any]) -> None:
    assert client.get("/items", params=params).status_code == 422


def test_one_item(client: TestClient, pictures: bouba.Gallery) -> None:
    item = next(iter(pictures.items()))
    record = client.get(f"/items/{item.id}").json()
    assert {name: record[name] for name in item.to_dict()} == item.to_dict()
    assert record["thumbnail"] == f"items/{item.id}/thumbnail"


@pytest.mark.parametrize("name", ["0" * 32, "x", "%2e%2e%2f", "A" * 32, "0" * 32 + "%0a", "%00"])
def test_what_is_no_item(client: TestClient, name: str) -> None:
    for path in (f"/items/{name}", f"/items/{name}/image", f"/items/{name}/thumbnail"):
        response = client.get(path)
        assert response.status_code in (404, 405), path
        assert response.headers["content-type"] == "application/problem+json"


def test_upload_is_kept_and_found(client: TestClient, pictures: bouba.Gallery, png: Png) -> None:
    data = png("red", 40)
    known = hashlib.sha256(data).hexdigest()[:32]
    answer = client.post(
        "/items",
        files=[
            ("files", ("../My holiday.jpeg", data)),
            ("files", ("again.png", data)),
            ("files", ("note.txt", b"hello")),
        ],
        data={"attributes": json.dumps({"price": 9.5, "tags": ["new", "red"]})},
    )
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["added"], told["known"], told["ids"]) == (1, 1, [known])
    assert [failed["name"] for failed in told["failed"]] == ["note.txt"]
    assert "text" in told["failed"][0]["error"]
    item = pictures.get([known])[0]
    assert item.attributes == {"price": 9.5, "tags": ("new", "red")}
    assert pictures.folder is not None
    assert Path(item.path) == pictures.folder / "uploads" / known / "My holiday.png"
    assert client.get(f"/items/{known}/image").content == data


def test_upload_of_what_is_there_only_adds_attributes(
    client: TestClient, pictures: bouba.Gallery, photos: Path
) -> None:
    data = (photos / "red.png").read_bytes()
    told = client.post("/items", files={"files": ("x.png", data)}, data={"attributes": '{"price": 3}'}).json()
    item = pictures.get(told["ids"])[0]
    assert (told["added"], told["known"]) == (0, 1)
    assert item.path == str(photos / "red.png")
    assert item.attributes == {"shop": "corner", "price": 3.0}
    assert pictures.folder is not None
    assert not list((pictures.folder / "uploads").glob("*"))


def test_damaged_upload_leaves_nothing(client: TestClient, pictures: bouba.Gallery, png: Png) -> None:
    told = client.post("/items", files={"files": ("cut.png", png("red", 40)[:60])}).json()
    assert told["added"] == 0
    assert told["failed"][0]["name"] == "cut.png"
    assert str(pictures.folder) not in told["failed"][0]["error"]
    assert pictures.folder is not None
    assert not [path for path in (pictures.folder / "uploads").rglob("*") if path.is_file()]


def test_upload_that_fails_as_a_whole_leaves_nothing(
    client: TestClient, pictures: bouba.Gallery, png: Png, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **more: Any) -> Any:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(pictures, "add", full)
    response = client.post("/items", files={"files": ("a.png", png("red"))})
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert pictures.folder is not None
    assert not list((pictures.folder / "uploads").iterdir())


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"attributes": "["}, 422),
        ({"attributes": "[1]"}, 422),
        ({"attributes": '{"x": "\\ud800"}'}, 422),
        ({"attributes": "[" * 99999}, 422),
        ({"attributes": '{"id": "x"}'}, 200),
    ],
)
def test_attributes_that_are_none(client: TestClient, png: Png, form: dict[str, str], status: int) -> None:
    response = client.post("/items", files={"files": ("a.png", png("red", 20))}, data=form)
    assert response.status_code == status, response.text
    if status == 200:  # each file tells
        assert "cannot be an attribute" in response.json()["failed"][0]["error"]


def test_file_over_the_limit(pictures: bouba.Gallery, serve: Serve, png: Png) -> None:
    client = serve(pictures, most_upload_bytes=100)
    told = client.post(
        "/items", files=[("files", ("small.png", png("red", 8))), ("files", ("large.png", bytes(101)))]
    ).json()
    assert (told["added"], told["failed"][0]["name"]) == (1, "large.png")
    assert "100 bytes" in told["failed"][0]["error"]


def test_upload_without_files_and_without_fetch(client: TestClient) -> None:
    assert client.post("/items", data={"attributes": "{}"}, files={"other": b"x"}).status_code == 422
    refused = client.post("/items", json={"urls": ["https://example.com/a.png"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "FetchRefused")


def test_urls_are_read_within_the_rules_of_fetch(pictures: bouba.Gallery, serve: Serve) -> None:
    client = serve(pictures, fetch=True)
    told = client.post("/items", json={"urls": ["http://127.0.0.1:9/a.png"]}).json()
    assert told["added"] == 0
    assert "127.0.0.1" in told["failed"][0]["error"]
    assert client.post("/items", json={"urls": ["/etc/passwd"]}).status_code == 422


def test_first_upload_makes_the_gallery(tmp_path: Path, tiny_model: Any, serve: Serve, png: Png) -> None:
    with bouba.open(tmp_path / "new.bouba", tiny_model) as gallery:
        client = serve(gallery)
        assert client.post("/search", json={"query": {"text": "red"}}).json()["hits"] == []
        assert client.get("/facets").json() == {"total": 0, "sampled": False, "facets": []}
        assert client.post("/items", files={"files": ("a.png", png("red"))}).json()["added"] == 1
    with bouba.open(tmp_path / "new.bouba", tiny_model, must_exist=True) as again:
        assert len(again) == 1


def test_delete_takes_uploads_along_and_no_other_file(
    client: TestClient, pictures: bouba.Gallery, photos: Path, png: Png
) -> None:
    uploaded = client.post("/items", files={"files": ("a.png", png("red"))}).json()["ids"][0]
    kept = Path(pictures.get([uploaded])[0].path)
    own = pictures.find(str(photos / "red.png"))[0].id
    assert client.delete(f"/items/{uploaded}").json() == {"removed": 1}
    assert client.request("DELETE", "/items", json={"ids": [own, "0" * 32]}).json() == {"removed": 1}
    assert not kept.exists()
    assert not kept.parent.exists()
    assert (photos / "red.png").exists()
    assert client.delete(f"/items/{uploaded}").status_code == 404
    assert client.delete("/items/..%2f..").status_code in (404, 405)


def test_read_only(pictures: bouba.Gallery, serve: Serve, png: Png) -> None:
    client = serve(pictures, writable=False)
    item_id = next(iter(pictures.items())).id
    changes = [
        client.post("/items", files={"files": ("a.png", png("red"))}),
        client.delete(f"/items/{item_id}"),
        client.request("DELETE", "/items", json={"ids": [item_id]}),
        client.delete("/concepts/x"),
        client.post("/feedback", json={"query": {"text": "red"}, "save_as": "x"}),
    ]
    assert [(r.status_code, r.json()["code"]) for r in changes] == [(403, "ReadOnly")] * 5
    assert len(pictures) == 12
    assert client.get("/galleries").json()["galleries"][0]["writable"] is False


def test_facets_follow_the_gallery(client: TestClient, pictures: bouba.Gallery, png: Png) -> None:
    facets = client.get("/facets").json()
    fields = {facet["field"]: facet for facet in facets["facets"]}
    assert facets["total"] == 12
    assert fields["shop"]["values"] == [{"value": "corner", "count": 12}]
    assert fields["media_type"]["values"] == [{"value": "image/jpeg", "count": 6}, {"value": "image/png", "count": 6}]
    assert fields["taken"]["min"] <= fields["taken"]["max"]
    client.post("/items", files={"files": ("a.png", png("red"))}, data={"attributes": '{"price": 2, "new": true}'})
    after = {facet["field"]: facet for facet in client.get("/facets").json()["facets"]}
    assert (after["price"]["min"], after["price"]["max"], after["price"]["type"]) == (2, 2, "number")
    assert after["new"]["values"] == [{"value": True, "count": 1}]
    few = client.get("/facets", params={"where": 'media_type = "image/jpeg"'}).json()
    assert few["total"] == 6
    assert client.get("/facets", params={"where": "1) or (1"}).status_code == 422


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("beach.jpg", "beach.png"),
        ("../../etc/passwd", "passwd.png"),
        ("C:\\Users\\me\\Bild 1.JPEG", "Bild 1.png"),
        ("..", "picture.png"),
        (".hidden", "hidden.png"),
        ("", "picture.png"),
        ("a\0b\n.png", "a_b_.png"),
        ("日本語.heic", "日本語.png"),
        ("x" * 300 + ".png", "x" * 100 + ".png"),
        ("\udcff.png", "_.png"),
        ("[a]*?.png", "_a_.png"),
    ],
)
def test_names_of_uploads(sent: str, kept: str) -> None:
    assert file_name(sent, "image/png") == kept
