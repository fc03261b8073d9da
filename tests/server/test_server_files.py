"""Thumbnails and originals: by parts, cached, and never another file than the one that was added."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from packed_files import picture, write_tar
from PIL import Image

import bouba

Serve = Callable[..., TestClient]


@pytest.fixture
def red(pictures: bouba.Gallery, photos: Path) -> tuple[str, bytes, Path]:
    """Id, bytes and path of one picture."""
    path = photos / "red.png"
    return pictures.find(str(path))[0].id, path.read_bytes(), path


def test_original_as_it_is(client: TestClient, red: tuple[str, bytes, Path]) -> None:
    item_id, data, _ = red
    response = client.get(f"/items/{item_id}/image")
    assert response.content == data
    assert response.headers["content-type"] == "image/png"
    assert response.headers["etag"] == f'"{item_id}"'
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["content-disposition"] == "inline; filename*=UTF-8''red.png"
    saved = client.get(f"/items/{item_id}/image?download=1")
    assert saved.headers["content-disposition"].startswith("attachment")
    head = client.head(f"/items/{item_id}/image")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(data)))


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=10-", 206, 10, None),
        ("bytes=-7", 206, -7, None),
        ("bytes=-99999999", 206, 0, None),
        ("bytes=5-99999999", 206, 5, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("items=0-9", 200, 0, None),
        ("bytes=a-b", 200, 0, None),
    ],
)
def test_ranges(
    client: TestClient, red: tuple[str, bytes, Path], asked: str, status: int, start: int, stop: int | None
) -> None:
    item_id, data, _ = red
    response = client.get(f"/items/{item_id}/image", headers={"Range": asked})
    part = data[start:stop]
    assert (response.status_code, response.content) == (status, part)
    assert response.headers["content-length"] == str(len(part))
    if status == 206:
        first = data.index(part) if start else 0
        assert response.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(data)}"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=9-3", "bytes=-0", "bytes=-"])
def test_ranges_that_hold_nothing(client: TestClient, red: tuple[str, bytes, Path], asked: str) -> None:
    item_id, data, _ = red
    response = client.get(f"/items/{item_id}/image", headers={"Range": asked})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(data)}"


def test_what_the_client_has_is_not_sent_again(client: TestClient, red: tuple[str, bytes, Path]) -> None:
    item_id, data, _ = red
    for name in ("image", "thumbnail"):
        etag = client.get(f"/items/{item_id}/{name}").headers["etag"]
        for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            response = client.get(f"/items/{item_id}/{name}", headers={"If-None-Match": given})
            assert (response.status_code, response.content) == (304, b"")
    other = client.get(f"/items/{item_id}/image", headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, data)


def test_thumbnail(client: TestClient, red: tuple[str, bytes, Path], pictures: bouba.Gallery) -> None:
    item_id, _, _ = red
    assert client.get(f"/items/{item_id}/thumbnail").content == pictures.thumbnail(item_id)


def test_thumbnail_is_made_anew_where_none_was_kept(
    client: TestClient, red: tuple[str, bytes, Path], pictures: bouba.Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id, data, path = red
    monkeypatch.setattr(pictures, "thumbnail", lambda item_id: None)
    made = Image.open(io.BytesIO(client.get(f"/items/{item_id}/thumbnail").content))
    assert (made.format, made.size) == ("JPEG", Image.open(io.BytesIO(data)).size)
    path.unlink()
    assert client.get(f"/items/{item_id}/thumbnail").status_code == 404


def _replaced_by_a_link(path: Path) -> None:
    secret = path.with_name("secret")
    secret.write_text("not for you")
    path.unlink()
    path.symlink_to(secret)


def _replaced_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "change",
    [
        Path.unlink,
        lambda path: path.write_bytes(b"something else"),
        _replaced_by_a_link,
        _replaced_by_a_pipe,
        _replaced_by_a_folder,
    ],
)
def test_only_the_file_that_was_added(
    client: TestClient, red: tuple[str, bytes, Path], change: Callable[[Path], Any]
) -> None:
    item_id, _, path = red
    change(path)
    response = client.get(f"/items/{item_id}/image")
    assert (response.status_code, response.json()["code"]) == (404, "ItemMissing")
    assert str(path.parent) not in response.text


def test_pictures_in_a_shard(tmp_path: Path, tiny_model: Any, serve: Serve) -> None:
    shard = write_tar(tmp_path / "some.tar", [("one.png", picture(1)), ("two.png", picture(2))])
    with bouba.open(tmp_path / "packed.bouba", tiny_model) as gallery:
        gallery.add(shard)
        client = serve(gallery)
        for item in gallery.items():
            expected = picture(1 if item.path.endswith("one.png") else 2)
            assert client.get(f"/items/{item.id}/image").content == expected
            assert client.get(f"/items/{item.id}/image", headers={"Range": "bytes=3-5"}).content == expected[3:6]


def test_picture_without_a_file(pictures: bouba.Gallery, client: TestClient, png: Callable[..., bytes]) -> None:
    item_id = pictures.add([png("red", 30)]).ids[0]
    assert client.get(f"/items/{item_id}/image").status_code == 404
    assert client.get(f"/items/{item_id}/thumbnail").status_code == 200
