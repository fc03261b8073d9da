"""What means harm is refused with the right words, and changes nothing; on the wire: test_hostile_wire.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from bad_inputs import encode, picture
from fastapi.testclient import TestClient
from hostile_requests import NAMES, POLYGLOT, REQUESTS, Ask
from PIL import Image
from tiny_model import COLOURS

import bouba
from bouba.encoders import Model
from bouba.media import fetch
from bouba.server import create_app
from bouba.server.guard.keys import KeyFile
from bouba.server.settings import Settings

SECRET = "the secret of the machine"


class Place:
    """A server of six pictures, two of which turned into something else after they were added."""

    def __init__(self, folder: Path, model: Model, **settings: Any) -> None:
        self.folder = folder
        photos = folder / "photos"
        photos.mkdir(parents=True)
        for n, colour in enumerate(COLOURS):
            noise = np.random.default_rng(n).integers(-40, 40, (48, 64, 3))
            pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(photos / f"{colour}.png")
        self.gallery = bouba.open(folder / "gallery", model)
        self.gallery.add(photos)
        self.ids = {Path(item.path).stem: item.id for item in self.gallery.items()}
        (folder / "secret.txt").write_text(SECRET)
        self.app = create_app(self.gallery, Settings(audit_file=folder / "audit.jsonl", **settings))
        self.client = TestClient(self.app, base_url="http://localhost")

    def ask(self, ask: Ask, **fill: str) -> Any:
        words = {"{id}": self.ids["red"], "{ID}": self.ids["red"].upper(), **fill}
        url, options = ask.url, dict(ask.options)
        for name, value in words.items():
            url = url.replace(name, value)
            if isinstance(options.get("content"), bytes):
                options["content"] = options["content"].replace(name.encode(), value.encode())
        return self.client.request(ask.method, url, **options)

    def check(self) -> None:
        """It still answers, and holds what it held."""
        listed = self.client.get("/items").json()
        assert {item["id"] for item in listed["items"]} == set(self.ids.values())
        found = self.client.post("/search", json={"query": {"text": "red"}, "k": 1})
        assert (found.status_code, found.json()["hits"][0]["id"]) == (200, self.ids["red"])
        assert (self.folder / "secret.txt").read_text() == SECRET


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tiny_model: Model) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("hostile"), tiny_model)
    with place.gallery, place.client:
        yield place


@pytest.fixture(scope="module")
def fetching(tmp_path_factory: pytest.TempPathFactory, tiny_model: Model) -> Iterator[Place]:
    """One that reads addresses."""
    place = Place(tmp_path_factory.mktemp("fetching"), tiny_model, fetch=True)
    with place.gallery, place.client:
        yield place


def _check_problem(answer: Any, status: int) -> None:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not any(name.startswith("access-control") for name in answer.headers)
    for leak in ("Traceback", 'File "', SECRET, "root:x:0"):
        assert leak not in answer.text


@pytest.mark.parametrize("name", REQUESTS)
def test_refused(place: Place, name: str) -> None:
    ask = REQUESTS[name]
    _check_problem(place.ask(ask, **{"{port}": "1"}), ask.status)
    place.check()


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_stays_below_the_gallery(place: Place, name: str) -> None:
    before = _files(place.folder)
    data = encode(picture().rotate(90 * (len(name) % 4)), "PNG", compress_level=len(name) % 9)
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n' % NAMES[name]
    answer = place.client.post(
        "/items", content=head + data + b"\r\n--x--\r\n", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    if answer.status_code == 200:
        (item_id,) = answer.json()["ids"]
        new = {path for path in _files(place.folder) - before if "uploads" in path.parts}
        assert [path.parent for path in new] == [place.folder / "gallery" / "uploads" / item_id]
        assert all(path.suffix == ".png" and not path.name.startswith(".") for path in new)
        assert place.client.delete(f"/items/{item_id}").json() == {"removed": 1}
        assert not any(path.exists() for path in new)
    else:
        _check_problem(answer, 422)
    outside = {path for path in _files(place.folder) - before if place.folder / "gallery" not in path.parents}
    assert outside <= {place.folder / "audit.jsonl"}
    place.check()


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("way", ["link", "link to another folder", "other content", "gone", "a folder", "pipe"])
def test_a_file_that_became_something_else_is_not_served(place: Place, way: str) -> None:
    path = place.folder / "photos" / "blue.png"
    kept = path.read_bytes()
    path.unlink()
    try:
        match way:
            case "link":
                path.symlink_to(place.folder / "secret.txt")
            case "link to another folder":
                path.symlink_to("/etc/passwd")
            case "other content":
                path.write_text(SECRET)
            case "a folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
        _check_problem(place.client.get(f"/items/{place.ids['blue']}/image"), 404)
    finally:
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        path.write_bytes(kept)
    place.check()
    assert place.client.get(f"/items/{place.ids['blue']}/image").content == kept


def test_a_picture_that_is_a_page_as_well_stays_a_picture(place: Place) -> None:
    answer = place.client.post("/items", files={"files": ("evil.html", POLYGLOT, "text/html")})
    (item_id,) = answer.json()["ids"]
    served = place.client.get(f"/items/{item_id}/image")
    assert served.headers["content-type"] == "image/gif"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in served.headers["content-security-policy"]
    place.client.delete(f"/items/{item_id}")
    place.check()


def test_pictures_that_are_none_are_reported_and_not_kept(place: Place) -> None:
    bad = {name: ask for name, ask in REQUESTS.items() if "image" in ask.options.get("files", {})}
    files = [("files", (f"{name}.png", ask.options["files"]["image"][1])) for name, ask in bad.items()]
    answer = place.client.post("/items", files=files)
    assert (answer.status_code, answer.json()["added"]) == (200, 0)
    assert len(answer.json()["failed"]) == len(bad)
    uploads = place.folder / "gallery" / "uploads"
    assert not uploads.exists() or not _files(uploads)
    place.check()


@pytest.mark.parametrize("header", ["a b", "é", "x" * 65, "a;b", "<script>", '{"a":1}', ""])
def test_request_ids_that_are_none_are_replaced(place: Place, header: str) -> None:
    answer = place.client.get("/healthz", headers={"X-Request-Id": header.encode()})
    assert answer.headers["x-request-id"].isalnum()
    assert answer.headers["x-request-id"] != header


@pytest.mark.parametrize("ids", [["../.."], ["/"], [""], ["."], ["%"], [None], "all", {}, [["x"]], ["a" * 32] * 10**5])
def test_deleting_what_is_no_item(place: Place, ids: Any) -> None:
    answer = place.client.request("DELETE", "/items", json={"ids": ids})
    _check_problem(answer, 422)
    place.check()


class _Elsewhere(BaseHTTPRequestHandler):
    """Leads on to whatever the path names."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(302)
        self.send_header("Location", self.path[1:])
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ThreadingHTTPServer]:
    _Elsewhere.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("name", [name for name in REQUESTS if name.startswith("url-")])
