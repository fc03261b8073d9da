"""Thousands of generated requests, right and wrong ones, to a server that runs by itself: none of them breaks it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

import bouba
from bouba.encoders import Model

schemathesis = pytest.importorskip("schemathesis", reason="needs pip install 'bouba[dev]'")

FEWEST = 5000
EACH = 190  # requests of each kind and operation; operations without parameters have fewer


@pytest.fixture
def address(tmp_path: Path, tiny_model: Model, photos: Path) -> Iterator[str]:
    with bouba.open(tmp_path / "pictures.bouba", tiny_model) as gallery:
        gallery.add(photos, {"price": 9.5, "tags": ["a", "b"], "sold": True})
    command = [sys.executable, "-m", "bouba", "serve", "pictures.bouba", "--port", "0", "--quiet"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    found = re.search(r"http://[^/]+", process.stdout.readline())
    assert found
    yield found[0]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_request_is_answered_by_a_failure(address: str) -> None:
    described = schemathesis.openapi.from_url(f"{address}/openapi.json", wait_for_schema=60)
    answered: Counter[int] = Counter()
    known = str(httpx.get(f"{address}/items", trust_env=False).json()["items"][0]["id"])
    for found in described.get_all_operations():
        for mode in schemathesis.GenerationMode:
            _ask(found.ok(), mode, answered, known)
    print(dict(answered))
    assert answered.total() >= FEWEST
    assert [status for status in answered if status >= 500] == []
    assert answered[200] > 100
    assert answered[422] > 100


def _ask(operation: Any, mode: Any, answered: Counter[int], known: str) -> None:
    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EACH,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        database=None,
    )
    def ask(case: Any) -> None:
        if mode is schemathesis.GenerationMode.POSITIVE:  # a made-up name ends at once, and tests nothing
            case.query.pop("gallery", None)
            if "id" in case.path_parameters and operation.method != "delete":
                case.path_parameters["id"] = known
        response = case.call()
        answered[response.status_code] += 1
        assert response.status_code < 500, response.text

    with suppress(Unsatisfiable):  # of an operation that takes nothing, nothing is wrong
        ask()
