"""POST /search: the same answers as `Gallery.search`, however the question comes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import bouba
from bouba import Query


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


def ask(client: TestClient, query: Any, **wish: Any) -> dict[str, Any]:
    response = client.post("/search", json={"query": query, **wish})
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_text_as_the_gallery_finds_it(client: TestClient, pictures: bouba.Gallery) -> None:
    answer = ask(client, {"text": "red"}, k=3)
    own = pictures.search("red", k=3)
    assert ids(answer) == [hit.id for hit in own]
    assert [hit["score"] for hit in answer["hits"]] == [round(hit.score, 6) for hit in own]
    assert answer["gallery"] == "pictures"
    assert set(answer["took_ms"]) == {"total", "waiting", "encoding", "searching"}
    assert answer["took_ms"]["total"] >= answer["took_ms"]["encoding"] > 0


def test_hits_have_links_that_lead_somewhere(client: TestClient) -> None:
    hit = ask(client, {"text": "red"}, k=1)["hits"][0]
    assert hit["thumbnail"] == f"items/{hit['id']}/thumbnail"
    assert client.get(hit["thumbnail"]).headers["content-type"] == "image/jpeg"
    assert client.get(hit["image"]).content == Path(hit["path"]).read_bytes()


def test_picture_by_form_by_base64_and_by_part(client: TestClient, pictures: bouba.Gallery, photos: Path) -> None:
    data = (photos / "blue.png").read_bytes()
    own = [(hit.id, round(hit.score, 6)) for hit in pictures.search(image=data, k=4)]
    body = json.dumps({"query": {"image": {"part": "mine"}}, "k": 4})
    answers = [
        client.post("/search", data={"k": "4"}, files={"image": ("any.png", data)}),
        client.post("/search", json={"query": {"image": {"base64": base64.b64encode(data).decode()}}, "k": 4}),
        client.post("/search", data={"body": body}, files={"mine": data}),
        client.post("/search", files={"body": ("body.json", body, "application/json"), "mine": data}),
    ]
    for answer in answers:
        assert [(hit["id"], hit["score"]) for hit in answer.json()["hits"]] == own


def test_plain_form_says_all_that_json_says(client: TestClient, pictures: bouba.Gallery) -> None:
    green = pictures.search("green", k=1)[0].id
    form = {"text": "red", "not": ["blue", "black"], "like": [green], "where": "width > 10", "k": "5", "exact": "true"}
    by_form = client.post("/search", data=form, files={"image": ("", b"")})
    nots = [{"not": {"text": "blue"}}, {"not": {"text": "black"}}]
    query = {"all": [{"text": "red", "like": [green]}, *nots]}
    assert by_form.status_code == 200, by_form.text
    assert ids(by_form.json()) == ids(ask(client, query, where="width > 10", k=5, exact=True))


def test_parts_are_those_of_a_composed_question(client: TestClient, pictures: bouba.Gallery) -> None:
    answer = ask(client, {"any": [{"text": "red"}, {"text": "blue"}], "weights": [2, 1]}, k=4)
    own = pictures.search(bouba.types.AnyOf((Query("red"), Query("blue")), (2.0, 1.0)), k=4)
    assert ids(answer) == [hit.id for hit in own]
    assert [part["asked"] for part in answer["hits"][0]["parts"]] == ["red", "blue"]


def test_filter_and_k(client: TestClient) -> None:
    answer = ask(client, {"text": "red"}, where='path like "%below%"', k=500, raw=True)
    assert len(answer["hits"]) == 6
    assert all("below" in hit["path"] for hit in answer["hits"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": {}}, 422, "QueryError"),
        ({"query": {"text": "red"}, "where": "price <"}, 422, "WhereError"),
        ({"query": {"text": "red"}, "where": "nothing = 1"}, 422, "WhereError"),
        ({"query": {"text": "red"}, "k": 501}, 422, "ValidationError"),
        ({"query": {"text": "red"}, "k": "3"}, 422, "ValidationError"),
        ({"query": {"text": "red"}, "kk": 3}, 422, "ValidationError"),
        ({"query": {"txt": "red"}}, 422, "ValidationError"),
        ({"query": {"text": " "}}, 422, "MediaEmpty"),
        ({"query": {"text": "red", "all": [{"text": "blue"}]}}, 422, "ValidationError"),
        ({"query": {"text": "red", "weights": [1]}}, 422, "ValidationError"),
        ({"query": {"all": []}}, 422, "ValidationError"),
        ({"query": {"image": {"base64": "!"}}}, 422, "QueryError"),
        ({"query": {"image": {"base64": "Zm9v"}}}, 415, "MediaUnsupported"),
        ({"query": {"image": {}}}, 422, "ValidationError"),
        ({"query": {"image": {"part": "mine"}}}, 422, "QueryError"),
        ({"query": {"image": {"url": "http://127.0.0.1/x.png"}}}, 422, "FetchRefused"),
        ({"query": {"image": {"url": "file:///etc/passwd"}}}, 422, "ValidationError"),
        ({"query": {"audio": {"base64": "Zm9v"}}}, 415, "MediaUnsupported"),
        ({"query": {"concept": "nobody"}}, 422, "QueryError"),
        ({"query": {"like": ["0" * 32]}}, 422, "QueryError"),
        ({"query": {"text": "red"}, "min_probability": 0.5}, 422, "QueryError"),
        ({"query": {"text": "red", "image_weight": 1e9}}, 422, "ValidationError"),
    ],
)
def test_what_is_wrong_is_a_problem_that_says_what(
    client: TestClient, body: dict[str, Any], status: int, code: str
) -> None:
    response = client.post("/search", json=body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code), problem
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]


def test_too_deep_and_too_many(client: TestClient) -> None:
    deep: dict[str, Any] = {"text": "red"}
    for _ in range(8):
        deep = {"not": deep}
    assert "8 levels" in client.post("/search", json={"query": deep}).json()["detail"]
    wide = {"all": [{"any": [{"text": "red"}] * 11}] * 3}
    long = {"any": [{"text": "x" * 2000}] * 5}
    assert "10,000 characters" in client.post("/search", json={"query": long}).json()["detail"]
    assert "33 parts" in client.post("/search", json={"query": wide}).json()["detail"]
    endless = '{"query": ' + '{"not":' * 5000 + "1" + "}" * 5000 + "}"
    response = client.post("/search", content=endless, headers={"content-type": "application/json"})
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"text=red", "application/x-www-form-urlencoded", 415),
        (b"text=red", "text/plain", 415),
        (b"nothing", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data", 400),
    ],
)
def test_bodies_that_are_none(client: TestClient, content: bytes, kind: str, status: int) -> None:
    response = client.post("/search", content=content, headers={"content-type": kind})
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_unknown_field_of_a_form(client: TestClient) -> None:
    response = client.post("/search", data={"tekst": "red"}, files={"image": ("", b"")})
    assert (response.status_code, response.json()["errors"][0]["at"]) == (422, "tekst")


def test_files_of_a_question_have_a_limit_together(
    pictures: bouba.Gallery, serve: Callable[..., TestClient], png: Callable[..., bytes]
) -> None:
    data = png("red", 64)
    client = serve(pictures, most_upload_bytes=len(data) + 10)
    one = client.post("/search", files={"image": data})
    assert one.status_code == 200
    body = json.dumps({"query": {"all": [{"image": {"part": "a"}}, {"image": {"part": "b"}}]}})
    two = client.post("/search", data={"body": body}, files={"a": data, "b": data})
    assert (two.status_code, two.json()["code"]) == (413, "MediaTooLarge")


def test_gallery_by_name(pictures: bouba.Gallery, serve: Callable[..., TestClient], tiny_model: Any) -> None:
    with bouba.open("memory://", tiny_model) as other:
        client = serve({"first": pictures, "second": other})
        assert ask(client, {"text": "red"})["gallery"] == "first"
        empty = client.post("/search?gallery=second", json={"query": {"text": "red"}}).json()
        assert (empty["gallery"], empty["found"], empty["hits"]) == ("second", False, [])
        third = client.post("/search?gallery=third", json={"query": {"text": "red"}})
        assert (third.status_code, third.json()["code"]) == (404, "GalleryUnknown")
        client.post(
            "/items?gallery=second", files={"files": ("a.png", (Path(pictures.search("red")[0].path)).read_bytes())}
        )
        hit = client.post("/search?gallery=second", json={"query": {"text": "red"}}).json()["hits"][0]
        assert hit["image"].endswith("/image?gallery=second")
        assert client.get(hit["image"]).status_code == 200


def test_paths_are_names_where_others_may_look(pictures: bouba.Gallery, serve: Callable[..., TestClient]) -> None:
    from bouba.server.records import View

    assert View("", paths=False).path("/srv/photos/red.png") == "red.png"
    assert View("", paths=False).path("https://a.example/x/red.png?key=secret") == "red.png"
    assert View("", paths=False).path("C:\\photos\\red.png") == "red.png"
    assert View("", paths=True).path("/srv/photos/red.png") == "/srv/photos/red.png"


def test_recording_that_the_model_cannot_hear(client: TestClient, tmp_path: Path) -> None:
    from tiny_sound import write_recording

    wave = write_recording(tmp_path / "red.wav", "red").read_bytes()
    response = client.post("/search", files={"audio": wave}, data={"audio_as": "sound"})
    assert (response.status_code, response.json()["code"]) == (422, "ModelMissing")


def test_recording_is_heard(tmp_path: Path, photos: Path, serve: Callable[..., TestClient]) -> None:
    from tiny_sound import write_hearing_model, write_recording

    wave = write_recording(tmp_path / "red.wav", "red", seconds=2.0).read_bytes()
    with bouba.open(tmp_path / "hearing.bouba", write_hearing_model(tmp_path / "model")) as gallery:
        gallery.add(photos)
        client = serve(gallery, most_audio_s=3.0)
        answer = client.post("/search", files={"audio": wave}, data={"audio_as": "sound"}).json()
        assert answer["heard"]["kind"] == "sound"
        assert Path(answer["hits"][0]["path"]).stem == "red"
        long = write_recording(tmp_path / "long.wav", "red", seconds=4.0).read_bytes()
        refused = client.post("/search", files={"audio": long}, data={"audio_as": "sound"})
        assert (refused.status_code, refused.json()["code"]) == (413, "MediaTooLarge")