def test_addresses_of_the_inside_are_refused_where_others_are_read(
    fetching: Place, elsewhere: ThreadingHTTPServer, name: str
) -> None:
    _Elsewhere.seen.clear()
    answer = fetching.ask(REQUESTS[name], **{"{port}": str(elsewhere.server_port)})
    _check_problem(answer, 422)
    assert not _Elsewhere.seen
    fetching.check()


@pytest.mark.parametrize("answers", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:10.0.0.1"], ["169.254.169.254"]])
def test_names_that_resolve_to_the_inside_are_refused(
    fetching: Place, elsewhere: ThreadingHTTPServer, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(None, None, None, None, (address, 0)) for address in answers]
    monkeypatch.setattr(fetch.socket, "getaddrinfo", lambda *_, **__: found)
    url = f"http://pictures.example:{elsewhere.server_port}/a.png"
    _Elsewhere.seen.clear()
    _check_problem(fetching.client.post("/search", json={"query": {"image": {"url": url}}}), 422)
    monkeypatch.undo()
    assert not _Elsewhere.seen
    fetching.check()


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", "/../x"]
)
def test_redirects_to_the_inside_are_refused(
    fetching: Place, elsewhere: ThreadingHTTPServer, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a public address, which this machine plays."""
    real = fetch.socket.create_connection
    monkeypatch.setattr(
        "urllib3.util.connection.create_connection", lambda *_, **__: real(("127.0.0.1", elsewhere.server_port))
    )
    _Elsewhere.seen.clear()
    url = f"http://8.8.8.8:{elsewhere.server_port}/{target}"
    answer = fetching.client.post("/items", json={"urls": [url]})
    monkeypatch.undo()
    assert answer.json()["added"] == 0
    assert len(answer.json()["failed"]) == 1
    assert len(_Elsewhere.seen) == (6 if target == "/../x" else 1)
    fetching.check()


@pytest.mark.parametrize("cookie", ["chosen", "", "../../x", "a" * 4000, "\x00", "%00"])
def test_sessions_that_nobody_opened(tmp_path: Path, tiny_model: Model, cookie: str) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    keys.new("laptop", "read", 600)
    place = Place(tmp_path / "place", tiny_model, keys_file=keys.path)
    with place.gallery, place.client:
        answer = place.client.get("/items", headers={"Cookie": f"bouba_session={cookie}"})
        _check_problem(answer, 401)
