"""Requests made from the description of a shop's routes are answered as described, with a catalogue there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings
from PIL import Image

import bouba
from bouba.apps.shop import Rule, Shop
from bouba.encoders import Model
from bouba.server import create_app

schemathesis = pytest.importorskip("schemathesis", reason="needs pip install 'bouba[dev]'")
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance  # noqa: E402


@pytest.fixture(scope="module")
def shop_app(tiny_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    folder = tmp_path_factory.mktemp("generated")
    with bouba.open(folder / "some.bouba", tiny_model) as gallery:
        rows = []
        for number, colour in enumerate(("red", "green", "blue")):
            Image.new("RGB", (20, 20), colour).save(folder / f"{colour}.png")
            rows.append(
                {"id": str(number), "title": colour, "image": f"{colour}.png", "price": number, "colour": colour}
            )
        (folder / "feed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        with Shop(gallery) as shop:
            shop.import_feed(folder / "feed.jsonl")
            shop.rules.add(Rule("boost", ("1",)))
        app = create_app(gallery)
        with TestClient(app, base_url="http://localhost"):
            yield app


@pytest.fixture(scope="module")
def shop_described(shop_app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", shop_app, headers={"Host": "localhost"})


schema = schemathesis.pytest.from_fixture("shop_described").include(path_regex="^/shop")


@schema.parametrize()
@settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate], derandomize=True
)
def test_generated_questions_to_a_shop_are_answered_as_described(case: Any) -> None:
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    case.call_and_validate("http://localhost", checks=checks)
