"""docs/operations.md: what it tells to do is what works."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest

import bouba
from bouba.client import Client
from bouba.copying import copy

pytest.importorskip("fastapi")

from live_server import live_server

ROOT = Path(__file__).parents[1]
DOC = (ROOT / "docs/operations.md").read_text(encoding="utf-8")


def test_every_metric_is_one_of_the_servers(photos: Path, tiny_model) -> None:
    import urllib.request

    with bouba.open("memory://", tiny_model) as gallery, live_server(gallery) as url:
        gallery.add(photos)
        Client(url).search("red")
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            text = answer.read().decode()
    exposed = set(re.findall(r"^(bouba_\w+)", text, re.MULTILINE))
    named = set(re.findall(r"\b(bouba_[a-z_]+)", DOC))
    assert len(named) > 6
    assert named <= exposed | {re.sub(r"_(count|sum|bucket)$", "", name) for name in exposed}


def test_limits_are_the_servers() -> None:
    from bouba.server import questions, schemas
    from bouba.server.settings import MIB, Settings

    settings = Settings()
    table = DOC[DOC.index("## Limits") :]
    for told in (
        f"| one picture or recording | {settings.most_upload_bytes // MIB} MiB |",
        f"| one request | {settings.most_body_bytes // MIB} MiB |",
        f"| a recording in a question | {settings.most_audio_s:g} s |",
        f"| hits of one answer | {schemas.MOST_K} |",
        f"| parts of a question | {questions.MOST_PARTS}, at most {questions.DEEPEST} deep |",
        f"| searches that wait | {settings.waiting} |",
        f"| one answer | {settings.timeout_s:g} s, {settings.write_timeout_s:g} s for a change |",
    ):
        assert told in table, told


def test_files_and_extras_that_are_named_are_there() -> None:
    for name in set(re.findall(r"`((?:deploy|bouba)/[\w./]+\.\w+)`", DOC)):
        assert (ROOT / name).is_file(), name
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"bouba\[(\w+)\]", DOC)) <= set(extras)


def test_a_gallery_comes_back(photos: Path, tmp_path: Path, tiny_model) -> None:
    """Backed up while it is served and restored as the page tells, into its place and into another one."""
    place, backup = tmp_path / "served", tmp_path / "backup"
    backup.mkdir()
    with bouba.open(place, tiny_model) as gallery, live_server(gallery) as url, Client(url) as client:
        client.add([photos / "red.png", photos / "blue.png"], {"price": 2.0})
        client.feedback("red", liked=[client.search("red", k=1)[0].id], save_as="reds")
        copy(place, backup / "gallery.parquet")
        shutil.copytree(place / "uploads", backup / "uploads")
        shutil.copy(place / "feedback.jsonl", backup)
        before = {item.id: item for item in client.items()}
    assert {path.name for path in place.iterdir()} >= set(
        re.findall(r"^\| `([\w.]+)/?`", DOC[DOC.index("## Back-up") :], re.MULTILINE)
    )
    shutil.rmtree(place)

    copy(backup / "gallery.parquet", place)
    shutil.copytree(backup / "uploads", place / "uploads")
    with bouba.open(place, tiny_model) as gallery, live_server(gallery) as url, Client(url) as client:
        assert {item.id: item for item in client.items()} == before
        best = client.search("blue", k=1)[0]
        assert client.image(best.id) == (photos / "blue.png").read_bytes()
        assert client.thumbnail(best.id) is not None
        assert [concept["name"] for concept in client.concepts()] == ["reds"]

    other = tmp_path / "other"
    copy(backup / "gallery.parquet", other)
    shutil.copytree(backup / "uploads", other / "uploads")
    shutil.rmtree(place)
    with bouba.open(other, tiny_model) as gallery:
        report = gallery.add(other / "uploads")
        assert (report.added, report.moved) == (0, 2)
        assert all(Path(item.path).is_relative_to(other) for item in gallery.items())
