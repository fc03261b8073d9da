from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import milvus_here
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image
from tiny_model import COLOURS, write_tiny_model

import bouba
from bouba.encoders import Model, load_model

# How fast examples come says how busy the machine is, and nothing about bouba.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SHARED = Path(__file__).parents[2] / "shared"


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process runs all that needs the Milvus server, so that there is one server; one all that needs a browser."""
    for item in items:
        if _needs_milvus(item):
            item.add_marker(pytest.mark.xdist_group("milvus"))
        elif "tests/page/" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("page"))


@pytest.hookimpl(trylast=True)  # after the fixtures of the last test
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    alone = "PYTEST_XDIST_WORKER" in os.environ  # elsewhere these tests stand among others
    if alone and _needs_milvus(item) and not (nextitem and _needs_milvus(nextitem)):
        milvus_here.stop()


def _needs_milvus(item: pytest.Item) -> bool:
    return re.search(r"milvus(?!-lite)", item.nodeid) is not None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs the data folder beside the checkout")
    return SHARED / "data"


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def tiny_model(tiny_model_folder: Path) -> Model:
    return load_model(tiny_model_folder)


@pytest.fixture(params=["lance", "memory"])
def gallery(request: pytest.FixtureRequest, tmp_path: Path, tiny_model: Model) -> Iterator[bouba.Gallery]:
    """An empty gallery on each store."""
    uri = "memory://" if request.param == "memory" else str(tmp_path / "gallery")
    with bouba.open(uri, tiny_model) as opened:
        yield opened


Painter = Callable[..., Path]


@pytest.fixture
def paint(tmp_path: Path) -> Painter:
    """paint("red", "a/b.jpg", seed=1): a noisy picture mostly of one colour, as a file below `photos`."""

    def paint(colour: str, name: str | None = None, seed: int = 0, size: tuple[int, int] = (64, 48)) -> Path:
        path = tmp_path / "photos" / (name or f"{colour}{seed}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(-40, 40, (size[1], size[0], 3))
        Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)).save(path)
        return path

    return paint


@pytest.fixture
def photos(paint: Painter, tmp_path: Path) -> Path:
    """A folder with twelve pictures of six colours, some in a folder below."""
    for colour in COLOURS:
        paint(colour, f"{colour}.png", seed=1)
        paint(colour, f"below/{colour}.jpg", seed=2)
    return tmp_path / "photos"
