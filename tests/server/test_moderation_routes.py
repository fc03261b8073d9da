"""/moderate and /moderation: an upload is judged, a gallery scanned, the queue worked through, thresholds set."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import bouba
from bouba.server import schemas_moderation as schemas

POLICY = """
name = "no red"
[[rules]]
name = "red"
flag = ["red"]
fine = ["yellow"]
severity = "high"
action = "block"
threshold = 0.35
[[rules]]
name = "green"
flag = ["green"]
threshold = 0.35
"""


@pytest.fixture
def moderated(client: TestClient) -> TestClient:
    """A client of a gallery that was scanned by the policy."""
    assert client.post("/moderation/policies", json={"toml": POLICY}).status_code == 200
    assert client.post("/moderation/scan", json={"policy": "no red"}).status_code == 200
    return client


def queue(client: TestClient, **query: Any) -> dict[str, Any]:
    response = client.get("/moderation/queue", params={"policy": "no red", **query})
    assert response.status_code == 200, response.text
    schemas.QueueAnswer.model_validate_json(response.content, strict=True, extra="forbid")
    return dict(response.json())


def test_nothing_is_made_by_asking(client: TestClient, pictures: bouba.Gallery) -> None:
    assert client.get("/moderation/policies").json() == {"policies": []}
    missing = client.get("/moderation/queue", params={"policy": "no red"})
    assert (missing.status_code, missing.json()["code"]) == (422, "PolicyError")
    assert pictures.folder is not None
    assert not list(Path(pictures.folder).glob("moderation*"))


def test_a_policy_comes_into_force(client: TestClient) -> None:
    answer = client.post("/moderation/policies", json={"toml": POLICY})
    schemas.PolicyRecord.model_validate_json(answer.content, strict=True, extra="forbid")
    assert [rule["name"] for rule in answer.json()["rules"]] == ["red", "green"]
    listed = client.get("/moderation/policies")
    schemas.PoliciesAnswer.model_validate_json(listed.content, strict=True, extra="forbid")
    assert listed.json()["policies"][0]["version"] == answer.json()["version"]
    assert "moderation" in client.get("/galleries").json()["galleries"][0]["apps"]


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("name = ", "no TOML"),
        ('name = "x"', "has no rules"),
        ('name = "x"\n[[rules]]\nname = "r"\nflag = ["red"]\nfine = ["a red"]', "both flags"),
        ('name = "x"\n[[rules]]\nname = "r"\nflag = ["red"]\npictures = ["/etc/passwd"]', "may name no pictures"),
    ],
)
def test_a_bad_policy_is_refused(client: TestClient, toml: str, says: str) -> None:
    answer = client.post("/moderation/policies", json={"toml": toml})
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


def test_the_queue_is_worked_through(moderated: TestClient) -> None:
    first = queue(moderated)
    assert first["waiting"] == len(first["flags"]) == 4
    assert [flag["rule"] for flag in first["flags"]] == ["red", "red", "green", "green"]
    assert queue(moderated, rule="green", limit=1)["waiting"] == 2
    item = first["flags"][0]["item"]["id"]
    review = {"policy": "no red", "rule": "red", "id": item, "breaks": False}
    answer = moderated.post("/moderation/review", json=review)
    schemas.JudgementAnswer.model_validate_json(answer.content, strict=True, extra="forbid")
    assert answer.json()["decision"] == "allow"
    assert queue(moderated)["waiting"] == 3
    again = moderated.post("/moderation/review", json=review)
    assert (again.status_code, again.json()["code"]) == (422, "QueryError")
    rules = moderated.get("/moderation/policies").json()["policies"][0]["rules"]
    assert (rules[0]["waiting"], rules[0]["drift"]["overturned"]) == (1, 1)


def test_why_a_picture_is_flagged(moderated: TestClient) -> None:
    first, second = queue(moderated)["flags"][:2]
    accepted = {"policy": "no red", "rule": "red", "id": first["item"]["id"], "breaks": True}
    assert moderated.post("/moderation/review", json=accepted).json()["decision"] == "block"
    answer = moderated.post("/moderation/evidence", json={"policy": "no red", "id": second["item"]["id"]})
    record = schemas.JudgementAnswer.model_validate_json(answer.content, strict=True, extra="forbid")
    assert record.findings[0].matched[0].text == "red"
    (nearest,) = record.nearest["red"]
    assert (nearest.name, nearest.breaks) == (first["item"]["id"], True)
    assert moderated.get(f"/{nearest.thumbnail}").headers["content-type"] == "image/jpeg"
    gone = moderated.post("/moderation/evidence", json={"policy": "no red", "id": "0" * 32})
    assert gone.status_code == 404
    flat = moderated.post("/moderation/heat", json={"policy": "no red", "id": second["item"]["id"]})
    assert (flat.status_code, flat.json()["code"]) == (422, "ModelMissing")  # a model without a grid


def test_an_upload_is_judged_and_not_kept(moderated: TestClient, png: Callable[..., bytes]) -> None:
    before = moderated.get("/items").json()["total"]
    data = png("red", 40)
    sent = {"policy": "no red", "image": {"base64": base64.b64encode(data).decode()}, "heat": True}
    answer = moderated.post("/moderate", json=sent)
    record = schemas.JudgementAnswer.model_validate_json(answer.content, strict=True, extra="forbid")
    assert (record.decision, record.findings[0].rule) == ("block", "red")
    assert base64.b64decode(record.heat_png or "").startswith(b"\x89PNG")
    body = '{"policy": "no red", "image": {"part": "picture"}}'
    formed = moderated.post("/moderate", data={"body": body}, files={"picture": ("a.png", data)})
    assert formed.json()["picture"] == record.picture
    assert "heat_png" not in formed.json()
    passed = moderated.post("/moderate", data={"body": body}, files={"picture": ("b.png", png("blue", 40))})
    assert (passed.json()["decision"], passed.json()["findings"]) == ("allow", [])
    assert moderated.get("/items").json()["total"] == before
    log = moderated.get("/moderation/audit", params={"policy": "no red", "limit": 3})
    schemas.AuditAnswer.model_validate_json(log.content, strict=True, extra="forbid")
    assert [event["decision"] for event in log.json()["last"]] == ["allow", "block", "block"]
    assert log.json()["whole"]


@pytest.mark.parametrize(
    ("image", "status"),
    [({"base64": "!!"}, 422), ({"base64": ""}, 422), ({"base64": "AAAA"}, 415), ({"part": "none"}, 422), ({}, 422)],
)
def test_what_is_no_picture(moderated: TestClient, image: dict[str, str], status: int) -> None:
    assert moderated.post("/moderate", json={"policy": "no red", "image": image}).status_code == status


def test_labels_of_a_sample_set_thresholds(moderated: TestClient) -> None:
    query = {"policy": "no red", "rule": "red", "limit": 50}
    answer = moderated.get("/moderation/sample", params=query)
    schemas.SampleAnswer.model_validate_json(answer.content, strict=True, extra="forbid")
    items = answer.json()["items"]
    assert len(items) == 12
    for breaks in (True, False):
        ids = [item["id"] for item in items if ("red" in item["path"]) == breaks]
        labels = {"policy": "no red", "rule": "red", "ids": ids, "breaks": breaks, "random": True}
        assert moderated.post("/moderation/label", json=labels).json() == {"labelled": len(ids)}
    assert moderated.get("/moderation/sample", params=query).json() == {"items": []}
    assert moderated.get("/moderation/policies").json()["policies"][0]["new_labels"] == 12
    promise = {"policy": "no red", "miss": 0.4, "false_alarm": 0.1, "confidence": 0.6}
    made = moderated.post("/moderation/calibrate", json=promise)
    schemas.PolicyRecord.model_validate_json(made.content, strict=True, extra="forbid")
    red = made.json()["rules"][0]
    assert (red["miss"]["possible"], red["miss"]["labels"], red["false_alarm"]["labels"]) == (True, 2, 10)
    assert made.json()["new_labels"] == 0
    scanned = moderated.post("/moderation/scan", json={"policy": "no red"})
    schemas.ScanAnswer.model_validate_json(scanned.content, strict=True, extra="forbid")
    assert scanned.json()["judged"] == 12
    alone = moderated.post("/moderation/calibrate", json={"policy": "no red", "confidence": 0.5})
    assert alone.status_code == 422


def test_a_server_without_changes(pictures: bouba.Gallery, serve: Callable[..., TestClient]) -> None:
    client = serve(pictures, writable=False)
    for path, body in (
        ("policies", {"toml": POLICY}),
        ("scan", {"policy": "no red"}),
        ("review", {"policy": "no red", "rule": "red", "id": "0" * 32, "breaks": True}),
        ("label", {"policy": "no red", "rule": "red", "ids": ["0" * 32], "breaks": True}),
        ("calibrate", {"policy": "no red"}),
    ):
        assert client.post(f"/moderation/{path}", json=body).status_code == 403, path


def test_a_gallery_in_memory_has_no_place_for_it(tiny_model: Any, serve: Callable[..., TestClient]) -> None:
    with bouba.open("memory://", tiny_model) as gallery:
        client = serve(gallery)
        assert client.get("/moderation/policies").json() == {"policies": []}
        refused = client.post("/moderation/policies", json={"toml": POLICY})
        assert (refused.status_code, refused.json()["code"]) == (422, "QueryError")
