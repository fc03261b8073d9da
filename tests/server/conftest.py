from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs pip install 'bouba[server]'")

from fastapi.testclient import TestClient
from PIL import Image
from tiny_model import COLOURS

import bouba
from bouba.encoders import Model
from bouba.server import Settings, create_app

Clients = Callable[..., Any]


@pytest.fixture
def pictures(tmp_path: Path, tiny_model: Model, photos: Path) -> Iterator[bouba.Gallery]:
    """A gallery of twelve pictures of six colours."""
    with bouba.open(tmp_path / "pictures.bouba", tiny_model) as gallery:
        gallery.add(photos, {"shop": "corner"})
        yield gallery


@contextmanager
def opened_client(galleries: Any, **settings: Any) -> Iterator[TestClient]:
    app = create_app(galleries, Settings(**settings))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def serve() -> Iterator[Clients]:
    """serve(galleries, **settings): a client of an app that lives as long as the test."""
    open_ones = []

    def start(galleries: Any, **settings: Any) -> TestClient:
        manager = opened_client(galleries, **settings)
        open_ones.append(manager)
        return manager.__enter__()

    yield start
    for manager in open_ones:
        manager.__exit__(None, None, None)


@pytest.fixture
def client(pictures: bouba.Gallery, serve: Clients) -> TestClient:
    return serve(pictures)


@pytest.fixture
def png() -> Callable[..., bytes]:
    """png("red", side=8): a picture of one colour."""

    def made(colour: str, side: int = 8) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", (side, side), COLOURS[colour]).save(out, "PNG")
        return out.getvalue()

    return made
