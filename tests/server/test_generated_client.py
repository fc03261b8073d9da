"""A client that is generated from /openapi.json, with nothing written by hand, reads every endpoint and searches."""

from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import pytest
from PIL import Image

import bouba

pytest.importorskip("fastapi")
pytest.importorskip("openapi_python_client")

from openapi_python_client.strings import snake_case

PACKAGE = "made_from_openapi"
# Pictures are bytes, whatever their type.
CONFIG = {
    "post_hooks": [],
    "content_type_overrides": dict.fromkeys(("image/jpeg", "image/png", "image/*"), "application/octet-stream"),
}


@dataclass
class Made:
    """The generated package, and a client of it for the live server."""

    spec: dict[str, Any]
    package: ModuleType
    client: Any

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The operation's response, with its status, content and what it was parsed into."""
        return self.operation(method, path).sync_detailed(client=self.client, **arguments)

    def operation(self, method: str, path: str) -> ModuleType:
        told = self.spec["paths"][path][method]
        tag = snake_case(told["tags"][0]) if told.get("tags") else "default"
        return importlib.import_module(f"{PACKAGE}.api.{tag}.{snake_case(told['operationId'])}")

    def body(self, method: str, path: str, value: dict[str, Any], *, form: bool) -> Any:
        """As the class that the operation takes: that of its form, or that of its JSON."""
        hint = typing.get_type_hints(self.operation(method, path).sync_detailed)["body"]
        (kind,) = [
            one
            for one in typing.get_args(hint) or (hint,)
            if hasattr(one, "from_dict") and hasattr(one, "to_multipart") == form
        ]
        return kind.from_dict(value) if not form else kind(**value)


@pytest.fixture
def made(tmp_path: Path, photos: Path, tiny_model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    from live_server import live_server

    with bouba.open(tmp_path / "stocked.bouba", tiny_model) as gallery:
        gallery.add(photos)
        gallery.add(photos / "red.png", {"price": 3.5, "tags": ("warm",)})
        with live_server(gallery) as url:
            (tmp_path / "openapi.json").write_bytes(urlopen(f"{url}/openapi.json").read())
            (tmp_path / "config.json").write_text(json.dumps(CONFIG))
            done = subprocess.run(
                [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none",
                 "--config", "config.json", "--output-path", PACKAGE, "--fail-on-warning"],
                cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            monkeypatch.syspath_prepend(tmp_path)
            package = importlib.import_module(PACKAGE)
            client = package.Client(base_url=url, raise_on_unexpected_status=True)
            yield Made(json.loads((tmp_path / "openapi.json").read_text()), package, client)
            for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
                del sys.modules[name]


def test_a_generated_client_works(made: Made, photos: Path) -> None:
    body = made.body("post", "/search", {"query": {"text": "red"}, "k": 3, "where": "price < 5"}, form=False)
    found = made.call("post", "/search", body=body)
    assert found.status_code == 200
    (hit,) = found.parsed.to_dict()["hits"]
    assert Path(hit["path"]) == photos / "red.png"
    assert hit["attributes"] == {"price": 3.5, "tags": ["warm"]}

    reads = sorted(path for path, methods in made.spec["paths"].items() if "get" in methods)
    assert {"/items", "/items/{id}", "/facets", "/concepts", "/galleries", "/readyz", "/metrics"} <= set(reads)
    of_apps = ("/shop", "/medical", "/moderation")  # which this gallery is not used by
    for path in (path for path in reads if not path.startswith(of_apps)):
        named = {"id": hit["id"]} if "{id}" in path else {}
        answer = made.call("get", path, **named)
        assert answer.status_code == 200, path
        assert answer.content, path
        if path.endswith(("/thumbnail", "/image")):
            with Image.open(io.BytesIO(answer.content)) as picture:
                assert picture.size == (64, 48)
    listed = made.call("get", "/items", where="price < 5").parsed.to_dict()
    assert (listed["total"], [item["id"] for item in listed["items"]]) == (1, [hit["id"]])

    picture = io.BytesIO()
    Image.new("RGB", (40, 30), (0, 0, 255)).save(picture, "PNG")
    picture.seek(0)
    file = made.package.types.File(picture, "sea.png", "image/png")
    sent = made.call("post", "/items", body=made.body("post", "/items", {"files": [file]}, form=True))
    told = sent.parsed.to_dict()
    assert (told["added"], told["known"], told["failed"]) == (1, 0, [])
    body = made.body("post", "/search", {"query": {"text": "blue"}, "k": 1, "where": "width = 40"}, form=False)
    (hit,) = made.call("post", "/search", body=body).parsed.to_dict()["hits"]
    assert [hit["id"]] == told["ids"]
