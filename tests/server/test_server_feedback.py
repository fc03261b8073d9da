"""POST /feedback turns a question; concepts keep what was taught."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import bouba
from bouba import Query
from bouba.server.feedback import FeedbackLog
from bouba.server.questions import turned
from bouba.types import AllOf, Not


@pytest.fixture
def likes(pictures: bouba.Gallery) -> tuple[str, str]:
    """A green and a blue picture."""
    return pictures.search("green", k=1)[0].id, pictures.search("blue", k=1)[0].id


def test_answer_is_that_of_the_turned_question(
    client: TestClient, pictures: bouba.Gallery, likes: tuple[str, str]
) -> None:
    green, blue = likes
    body = {"query": {"text": "red", "like": [blue]}, "liked": [green], "disliked": [blue], "k": 5}
    answer = client.post("/feedback", json=body).json()
    own = pictures.search(Query("red", like=(green,), unlike=(blue,)), k=5)
    assert [(hit["id"], hit["score"]) for hit in answer["hits"]] == [(hit.id, round(hit.score, 6)) for hit in own]


def test_what_was_liked_is_written_down(
    client: TestClient, pictures: bouba.Gallery, likes: tuple[str, str], photos: Path
) -> None:
    data = (photos / "red.png").read_bytes()
    query = {"all": [{"text": "red", "image": {"part": "mine"}}, {"not": {"text": "blue"}}]}
    body = {"query": query, "liked": [likes[0]]}
    answer = client.post("/feedback", data={"body": json.dumps(body)}, files={"mine": data})
    assert answer.status_code == 200, answer.text
    assert pictures.folder is not None
    line = json.loads((pictures.folder / "feedback.jsonl").read_text())
    asked = {"text": "red", "image": {"sha256": hashlib.sha256(data).hexdigest()}}
    assert line["query"] == {"all": [asked, {"not": {"text": "blue"}}]}
    assert (line["liked"], line["disliked"]) == ([likes[0]], [])


def test_concept_is_saved_listed_asked_and_forgotten(
    client: TestClient, pictures: bouba.Gallery, likes: tuple[str, str]
) -> None:
    body = {"query": {"text": "red"}, "liked": [likes[0]], "save_as": "My Red / two"}
    assert client.post("/feedback", json=body).json()["saved"] == "My Red / two"
    concepts = client.get("/concepts").json()["concepts"]
    assert [(one["name"], one["text"], one["like"]) for one in concepts] == [("My Red / two", "red", [likes[0]])]
    found = client.post("/search", json={"query": {"concept": "my red / two"}, "k": 3}).json()
    assert [hit["id"] for hit in found["hits"]] == [hit.id for hit in pictures.search(concept="my red / two", k=3)]
    assert client.delete("/concepts/My Red / two").json() == {"removed": 1}
    gone = client.delete("/concepts/My Red / two")
    assert (gone.status_code, gone.json()["code"]) == (404, "ConceptMissing")
    assert client.get("/concepts").json() == {"concepts": []}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": {"all": [{"text": "red"}, {"text": "blue"}]}, "save_as": "x"}, 422, "QueryError"),
        ({"query": {"text": "red"}, "save_as": "-x"}, 422, "QueryError"),
        ({"query": {"text": "red"}, "liked": ["0" * 32]}, 422, "QueryError"),
        ({"query": {"text": "red"}, "liked": ["x"]}, 422, "ValidationError"),
        ({"query": {"not": {"text": "red"}}, "disliked": []}, 422, "QueryError"),
    ],
)
def test_feedback_that_makes_no_sense(client: TestClient, body: dict[str, Any], status: int, code: str) -> None:
    response = client.post("/feedback", json=body)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text


def test_empty_gallery_keeps_no_concept(tiny_model: Any, serve: Callable[..., TestClient]) -> None:
    with bouba.open("memory://", tiny_model) as gallery:
        response = serve(gallery).post("/feedback", json={"query": {"text": "red"}, "save_as": "x"})
        assert (response.status_code, response.json()["code"]) == (409, "GalleryMissing")


def test_first_wanted_part_is_turned() -> None:
    question = AllOf((Not(Query("blue")), Query("red", like=("a",)), Query("green")))
    after = turned(question, ("b",), ("a",))
    assert after == AllOf((Not(Query("blue")), Query("red", like=("b",), unlike=("a",)), Query("green")))
    assert turned(Not(Query("blue")), ("b",), ()) == AllOf((Not(Query("blue")), Query(like=("b",))))


def test_log_is_put_aside_when_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bouba.server.feedback.MOST_BYTES", 100)
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    for number in range(5):
        log.append({"liked": [number], "text": "\udcff" * 20})
    kept = (tmp_path / "feedback.jsonl.1").read_text() + (tmp_path / "feedback.jsonl").read_text()
    assert json.loads(kept.splitlines()[-1])["liked"] == [4]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1000
