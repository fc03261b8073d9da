"""POST /explain: a picture with a heat map over it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from tiny_grid import write_tiny_grid

import bouba


@pytest.fixture
def grid(tmp_path: Path, photos: Path, serve: Callable[..., TestClient]) -> Iterator[tuple[TestClient, bouba.Gallery]]:
    with bouba.open(tmp_path / "grid.bouba", write_tiny_grid(tmp_path / "grid-model")) as gallery:
        gallery.add(photos)
        yield serve(gallery), gallery


def explained(client: TestClient, query: Any, item_id: str) -> Image.Image:
    response = client.post("/explain", json={"query": query, "id": item_id})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(response.content))


def test_picture_with_its_map(grid: tuple[TestClient, bouba.Gallery]) -> None:
    client, gallery = grid
    item_id = gallery.search("red", k=1)[0].id
    picture = explained(client, {"text": "red"}, item_id)
    assert max(picture.size) <= 1024
    assert picture.size == bouba.explain.explain(gallery, gallery.get([item_id])[0], "red").overlay().size


def test_composed_question_shows_what_is_wanted(grid: tuple[TestClient, bouba.Gallery]) -> None:
    client, gallery = grid
    item_id = gallery.search("red", k=1)[0].id
    alone = explained(client, {"text": "red"}, item_id)
    composed = explained(client, {"all": [{"text": "red"}, {"not": {"text": "blue"}}]}, item_id)
    assert alone.tobytes() == composed.tobytes()
    nothing = client.post("/explain", json={"query": {"not": {"text": "red"}}, "id": item_id})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "QueryError")


def test_missing_item_and_missing_file(grid: tuple[TestClient, bouba.Gallery]) -> None:
    client, gallery = grid
    gone = client.post("/explain", json={"query": {"text": "red"}, "id": "0" * 32})
    assert (gone.status_code, gone.json()["code"]) == (404, "ItemMissing")
    hit = gallery.search("red", k=1)[0]
    Path(hit.path).unlink()
    explained(client, {"text": "red"}, hit.id)  # of the thumbnail


def test_model_without_a_grid(client: TestClient, pictures: bouba.Gallery) -> None:
    item_id = pictures.search("red", k=1)[0].id
    response = client.post("/explain", json={"query": {"text": "red"}, "id": item_id})
    assert (response.status_code, response.json()["code"]) == (422, "ModelMissing")
    assert client.get("/galleries").json()["galleries"][0]["explains"] is False
