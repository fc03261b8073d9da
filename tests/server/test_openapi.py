"""The OpenAPI description is whole, and the server keeps to it under requests made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings
from pydantic import BaseModel

import bouba
from bouba.encoders import Model
from bouba.server import create_app, schemas
from bouba.server.schemas import Question, SearchBody

schemathesis = pytest.importorskip("schemathesis", reason="needs pip install 'bouba[dev]'")
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROUTES = {
    "/concepts": {"get"},
    "/concepts/{name}": {"delete"},
    "/explain": {"post"},
    "/facets": {"get"},
    "/feedback": {"post"},
    "/galleries": {"get"},
    "/healthz": {"get"},
    "/items": {"get", "post", "delete"},
    "/items/{id}": {"get", "delete"},
    "/items/{id}/image": {"get"},
    "/items/{id}/thumbnail": {"get"},
    "/medical/import": {"post"},
    "/medical/info": {"get"},
    "/medical/reports": {"post"},
    "/medical/search": {"post"},
    "/medical/studies/{study}": {"get"},
    "/metrics": {"get"},
    "/moderate": {"post"},
    "/moderation/audit": {"get"},
    "/moderation/calibrate": {"post"},
    "/moderation/evidence": {"post"},
    "/moderation/heat": {"post"},
    "/moderation/label": {"post"},
    "/moderation/policies": {"get", "post"},
    "/moderation/queue": {"get"},
    "/moderation/review": {"post"},
    "/moderation/sample": {"get"},
    "/moderation/scan": {"post"},
    "/readyz": {"get"},
    "/search": {"post"},
    "/session": {"post", "delete"},
    "/shop/goes-with": {"get"},
    "/shop/info": {"get"},
    "/shop/products/{id}": {"get"},
    "/shop/rules": {"get", "post"},
    "/shop/rules/log": {"get"},
    "/shop/rules/{id}": {"delete"},
    "/shop/search": {"post"},
    "/shop/similar": {"get"},
    "/version": {"get"},
}


@pytest.fixture(scope="module")
def app(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    from PIL import Image

    folder = tmp_path_factory.mktemp("openapi")
    with bouba.open(folder / "some.bouba", tiny_model) as gallery:
        for number, colour in enumerate(("red", "green", "blue")):
            Image.new("RGB", (20, 20), colour).save(folder / f"{colour}.png")
            gallery.add(folder / f"{colour}.png", {"price": number, "tags": ["a", colour], "sold": number > 1})
        app = create_app(gallery)
        with TestClient(app, base_url="http://localhost"):
            yield app


@pytest.fixture(scope="module")
def client(app: FastAPI) -> TestClient:
    """Of the app that runs already: it neither starts nor ends it."""
    return TestClient(app, base_url="http://localhost")


@pytest.fixture(scope="module")
def told(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


def test_every_route_is_there(told: dict[str, Any]) -> None:
    assert {path: set(methods) for path, methods in told["paths"].items()} == ROUTES


def test_every_reference_leads_somewhere(told: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    schemas = told["components"]["schemas"]
    found = set(references(told))
    assert found >= {f"#/components/schemas/{name}" for name in ("SearchBody", "Question", "Problem", "SearchAnswer")}
    assert {ref for ref in found if ref.removeprefix("#/components/schemas/") not in schemas} == set()


def test_problems_keys_and_names(told: dict[str, Any]) -> None:
    operations = [operation for methods in told["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert set(operation["responses"]["429"]["content"]) == {"application/problem+json"}
    assert told["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert {"bearer": []} in told["security"]


def test_examples_are_questions(told: dict[str, Any]) -> None:
    schemas = told["components"]["schemas"]
    for example in schemas["Question"]["examples"]:
        Question.model_validate_json(json.dumps(example))
    for example in schemas["SearchBody"]["examples"]:
        SearchBody.model_validate_json(json.dumps(example))


def test_answers_are_as_described(client: TestClient) -> None:
    """All that is told of a type is of that type; generated questions seldom find anything."""
    first = client.get("/items").json()["items"][0]["id"]
    asked = {"any": [{"text": "red"}, {"text": "green"}]}
    liked = {"query": {"text": "red"}, "liked": [first], "save_as": "x"}
    answers: list[tuple[type[BaseModel], Any]] = [
        (schemas.SearchAnswer, client.post("/search", json={"query": asked, "diverse": True})),
        (schemas.SearchAnswer, client.post("/search", json={"query": {"text": "red"}})),
        (schemas.SearchAnswer, client.post("/feedback", json=liked)),
        (schemas.ItemsAnswer, client.get("/items")),
        (schemas.ItemRecord, client.get(f"/items/{first}")),
        (schemas.FacetsAnswer, client.get("/facets")),
        (schemas.ConceptsAnswer, client.get("/concepts")),
        (schemas.GalleriesAnswer, client.get("/galleries")),
        (schemas.RemovedAnswer, client.delete("/concepts/x")),
        (schemas.AddAnswer, client.post("/items", files={"files": ("no.png", b"no")})),
        (schemas.Problem, client.get("/items/none")),
    ]
    for kind, answer in answers:
        assert kind.model_validate_json(answer.content, strict=True, extra="forbid"), answer.text
    assert answers[0][1].json()["hits"][0]["parts"]


@pytest.fixture(scope="module")
def described(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Host": "localhost"})


schema = schemathesis.pytest.from_fixture("described")
FEW = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
)


@schema.parametrize()
@FEW
def test_generated_requests_are_answered_as_described(case: Any) -> None:
    case.call_and_validate("http://localhost", checks=CHECKS)
